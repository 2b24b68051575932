// SPDX-License-Identifier: Apache-2.0

// How long random tests run.

#ifndef CILIUMCORE_TESTS_ORACLE_ROUNDS_H_
#define CILIUMCORE_TESTS_ORACLE_ROUNDS_H_

#include <cstdint>
#include <cstdlib>

namespace ciliumcore::testing {

// Seeds, one a round.
struct Rounds {
  uint64_t first = 1;
  uint64_t end = 1;
  uint64_t usual = 0;

  uint64_t count() const { return end - first; }
  // Fewer than usual: what is rare may not have happened, and no test demands
  // that it has.
  bool are_few() const { return count() < usual; }
};

// The same `usual` rounds every time; but CC_ROUNDS says how many, in percent
// of the usual ones, and CC_SEED where to begin. To see one seed again: CC_SEED
// and CC_ROUNDS=0, which is one round.
inline Rounds RoundsOr(uint64_t usual) {
  const char* seed = std::getenv("CC_SEED");
  const char* percent = std::getenv("CC_ROUNDS");
  Rounds rounds = {.usual = usual};
  if (seed != nullptr) rounds.first = std::strtoull(seed, nullptr, 10);
  uint64_t count = usual;
  if (percent != nullptr) {
    count = usual * std::strtoull(percent, nullptr, 10) / 100;
  }
  rounds.end = rounds.first + (count == 0 ? 1 : count);
  return rounds;
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ROUNDS_H_
