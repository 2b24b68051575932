// SPDX-License-Identifier: Apache-2.0

// What a compilation costs: identities x policies.

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "ciliumcore/policy/compiler.h"

namespace ciliumcore {
namespace {

// Identities in namespaces of 50; an application is five of them.
PolicyInput Cluster(uint32_t identities) {
  PolicyInput input;
  for (uint32_t i = 0; i < identities; ++i) {
    PolicyEndpoint endpoint;
    endpoint.identity = static_cast<Identity>(kFirstClusterIdentity + i);
    endpoint.ns = absl::StrCat("ns", i / 50);
    endpoint.labels.Set("app", absl::StrCat("app", i / 5));
    endpoint.labels.Set("tier", absl::StrCat("tier", i % 5));
    endpoint.labels.Set("pod", absl::StrCat(i));
    endpoint.addresses.push_back(IpAddress::FromV4(0x0a000000 + i));
    endpoint.ports.push_back(
        {"http", {Protocol::kTcp, static_cast<uint16_t>(8080 + i % 3)}});
    input.endpoints.push_back(std::move(endpoint));
    if (i % 50 == 0) {
      Namespace ns;
      ns.name = absl::StrCat("ns", i / 50);
      ns.labels.Set("team", absl::StrCat("team", i / 50 % 10));
      input.namespaces.push_back(std::move(ns));
    }
  }
  return input;
}

PeerRule Pods(const std::string& key, const std::string& value) {
  PeerRule peer;
  peer.pod_selector.emplace().match_labels.emplace_back(key, value);
  return peer;
}

PortRule On(uint16_t port) {
  PortRule rule;
  rule.port = port;
  return rule;
}

// Each selects an application of its namespace; it lets in a tier of the
// namespace on a port, and a team from anywhere on another, and out to a block
// of addresses and by name.
void AddPolicies(PolicyInput& input, uint32_t count, uint32_t identities) {
  const uint32_t namespaces = (identities + 49) / 50;
  for (uint32_t i = 0; i < count; ++i) {
    NetworkPolicy policy;
    policy.ns = absl::StrCat("ns", i % namespaces);
    policy.name = absl::StrCat("policy", i);
    const uint32_t app = i % namespaces * 10 + i / namespaces % 10;
    policy.pod_selector.match_labels.emplace_back("app",
                                                  absl::StrCat("app", app));
    policy.isolates_egress = true;
    PeerRule team;
    team.namespace_selector.emplace().match_labels.emplace_back(
        "team", absl::StrCat("team", i % 10));
    policy.ingress.push_back(
        {{Pods("tier", absl::StrCat("tier", i % 5))}, {On(80 + i % 100)}});
    policy.ingress.push_back({{team}, {On(443)}});
    PeerRule block;
    block.ip_block.emplace().cidr =
        IpPrefix::Of(IpAddress::FromV4(0xac100000 + (i % 256 << 8)), 24);
    PortRule http;
    http.name = "http";
    policy.egress.push_back({{block}, {On(443)}});
    policy.egress.push_back({{team}, {http}});
    policy.egress.push_back({{}, {On(53)}});
    input.policies.push_back(std::move(policy));
  }
}

void BM_Compile(benchmark::State& state) {
  const uint32_t identities = static_cast<uint32_t>(state.range(0));
  const uint32_t policies = static_cast<uint32_t>(state.range(1));
  PolicyInput input = Cluster(identities);
  AddPolicies(input, policies, identities);
  PeerRegistry peers;
  RuleSetTable rule_sets;
  size_t tables = 0, cells = 0, classes = 0;
  for (auto _ : state) {
    absl::StatusOr<CompiledPolicy> compiled = Compile(input, peers, rule_sets);
    if (!compiled.ok()) {
      state.SkipWithError(std::string(compiled.status().message()).c_str());
      break;
    }
    tables = compiled->tables.size();
    cells = classes = 0;
    for (const TableRef& table : compiled->tables) {
      cells += table->cells.size();
      classes += table->classes.size();
    }
  }
  state.counters["tables"] = static_cast<double>(tables);
  state.counters["cells"] = static_cast<double>(cells);
  state.counters["class_entries"] = static_cast<double>(classes);
}
BENCHMARK(BM_Compile)
    ->ArgNames({"identities", "policies"})
    ->Args({100, 10})
    ->Args({1000, 100})
    ->Args({10000, 100})
    ->Args({10000, 1000})
    ->Args({60000, 1000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ciliumcore
