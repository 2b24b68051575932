// SPDX-License-Identifier: Apache-2.0

// Types for maps under test, and a fixture that runs a test over the kernel and
// over memory.

#ifndef CILIUMCORE_TESTS_MAPS_TEST_MAPS_H_
#define CILIUMCORE_TESTS_MAPS_TEST_MAPS_H_

#include <gtest/gtest.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "ciliumcore/abi/layout.h"
#include "ciliumcore/maps/map.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {

struct Pair {
  uint32_t a = 0;
  uint32_t b = 0;
  friend auto operator<=>(const Pair&, const Pair&) = default;
};

// Pair with its fields swapped: of the same size, and another thing.
struct SwappedPair {
  uint32_t b;
  uint32_t a;
};

struct TrieKey {
  uint32_t bits = 0;
  std::array<uint8_t, 4> data = {};
  friend auto operator<=>(const TrieKey&, const TrieKey&) = default;
};

}  // namespace ciliumcore::testing

namespace ciliumcore::abi {

template <>
struct Layout<testing::Pair> {
  static constexpr std::string_view kName = "cc_pair";
  static constexpr std::array kFields = {Field{"a", 0, 4}, Field{"b", 4, 4}};
};

template <>
struct Layout<testing::SwappedPair> {
  static constexpr std::string_view kName = "cc_pair";
  static constexpr std::array kFields = {Field{"b", 0, 4}, Field{"a", 4, 4}};
};

template <>
struct Layout<testing::TrieKey> {
  static constexpr std::string_view kName = "cc_trie_key";
  static constexpr std::array kFields = {Field{"bits", 0, 4},
                                         Field{"data", 4, 4}};
};

}  // namespace ciliumcore::abi

namespace ciliumcore::testing {

enum class Backend { kKernel, kMemory };

class BackendTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (GetParam() == Backend::kKernel) RequireBpf();
  }

  static bool in_kernel() { return GetParam() == Backend::kKernel; }

  // A map of type M, on the backend under test. Ends the test if it cannot.
  template <typename M, typename Options>
  static M New(const Options& options) {
    absl::StatusOr<M> map =
        in_kernel() ? M::Create(options) : M::CreateInMemory(options);
    if (!map.ok()) ADD_FAILURE() << map.status();
    return *std::move(map);
  }
};

inline std::string BackendName(const ::testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kKernel ? "Kernel" : "Memory";
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_MAPS_TEST_MAPS_H_
