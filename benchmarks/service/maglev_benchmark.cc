// SPDX-License-Identifier: Apache-2.0

// Building Maglev tables, against the way that keeps one walk per backend and
// looks at slot after slot in the table itself; and what a backend that goes
// moves of the others, here and in Cilium's tables.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "ciliumcore/service/cilium_maglev.h"
#include "ciliumcore/service/maglev.h"

namespace ciliumcore {
namespace {

// Of weights that are equal, or 1 to 1,000.
std::vector<MaglevBackend> Backends(uint32_t count, bool weighted = false) {
  std::vector<MaglevBackend> backends;
  for (uint32_t i = 0; i < count; ++i)
    backends.push_back({.key = 0x9e3779b97f4a7c15ull * (i + 1),
                        .weight = weighted ? 1 + i * 7919 % 1000 : 1});
  return backends;
}

std::vector<CiliumMaglevBackend> CiliumBackends(uint32_t count) {
  std::vector<CiliumMaglevBackend> backends;
  for (uint32_t i = 0; i < count; ++i) {
    backends.push_back(
        {.name = CiliumMaglevName(IpAddress::FromV4(0x0a000000 + i),
                                  {.protocol = Protocol::kTcp, .port = 80})});
  }
  return backends;
}

// The part of all slots that change hands although their backend stays, when
// one of `backends` goes; the mean over all that may.
template <typename Backend, typename Build>
double MovedBeyondTheLeast(const std::vector<Backend>& backends, Build build) {
  const std::vector<uint16_t> before = build(backends);
  uint64_t moved = 0;
  for (size_t gone = 0; gone < backends.size(); ++gone) {
    std::vector<Backend> left = backends;
    left.erase(left.begin() + gone);
    const std::vector<uint16_t> after = build(left);
    for (size_t slot = 0; slot < before.size(); ++slot) {
      const size_t now = after[slot] + (after[slot] >= gone ? 1 : 0);
      moved += before[slot] != gone && before[slot] != now;
    }
  }
  return static_cast<double>(moved) / (before.size() * backends.size());
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
  const auto weighted = Backends(static_cast<uint32_t>(state.range(1)), true);
  double ours = std::numeric_limits<double>::max(), classic = ours;
  double with_weights = ours;
  for (int turn = 0; turn < 11; ++turn) {
    ours = std::min(ours, Seconds([&] {
                      benchmark::DoNotOptimize(BuildMaglev(backends, size));
                    }));
    with_weights =
        std::min(with_weights, Seconds([&] {
                   benchmark::DoNotOptimize(BuildMaglev(weighted, size));
                 }));
    classic = std::min(classic, Seconds([&] {
                         benchmark::DoNotOptimize(BuildClassic(backends, size));
                       }));
  }
  for (auto _ : state) state.SetIterationTime(ours);
  state.counters["classic_ns"] = classic * 1e9;
  state.counters["times_faster"] = classic / ours;
  state.counters["of_equal_weights"] = with_weights / ours;
}
BENCHMARK(BM_Maglev)
    ->Args({16381, 100})
    ->Args({16381, 1000})
    ->Args({131071, 100})
    ->Args({131071, 1000})
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void BM_MaglevChange(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  const auto count = static_cast<uint32_t>(state.range(1));
  double ours = 0, cilium = 0;
  for (auto _ : state) {
    ours = MovedBeyondTheLeast(Backends(count), [&](const auto& backends) {
      return *BuildMaglev(backends, size);
    });
    cilium =
        MovedBeyondTheLeast(CiliumBackends(count), [&](const auto& backends) {
          return *BuildCiliumMaglev(backends, size);
        });
  }
  state.counters["moved_percent"] = ours * 100;
  state.counters["cilium_percent"] = cilium * 100;
}
BENCHMARK(BM_MaglevChange)
    ->Args({16381, 100})
    ->Args({131071, 100})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ciliumcore
