// SPDX-License-Identifier: Apache-2.0

// What the runners share.

#ifndef CILIUMCORE_LIB_TESTING_PROGRAM_INTERNAL_H_
#define CILIUMCORE_LIB_TESTING_PROGRAM_INTERNAL_H_

#include <cstddef>

#include "ciliumcore/testing/program.h"

namespace ciliumcore::testing {

// Notes a record of the ring. False if it has not the size of its kind.
bool AddEvent(const void* record, size_t size, ProgramOutput& output);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_LIB_TESTING_PROGRAM_INTERNAL_H_
