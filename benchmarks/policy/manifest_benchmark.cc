// SPDX-License-Identifier: Apache-2.0

// What it costs to read manifests: policies, each a document.

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore {
namespace {

// Who may reach an application of a namespace, and what it may reach.
std::string NetworkPolicyText(size_t i) {
  return absl::StrCat(R"(apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: policy-)",
                      i, R"(
  namespace: ns)",
                      i % 50, R"(
spec:
  podSelector:
    matchLabels:
      app: app)",
                      i, R"(
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector:
        matchLabels:
          tier: front
    ports:
    - protocol: TCP
      port: 8080
  egress:
  - to:
    - ipBlock:
        cidr: 10.0.0.0/8
        except: [10.1.0.0/16]
    ports:
    - protocol: TCP
      port: 443
---
)");
}

std::string CiliumPolicyText(size_t i) {
  return absl::StrCat(R"(apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: policy-)",
                      i, R"(
  namespace: ns)",
                      i % 50, R"(
spec:
  endpointSelector:
    matchLabels:
      app: app)",
                      i, R"(
  ingress:
  - fromEndpoints:
    - matchLabels:
        tier: front
    toPorts:
    - ports:
      - port: "8080"
        protocol: TCP
  egress:
  - toCIDRSet:
    - cidr: 10.0.0.0/8
      except: [10.1.0.0/16]
    toPorts:
    - ports:
      - port: "443"
        protocol: TCP
---
)");
}

void Read(benchmark::State& state, std::string (*text)(size_t)) {
  ManifestSource source;
  for (int64_t i = 0; i < state.range(0); ++i) {
    absl::StrAppend(&source.text, text(static_cast<size_t>(i)));
  }
  for (auto _ : state) {
    absl::StatusOr<Cluster> cluster = LoadManifests({&source, 1});
    if (!cluster.ok()) {
      state.SkipWithError(std::string(cluster.status().message()).c_str());
      break;
    }
    benchmark::DoNotOptimize(cluster);
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(source.text.size()));
}

void BM_ReadNetworkPolicies(benchmark::State& state) {
  Read(state, NetworkPolicyText);
}
BENCHMARK(BM_ReadNetworkPolicies)
    ->ArgName("documents")
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond);

void BM_ReadCiliumPolicies(benchmark::State& state) {
  Read(state, CiliumPolicyText);
}
BENCHMARK(BM_ReadCiliumPolicies)
    ->ArgName("documents")
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ciliumcore
