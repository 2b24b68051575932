// SPDX-License-Identifier: Apache-2.0

// Records in a BPF ring buffer that no program of the library wrote.

#ifndef CILIUMCORE_TESTS_SUPPORT_RING_WRITER_H_
#define CILIUMCORE_TESTS_SUPPORT_RING_WRITER_H_

#include <cstddef>
#include <string>

#include "absl/types/span.h"

namespace ciliumcore::testing {

// Writes a record of 1 to 512 bytes to the ring that is pinned at `path`, by a
// program made for it. Fails the running test if it cannot.
void WriteToRing(const std::string& path, absl::Span<const std::byte> record);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_RING_WRITER_H_
