// SPDX-License-Identifier: Apache-2.0

// Is this build's idea of a struct the kernel's? Compares shapes with BTF: with
// what the kernel keeps for a map, which an older build may have created, and
// with what a compiled BPF object declares.

#ifndef CILIUMCORE_ABI_BTF_CHECK_H_
#define CILIUMCORE_ABI_BTF_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layout.h"

namespace ciliumcore::abi {

// Compares `key` and `value` with the map behind `map_fd`, which stays the
// caller's. FailedPrecondition lists every field that differs by name, place or
// size, not only the first, and is also what a map without BTF gets.
absl::Status CheckMapLayout(int map_fd, const Shape& key, const Shape& value);

// Compares the structs in the BTF of the compiled object at `path` with the
// shapes of their names. FailedPrecondition lists every field that differs, and
// every struct named cc_* that maps or global data use and that has no shape in
// `shapes`. NotFound or InvalidArgument if the object cannot be read.
absl::Status CheckObjectLayouts(const std::string& path,
                                absl::Span<const Shape> shapes);

}  // namespace ciliumcore::abi

#endif  // CILIUMCORE_ABI_BTF_CHECK_H_
