// SPDX-License-Identifier: Apache-2.0

// What Map costs beyond the system call it makes. Each pair of benchmarks, Bare
// and Typed, does the same to the same map: Bare by libbpf alone. The bounds to
// hold: Typed at most 1.05 times Bare; an entry of a batch at most half of an
// entry put alone.

#include <benchmark/benchmark.h>
#include <bpf/bpf.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/maps/map.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kEntries = 65536;

using Connections = Map<cc_ct_key, cc_ct>;

cc_ct_key KeyOf(uint32_t number) {
  cc_ct_key key = {};
  key.lo.w[3] = number;
  return key;
}

// Keys in an order that no prefetcher guesses: entries lie in memory in the
// order they were put.
const std::vector<cc_ct_key>& Keys() {
  static const std::vector<cc_ct_key> keys = [] {
    std::vector<uint32_t> numbers(kEntries);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937(1));
    std::vector<cc_ct_key> shuffled;
    for (const uint32_t number : numbers) shuffled.push_back(KeyOf(number));
    return shuffled;
  }();
  return keys;
}

Connections* Full(benchmark::State& state) {
  static absl::StatusOr<Connections> map = [] {
    auto created =
        Connections::Create({.name = "cc_bench", .capacity = 2 * kEntries});
    for (uint32_t i = 0; created.ok() && i < kEntries; ++i) {
      (void)created->Put(KeyOf(i), {});
    }
    return created;
  }();
  if (map.ok()) return &*map;
  state.SkipWithError(map.status().ToString().c_str());
  return nullptr;
}

void BM_BareLookup(benchmark::State& state) {
  Connections* map = Full(state);
  size_t at = 0;
  for (auto _ : state) {
    cc_ct value;
    benchmark::DoNotOptimize(
        bpf_map_lookup_elem(map->fd(), &Keys()[at], &value));
    benchmark::DoNotOptimize(value);
    at = (at + 1) % kEntries;
  }
}

void BM_TypedLookup(benchmark::State& state) {
  Connections* map = Full(state);
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(map->Lookup(Keys()[at]));
    at = (at + 1) % kEntries;
  }
}

void BM_BareMiss(benchmark::State& state) {
  Connections* map = Full(state);
  const cc_ct_key key = KeyOf(kEntries);
  for (auto _ : state) {
    cc_ct value;
    benchmark::DoNotOptimize(bpf_map_lookup_elem(map->fd(), &key, &value));
  }
}

void BM_TypedMiss(benchmark::State& state) {
  Connections* map = Full(state);
  const cc_ct_key key = KeyOf(kEntries);
  for (auto _ : state) benchmark::DoNotOptimize(map->Lookup(key));
}

void BM_BarePut(benchmark::State& state) {
  Connections* map = Full(state);
  const cc_ct value = {};
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        bpf_map_update_elem(map->fd(), &Keys()[at], &value, BPF_ANY));
    at = (at + 1) % kEntries;
  }
}

void BM_TypedPut(benchmark::State& state) {
  Connections* map = Full(state);
  const cc_ct value = {};
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(map->Put(Keys()[at], value));
    at = (at + 1) % kEntries;
  }
}

void BM_PutBatch(benchmark::State& state) {
  Connections* map = Full(state);
  const size_t count = static_cast<size_t>(state.range(0));
  const std::vector<cc_ct> values(count);
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        map->PutBatch(absl::MakeConstSpan(&Keys()[at], count), values));
    at = (at + count) % kEntries;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_Walk(benchmark::State& state) {
  Connections* map = Full(state);
  for (auto _ : state) {
    size_t count = 0;
    benchmark::DoNotOptimize(
        map->ForEach([&count](const cc_ct_key&, const cc_ct&) { ++count; }));
    benchmark::DoNotOptimize(count);
  }
  state.SetItemsProcessed(state.iterations() * kEntries);
}

void BM_MappedStore(benchmark::State& state) {
  auto array =
      MappedArray<cc_cell>::Create({.name = "cc_bench", .size = kEntries});
  if (!array.ok()) {
    state.SkipWithError(array.status().ToString().c_str());
    return;
  }
  uint32_t at = 0;
  for (auto _ : state) {
    cc_cell cell = {};
    cell.rule_set = at;
    StoreRelease(&(*array)[at], cell);
    at = (at + 1) % kEntries;
  }
}

BENCHMARK(BM_BareLookup);
BENCHMARK(BM_TypedLookup);
BENCHMARK(BM_BareMiss);
BENCHMARK(BM_TypedMiss);
BENCHMARK(BM_BarePut);
BENCHMARK(BM_TypedPut);
BENCHMARK(BM_PutBatch)->Arg(16)->Arg(256)->Arg(4096);
BENCHMARK(BM_Walk);
BENCHMARK(BM_MappedStore);

}  // namespace
}  // namespace ciliumcore
