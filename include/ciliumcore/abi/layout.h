// SPDX-License-Identifier: Apache-2.0

// How C++ describes an abi struct, so that it can be compared with what the
// kernel holds: the name, the place and the size of each field.
//
// The descriptions of all abi structs are in layouts.h.

#ifndef CILIUMCORE_ABI_LAYOUT_H_
#define CILIUMCORE_ABI_LAYOUT_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"

namespace ciliumcore::abi {

struct Field {
  std::string_view name;
  std::size_t offset;
  std::size_t size;
};

// True if `fields` tile [0, size) in order: no hole, no overlap, none left out.
template <std::size_t N>
constexpr bool Tiles(const std::array<Field, N>& fields, std::size_t size) {
  std::size_t at = 0;
  for (const Field& field : fields) {
    if (field.offset != at) return false;
    at += field.size;
  }
  return at == size;
}

// Specialised for each type that crosses into the kernel: {kName, kFields}.
template <typename T>
struct Layout;

// A bare integer, as the key of an array, has no fields.
template <std::integral T>
struct Layout<T> {
  static constexpr std::string_view kName = sizeof(T) == 1   ? "__u8"
                                            : sizeof(T) == 2 ? "__u16"
                                            : sizeof(T) == 4 ? "__u32"
                                                             : "__u64";
  static constexpr std::array<Field, 0> kFields = {};
};

// A type as this build lays it out. Refers to constants: cheap to copy, always
// valid.
struct Shape {
  std::string_view name;
  std::size_t size = 0;
  absl::Span<const Field> fields;  // none: an integer
};

template <typename T>
constexpr Shape ShapeOf() {
  return {Layout<T>::kName, sizeof(T), Layout<T>::kFields};
}

// A type that maps may be keyed by or hold.
template <typename T>
concept Described = requires {
  Layout<T>::kFields;
};

}  // namespace ciliumcore::abi

#endif  // CILIUMCORE_ABI_LAYOUT_H_
