// SPDX-License-Identifier: Apache-2.0

// A data set for comparing policy engines: identity i is labelled app=a{i%200},
// tier=t{i%10} and uid=u{i}, in namespace ns{i%20}; rule r opens TCP port
// 1000+r/200. *Sparse*: rule r is for app=a{r%200}, from
// app=a{(7r+1+r/200)%200}, each in the namespace where it lives. *Dense*: every
// rule is for tier=t0, from app=a{r%200} of any namespace.
//
// Memory is what the kernel says (the peak of the process, of which the input
// is a part) and what malloc does (all that the result keeps, registries
// included).

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/policy/map_size.h"
#include "benchmarks/policy/shapes.h"
#include "ciliumcore/policy/compiler.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kApps = 200;
constexpr uint32_t kNamespaces = 20;

std::string AppOf(uint32_t i) { return absl::StrCat("a", i % kApps); }
std::string NamespaceOfApp(uint32_t i) {
  return absl::StrCat("ns", i % kNamespaces);
}

PolicyEndpoint Endpoint(uint32_t i) {
  PolicyEndpoint endpoint;
  endpoint.identity = static_cast<Identity>(kFirstClusterIdentity + i);
  endpoint.ns = NamespaceOfApp(i);
  endpoint.labels = {{"app", AppOf(i)},
                     {"tier", absl::StrCat("t", i % 10)},
                     {"uid", absl::StrCat("u", i)}};
  endpoint.addresses = {IpAddress::FromV4(0x0a000000 + i)};
  return endpoint;
}

LabelSelector Select(const std::string& key, const std::string& value) {
  LabelSelector selector;
  selector.match_labels.emplace_back(key, value);
  return selector;
}

CiliumPolicy Rule(uint32_t r, bool is_sparse) {
  CiliumPolicy policy;
  policy.name = absl::StrCat("rule", r);
  CiliumSpec& spec = policy.specs.emplace_back();
  CiliumRule& rule = spec.ingress.emplace_back();
  LabelSelector& from = rule.peers.emplace().endpoints.emplace_back();
  if (is_sparse) {
    policy.ns = NamespaceOfApp(r);
    spec.endpoint_selector = Select("app", AppOf(r));
    const uint32_t peer = 7 * r + 1 + r / kApps;
    from = Select("app", AppOf(peer));
    from.match_labels.emplace_back("k8s:io.kubernetes.pod.namespace",
                                   NamespaceOfApp(peer));
  } else {
    spec.endpoint_selector = Select("tier", "t0");
    from = Select("app", AppOf(r));
  }
  PortRule port;
  port.port = static_cast<uint16_t>(1000 + r / kApps);
  rule.ports.emplace_back().ports.push_back(port);
  return policy;
}

PolicyInput Input(uint32_t identities, uint32_t rules, bool is_sparse) {
  PolicyInput input;
  for (uint32_t i = 0; i < identities; ++i) {
    input.endpoints.push_back(Endpoint(i));
  }
  for (uint32_t r = 0; r < rules; ++r) {
    input.cilium_policies.push_back(Rule(r, is_sparse));
  }
  return input;
}

constexpr double kMegabyte = 1 << 20;

double HeapMegabytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / kMegabyte;
}

// The peak of this process since the last call of ForgetPeak.
double PeakMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}
void ForgetPeak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

// What the maps hold, and what maps of peers x ports would.
void Count(const CompiledPolicy& compiled, benchmark::State& state) {
  const auto size = bench::SizeOf(compiled);
  if (!size.ok()) {
    state.SkipWithError(std::string(size.status().message()).c_str());
    return;
  }
  size_t classes = 0;
  for (const TableRef& table : compiled.tables) {
    classes += table->classes.size();
  }
  state.counters["tables"] = static_cast<double>(compiled.tables.size());
  state.counters["class_entries"] = static_cast<double>(classes);
  state.counters["entries"] = static_cast<double>(size->tables.entries);
  state.counters["bytes"] = static_cast<double>(size->tables.bytes);
  state.counters["flow_entries"] = static_cast<double>(size->flows.entries);
  state.counters["flow_bytes"] = static_cast<double>(size->flows.bytes);
  state.counters["times_fewer"] = size->fewer();
  state.counters["times_smaller"] = size->smaller();
}

