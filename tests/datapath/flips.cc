// SPDX-License-Identifier: Apache-2.0

#include "tests/datapath/flips.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {
namespace {

using Action = ClusterRule::Action;
using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;

constexpr uint32_t kFirstAddress = 0x0a000100;
constexpr uint32_t kFirstIdentity = 1000;

// The policies of one pod.
class Writer {
 public:
  Writer(int pod, int change, Policies& to)
      : name_(absl::StrCat("pod-", pod, "-", change)), to_(to) {
    pod_.match_labels = {{"app", absl::StrCat("pod-", pod)}};
  }

  // Without a rule it denies.
  void Network(int rules, const char* suffix = "") {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = name_ + suffix;
    policy.pod_selector = pod_;
    policy.ingress.resize(static_cast<size_t>(rules));
    to_.policies.push_back(std::move(policy));
  }

  void Cilium(std::vector<CiliumRule> allowing,
              std::vector<CiliumRule> denying = {}) {
    Cilium("default", std::move(allowing), std::move(denying));
  }
  void Clusterwide(std::vector<CiliumRule> allowing,
                   std::vector<CiliumRule> denying = {}) {
    Cilium("", std::move(allowing), std::move(denying));
  }

  void Cluster(Kind kind, Tier tier, std::vector<Action> actions) {
    ClusterPolicy policy = {.kind = kind, .name = name_, .tier = tier};
    if (kind == Kind::kBaselineAdminNetworkPolicy) {
      policy.priority = ClusterPolicy::kNoPriority;
    }
    policy.subject.pod_selector = pod_;
    for (const Action action : actions) {
      policy.ingress.push_back({.action = action, .peers = {NamespacedPods()}});
    }
    to_.cluster_policies.push_back(std::move(policy));
  }

 private:
  void Cilium(const char* ns, std::vector<CiliumRule> allowing,
              std::vector<CiliumRule> denying) {
    CiliumSpec spec;
    spec.endpoint_selector = pod_;
    spec.default_deny_ingress = true;
    spec.ingress = std::move(allowing);
    spec.ingress_deny = std::move(denying);
    to_.cilium_policies.push_back(
        {.ns = ns, .name = name_, .specs = {std::move(spec)}});
  }

  const std::string name_;
  LabelSelector pod_;
  Policies& to_;
};

CiliumRule Everybody() {
  CiliumRule rule;
  rule.peers.emplace().entities = {CiliumEntity::kAll};
  return rule;
}

CiliumRule Unauthenticated() {
  CiliumRule rule = Everybody();
  rule.authentication = CiliumAuthentication::kRequired;
  return rule;
}

CiliumRule NamesByProxy() {
  CiliumRule rule = Everybody();
  CiliumPortRule& ports = rule.ports.emplace_back();
  ports.ports = {{Protocol::kUdp, {}, {}, ""}};
  ports.dns = {{.pattern = "*"}};
  return rule;
}

using Form = void (*)(Writer&);

// Those that allow and those that deny take turns.
constexpr Form kForms[] = {
    [](Writer& pod) { pod.Network(1); },
    [](Writer& pod) { pod.Network(0); },
    [](Writer& pod) { pod.Cilium({Everybody()}); },
    [](Writer& pod) { pod.Cilium({}); },
    [](Writer& pod) {
      pod.Network(2);
      pod.Clusterwide({Everybody()});
    },
    [](Writer& pod) {
      pod.Network(1);
      pod.Cilium({Everybody()}, {Everybody()});
    },
    [](Writer& pod) {
      pod.Network(0);
      pod.Cluster(Kind::kClusterNetworkPolicy, Tier::kAdmin, {Action::kAccept});
    },
    [](Writer& pod) {
      pod.Network(1);
      pod.Cluster(Kind::kClusterNetworkPolicy, Tier::kAdmin, {Action::kDeny});
    },
    [](Writer& pod) {
      pod.Network(1);
      pod.Cluster(Kind::kAdminNetworkPolicy, Tier::kAdmin,
                  {Action::kPass, Action::kDeny});
    },
    [](Writer& pod) { pod.Clusterwide({Everybody()}, {Everybody()}); },
    [](Writer& pod) {
      pod.Cluster(Kind::kBaselineAdminNetworkPolicy, Tier::kBaseline,
                  {Action::kAccept, Action::kDeny});
    },
    [](Writer& pod) {
      pod.Cilium({Everybody(), Unauthenticated()});
    },
    [](Writer& pod) {
      pod.Cluster(Kind::kAdminNetworkPolicy, Tier::kAdmin, {Action::kAccept});
      pod.Cilium({}, {Everybody()});
    },
    [](Writer& pod) {
      pod.Cilium({Everybody(), NamesByProxy()});
    },
    [](Writer&) {},
    [](Writer& pod) {
      pod.Cluster(Kind::kClusterNetworkPolicy, Tier::kBaseline,
                  {Action::kDeny});
    },
    [](Writer& pod) {
      pod.Network(1, "-one");
      pod.Network(1, "-other");
    },
    [](Writer& pod) {
      pod.Cluster(Kind::kBaselineAdminNetworkPolicy, Tier::kBaseline,
                  {Action::kDeny, Action::kAccept});
    },
};

}  // namespace

IpAddress Flips::AddressOf(int pod) {
  return IpAddress::FromV4(kFirstAddress + static_cast<uint32_t>(pod));
}

Labels Flips::LabelsOf(int pod) { return {{"app", absl::StrCat("pod-", pod)}}; }

int Flips::PodAt(const IpAddress& address) {
  const auto pod = static_cast<int>(address.v4() - kFirstAddress);
  return pod >= 1 && pod <= kPods ? pod : 0;
}

Policies Flips::PoliciesAfter(int changes) {
  Policies policies;
  for (int pod = 1; pod <= kPods; ++pod) {
    const int own = (changes + kPods - pod) / kPods;
    Writer writer(pod, own, policies);
    kForms[static_cast<size_t>(pod + own) % std::size(kForms)](writer);
  }
  return policies;
}

PolicyInput Flips::InputAfter(int changes) {
  PolicyInput input;
  static_cast<Policies&>(input) = PoliciesAfter(changes);
  for (int pod = 0; pod <= kPods; ++pod) {
    PolicyEndpoint& endpoint = input.endpoints.emplace_back();
    endpoint.identity =
        static_cast<Identity>(kFirstIdentity + static_cast<uint32_t>(pod));
    endpoint.labels = LabelsOf(pod);
    endpoint.ns = "default";
    endpoint.addresses = {AddressOf(pod)};
  }
  return input;
}

}  // namespace ciliumcore::testing
