// SPDX-License-Identifier: Apache-2.0

// What changes to a datapath cost: opening it, finding it as an earlier process
// left it, attaching one endpoint more where there are a thousand, and changing
// one rule.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/datapath/harness.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/cgroup.h"
#include "tests/support/private_bpffs.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kPresent = 1000;
constexpr uint32_t kAdded = 101;
constexpr uint32_t kApps = 100;  // identities; each has a policy

std::string AppOf(uint32_t pod) { return absl::StrCat("app", pod % kApps); }

// veth0, veth1, ...; once.
void MakeInterfaces() {
  static bool made = false;
  if (std::exchange(made, true)) return;
  Shell(absl::StrCat("seq 0 ", kPresent + kAdded - 1,
                     " | sed 's/.*/link add veth& type veth peer name pod&/'"
                     " | ip -batch -"));
}

LabelSelector Select(const std::string& app) {
  return {.match_labels = {{"app", app}}};
}

// Each application takes TCP 8080 from the next one.
std::vector<NetworkPolicy> Policies() {
  std::vector<NetworkPolicy> policies;
  for (uint32_t app = 0; app < kApps; ++app) {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = AppOf(app);
    policy.pod_selector = Select(AppOf(app));
    NetworkPolicyRule rule;
    rule.peers.push_back({.pod_selector = Select(AppOf(app + 1))});
    rule.ports.push_back({.protocol = Protocol::kTcp, .port = 8080});
    policy.ingress.push_back(std::move(rule));
    policies.push_back(std::move(policy));
  }
  return policies;
}

EndpointOptions Pod(IdentityAllocator& identities, uint32_t number) {
  return {.interface = absl::StrCat("veth", number),
          .addresses = {IpAddress::FromV4(0x0a000001 + number)},
          .identity = identities.Allocate({{"app", AppOf(number)}})};
}

void Must(const absl::Status& status) {
  Require(status.ok(), status.ToString());
}

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// Loads all programs and makes all maps, at their full sizes.
void BM_Open(benchmark::State& state) {
  for (auto _ : state) Must(Datapath::Open({.name = "bench"}).status());
}
BENCHMARK(BM_Open)->Name("open")->Unit(benchmark::kMillisecond)->UseRealTime();

// The median of kAdded commits of one endpoint each.
void BM_Attach(benchmark::State& state) {
  MakeInterfaces();
  IdentityAllocator identities;
  auto datapath = Datapath::Open({.name = "bench"});
  Must(datapath.status());
  Transaction first = datapath->Begin();
  first.SetPolicies(Policies());
  for (uint32_t i = 0; i < kPresent; ++i)
    first.AttachEndpoint(Pod(identities, i));
  const auto began = std::chrono::steady_clock::now();
  Must(first.Commit());
  state.counters["first_1000_ms"] =
      Milliseconds(std::chrono::steady_clock::now() - began);

  std::vector<double> times;
  for (uint32_t i = kPresent; i < kPresent + kAdded; ++i) {
    const auto start = std::chrono::steady_clock::now();
    Transaction change = datapath->Begin();
    change.AttachEndpoint(Pod(identities, i));
    Must(change.Commit());
    times.push_back(Milliseconds(std::chrono::steady_clock::now() - start));
  }
  std::sort(times.begin(), times.end());
  for (auto _ : state) state.SetIterationTime(times[kAdded / 2] * 1e-3);
  state.counters["p99_ms"] = times[kAdded * 99 / 100];
}
// The median of commits that change one rule: of one of the thousand's
// policies, or of one that selects them all.
void BM_Rule(benchmark::State& state, bool selects_all) {
  MakeInterfaces();
  IdentityAllocator identities;
  auto datapath = Datapath::Open({.name = "bench"});
  Must(datapath.status());
  Transaction first = datapath->Begin();
  std::vector<NetworkPolicy> policies = Policies();
  if (selects_all) policies[0].pod_selector = {};
  first.SetPolicies(policies);
  for (uint32_t i = 0; i < kPresent; ++i)
    first.AttachEndpoint(Pod(identities, i));
  Must(first.Commit());
  std::vector<double> times;
  for (uint32_t i = 0; i < kAdded; ++i) {
    policies[selects_all ? 0 : i % kApps].ingress[0].ports[0].port =
        static_cast<uint16_t>(9000 + i);
    Transaction change = datapath->Begin();
    change.SetPolicies(policies);
    const auto start = std::chrono::steady_clock::now();
    Must(change.Commit());
    times.push_back(Milliseconds(std::chrono::steady_clock::now() - start));
    usleep(20000);  // the grace period is over: it is not what is measured
  }
  std::sort(times.begin(), times.end());
  for (auto _ : state) state.SetIterationTime(times[kAdded / 2] * 1e-3);
  state.counters["p99_ms"] = times[kAdded * 99 / 100];
}
BENCHMARK_CAPTURE(BM_Rule, rule, false)
    ->Name("rule")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);
BENCHMARK_CAPTURE(BM_Rule, rule_of_all, true)
    ->Name("rule_of_all")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

constexpr uint32_t kServices = 10000;

// Opening what a process with a thousand endpoints and ten thousand services
// left, and the first commit, which asks for the same.
void BM_Adopt(benchmark::State& state) {
  MakeInterfaces();
  const testing::PrivateBpffs bpffs;
  auto cgroup = Cgroup::Create("ciliumcore-bench");
  Must(cgroup.status());
  DatapathOptions options;
  options.name = "bench";
  options.lifetime = Lifetime::kPinned;
  options.bpffs = bpffs.root();
  options.cgroup = cgroup->path();
  IdentityAllocator identities;
  std::vector<EndpointOptions> pods;
  for (uint32_t i = 0; i < kPresent; ++i) pods.push_back(Pod(identities, i));
  std::vector<ServiceOptions> services;
  for (uint32_t i = 0; i < kServices; ++i) {
    ServiceOptions& service = services.emplace_back();
    service.name = absl::StrCat("default/service-", i);
    service.frontend = {.address = IpAddress::FromV4(0x0a600000 + i),
                        .port = {.protocol = Protocol::kTcp, .port = 80}};
    for (uint32_t pod = 0; pod < 3; ++pod) {
      service.backends.push_back(
          {.address = IpAddress::FromV4(0x0a000001 + (i + pod) % kPresent),
           .port = 8080});
    }
  }
  double open_ms = 0;
  const auto run = [&] {
    const auto start = std::chrono::steady_clock::now();
    auto datapath = Datapath::Open(options);
    open_ms = Milliseconds(std::chrono::steady_clock::now() - start);
    Must(datapath.status());
    Transaction change = datapath->Begin();
    change.SetPolicies(Policies()).SetServices(services);
    for (const EndpointOptions& pod : pods) change.AttachEndpoint(pod);
    Must(change.Commit());
    return Milliseconds(std::chrono::steady_clock::now() - start);
  };
  state.counters["anew_ms"] = run();
  double least_open = 1e9, least = 1e9;
  for (auto _ : state) {
    least = std::min(least, run());
    least_open = std::min(least_open, open_ms);
    state.SetIterationTime(open_ms * 1e-3);
  }
  state.counters["open_ms"] = least_open;
  state.counters["with_commit_ms"] = least;
  Must(Datapath::Remove(options));
}
BENCHMARK(BM_Adopt)
    ->Name("adopt")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(5);

BENCHMARK(BM_Attach)
    ->Name("attach")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
