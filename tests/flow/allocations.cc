// SPDX-License-Identifier: Apache-2.0
#include "tests/flow/allocations.h"

#include <cstdlib>
#include <new>

namespace {

size_t allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ciliumcore::testing {

size_t Allocations() { return allocations; }

}  // namespace ciliumcore::testing
