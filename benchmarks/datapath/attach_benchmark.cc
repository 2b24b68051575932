// SPDX-License-Identifier: Apache-2.0

// What changes to a datapath cost: opening it, and attaching one endpoint more
// where there are a thousand.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/datapath/harness.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kPresent = 1000;
constexpr uint32_t kAdded = 101;
constexpr uint32_t kApps = 100;  // identities; each has a policy

std::string AppOf(uint32_t pod) { return absl::StrCat("app", pod % kApps); }

// veth0, veth1, ...
void MakeInterfaces(uint32_t count) {
  Shell(absl::StrCat("seq 0 ", count - 1,
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
  MakeInterfaces(kPresent + kAdded);
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
BENCHMARK(BM_Attach)
    ->Name("attach")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