// Everything from nothing; every identity is a subject.
void BM_FullCompile(benchmark::State& state, bool is_sparse) {
  const PolicyInput input =
      Input(static_cast<uint32_t>(state.range(0)),
            static_cast<uint32_t>(state.range(1)), is_sparse);
  {
    // What is measured here is given back to the kernel and comes back by page
    // faults: it would be a part of the time.
    ForgetPeak();
    const double before = HeapMegabytes();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    const absl::StatusOr<CompiledPolicy> compiled =
        Compile(input, peers, rule_sets);
    if (!compiled.ok()) {
      state.SkipWithError(std::string(compiled.status().message()).c_str());
      return;
    }
    state.counters["peak_mb"] = PeakMegabytes();
    state.counters["kept_mb"] = HeapMegabytes() - before;
    Count(*compiled, state);
  }
  for (auto _ : state) {
    PeerRegistry peers;
    RuleSetTable rule_sets;
    benchmark::DoNotOptimize(Compile(input, peers, rule_sets));
  }
}
BENCHMARK_CAPTURE(BM_FullCompile, sparse, true)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Args({50000, 10000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_FullCompile, dense, false)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Args({50000, 10000})
    ->Unit(benchmark::kMillisecond);

// One rule more or less, all else as it was.
void BM_OneRule(benchmark::State& state, bool is_sparse) {
  PolicyInput input = Input(static_cast<uint32_t>(state.range(0)),
                            static_cast<uint32_t>(state.range(1)), is_sparse);
  Policies with = input;
  Policies without = input;
  without.cilium_policies.pop_back();
  PeerRegistry peers;
  RuleSetTable rule_sets;
  PolicyCompiler compiler(&peers, &rule_sets);
  absl::StatusOr<CompiledPolicy> compiled = compiler.Compile(std::move(input));
  bool has_it = true;
  for (auto _ : state) {
    has_it = !has_it;
    compiled = compiler.Recompile(has_it ? with : without);
    benchmark::DoNotOptimize(compiled);
  }
  if (!compiled.ok()) {
    state.SkipWithError(std::string(compiled.status().message()).c_str());
  }
}
BENCHMARK_CAPTURE(BM_OneRule, sparse, true)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_OneRule, dense, false)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Unit(benchmark::kMillisecond);

// One identity elsewhere comes or goes, all else as it was; 100 of the others
// are subjects here, all of tier t0.
void BM_OneIdentity(benchmark::State& state, bool is_sparse) {
  constexpr uint32_t kSubjects = 100;
  const auto identities = static_cast<uint32_t>(state.range(0));
  PolicyInput input =
      Input(identities, static_cast<uint32_t>(state.range(1)), is_sparse);
  std::vector<PolicyEndpoint> subjects;
  for (uint32_t i = 0; i < identities; ++i) {
    PolicyEndpoint& endpoint = input.endpoints[i];
    const bool is_here = i % 10 == 0 && subjects.size() < kSubjects;
    (is_here ? subjects : input.remotes).push_back(std::move(endpoint));
  }
  input.endpoints = std::move(subjects);
  PeerRegistry peers;
  RuleSetTable rule_sets;
  PolicyCompiler compiler(&peers, &rule_sets);
  absl::StatusOr<CompiledPolicy> compiled = compiler.Compile(std::move(input));
  const PolicyEndpoint newcomer = Endpoint(identities);
  bool is_there = false;
  std::vector<double> seconds;
  for (auto _ : state) {
    is_there = !is_there;
    RemoteChange change;
    (is_there ? change.come : change.gone) = {newcomer};
    const auto begin = std::chrono::steady_clock::now();
    compiled = compiler.Recompile(change);
    benchmark::DoNotOptimize(compiled);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  if (!compiled.ok()) {
    state.SkipWithError(std::string(compiled.status().message()).c_str());
    return;
  }
  std::sort(seconds.begin(), seconds.end());
  state.counters["p50_us"] = seconds[seconds.size() / 2] * 1e6;
  state.counters["p99_us"] = seconds[seconds.size() * 99 / 100] * 1e6;
}
BENCHMARK_CAPTURE(BM_OneIdentity, sparse, true)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Args({50000, 10000})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_OneIdentity, dense, false)
    ->ArgNames({"identities", "rules"})
    ->Args({1000, 1000})
    ->Args({10000, 1000})
    ->Args({50000, 10000})
    ->Unit(benchmark::kMicrosecond);

// What maps hold under policies that filled Cilium's; `one_*`, if a node had
// one endpoint alone. Figures that do not depend on the machine.
void BM_Layout(benchmark::State& state, PolicyInput (*make)()) {
  const PolicyInput input = make();
  PeerRegistry peers;
  RuleSetTable rule_sets;
  absl::StatusOr<CompiledPolicy> compiled;
  for (auto _ : state) compiled = Compile(input, peers, rule_sets);
  if (!compiled.ok()) {
    state.SkipWithError(std::string(compiled.status().message()).c_str());
    return;
  }
  Count(*compiled, state);
  const auto one = bench::SizeOf(*compiled, 0);
  if (!one.ok()) return;
  state.counters["one_entries"] = static_cast<double>(one->tables.entries);
  state.counters["one_flow_entries"] = static_cast<double>(one->flows.entries);
  state.counters["one_times_fewer"] = one->fewer();
}
BENCHMARK_CAPTURE(BM_Layout, open_services, [] {
  return bench::OpenServices(20000);
})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Layout, closed_services, [] {
  return bench::ClosedServices(20000);
})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Layout, nested_blocks, [] {
  return bench::NestedBlocks(1000, 32);
})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ciliumcore
