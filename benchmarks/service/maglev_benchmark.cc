// SPDX-License-Identifier: Apache-2.0

// Building Maglev tables, against the way that keeps one walk per backend and
// looks at slot after slot in the table itself.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "ciliumcore/service/maglev.h"

namespace ciliumcore {
namespace {

std::vector<MaglevBackend> Backends(uint32_t count) {
  std::vector<MaglevBackend> backends;
  for (uint32_t i = 0; i < count; ++i)
    backends.push_back({.key = 0x9e3779b97f4a7c15ull * (i + 1), .weight = 1});
  return backends;
}

// Weighted rounds over walks of O(backends) state, 32-bit slots.
std::vector<int> BuildClassic(const std::vector<MaglevBackend>& backends,
                              uint32_t size) {
  std::vector<uint32_t> offset, skip, next(backends.size());
  uint32_t heaviest = 0;
  for (const MaglevBackend& backend : backends) {
    offset.push_back(static_cast<uint32_t>((backend.key >> 32) % size));
    skip.push_back(
        static_cast<uint32_t>((backend.key & 0xffffffff) % (size - 1) + 1));
    heaviest = std::max(heaviest, backend.weight);
  }
  std::vector<int> table(size, -1);
  std::vector<uint32_t> credit(backends.size());
  for (uint32_t filled = 0;;) {
    for (size_t i = 0; i < backends.size(); ++i) {
      credit[i] += backends[i].weight;
      if (credit[i] < heaviest) continue;
      credit[i] -= heaviest;
      uint32_t slot = (offset[i] + uint64_t{next[i]} * skip[i]) % size;
      while (table[slot] >= 0) {
        ++next[i];
        slot = (offset[i] + uint64_t{next[i]} * skip[i]) % size;
      }
      table[slot] = static_cast<int>(i);
      ++next[i];
      if (++filled == size) return table;
    }
  }
}

template <typename Work>
double Seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

void BM_Maglev(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  const auto backends = Backends(static_cast<uint32_t>(state.range(1)));
  double ours = std::numeric_limits<double>::max(), classic = ours;
  for (int turn = 0; turn < 11; ++turn) {
    ours = std::min(ours, Seconds([&] {
                      benchmark::DoNotOptimize(BuildMaglev(backends, size));
                    }));
    classic = std::min(classic, Seconds([&] {
                         benchmark::DoNotOptimize(BuildClassic(backends, size));
                       }));
  }
  for (auto _ : state) state.SetIterationTime(ours);
  state.counters["classic_ns"] = classic * 1e9;
  state.counters["times_faster"] = classic / ours;
}
BENCHMARK(BM_Maglev)
    ->Args({16381, 1000})
    ->Args({131071, 1000})
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ciliumcore
