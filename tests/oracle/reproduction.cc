// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/reproduction.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/oracle/description.h"

namespace ciliumcore::testing {
namespace {

class Shrinker {
 public:
  Shrinker(PolicyInput input, Flow flow, const Check& check)
      : input_(std::move(input)), flow_(std::move(flow)), check_(check) {}

  void Run() {
    do {
      shrank_ = false;
      ShrinkList(input_.policies);
      ShrinkList(input_.cilium_policies);
      ShrinkList(input_.cluster_policies);
      ShrinkEndpoints();
      ShrinkSurroundings();
      for (NetworkPolicy& policy : input_.policies) Shrink(policy);
      for (CiliumPolicy& policy : input_.cilium_policies) Shrink(policy);
      for (ClusterPolicy& policy : input_.cluster_policies) Shrink(policy);
    } while (shrank_);
  }

  const PolicyInput& input() const { return input_; }
  const Flow& flow() const { return flow_; }

 private:
  bool StillWrong() {
    const bool wrong = !check_(input_, flow_).empty();
    shrank_ = shrank_ || wrong;
    return wrong;
  }

  template <typename T>
  void ShrinkList(std::vector<T>& values) {
    for (size_t i = values.size(); i-- > 0;) {
      std::vector<T> before = values;
      values.erase(values.begin() + static_cast<std::ptrdiff_t>(i));
      if (!StillWrong()) values = std::move(before);
    }
  }

  // What may go as a whole.
  template <typename T>
  void Drop(T& value) {
    if (value == T()) return;
    const T before = std::exchange(value, T());
    if (!StillWrong()) value = before;
  }

  void Shrink(LabelSelector& selector) {
    ShrinkList(selector.match_labels);
    ShrinkList(selector.match_expressions);
  }

  void Shrink(std::optional<LabelSelector>& selector) {
    if (selector.has_value()) Shrink(*selector);
  }

  template <typename Rule>
  void ShrinkRules(std::vector<Rule>& rules) {
    ShrinkList(rules);
    for (Rule& rule : rules) Shrink(rule);
  }

  void Shrink(NetworkPolicyRule& rule) {
    ShrinkList(rule.ports);
    ShrinkList(rule.peers);
    for (PeerRule& peer : rule.peers) {
      if (peer.ip_block.has_value()) ShrinkList(peer.ip_block->except);
      Shrink(peer.pod_selector);
      Shrink(peer.namespace_selector);
    }
  }

  void Shrink(NetworkPolicy& policy) {
    Shrink(policy.pod_selector);
    ShrinkRules(policy.ingress);
    ShrinkRules(policy.egress);
  }

  void Shrink(CiliumPeers& peers) {
    ShrinkList(peers.endpoints);
    for (LabelSelector& selector : peers.endpoints) Shrink(selector);
    ShrinkList(peers.nodes);
    for (LabelSelector& selector : peers.nodes) Shrink(selector);
    ShrinkList(peers.entities);
    ShrinkList(peers.cidrs);
    for (CiliumCidrRule& cidr : peers.cidrs) {
      ShrinkList(cidr.except);
      Shrink(cidr.group_selector);
    }
    ShrinkList(peers.services);
    for (CiliumServiceRef& ref : peers.services) Shrink(ref.selector);
    ShrinkList(peers.fqdns);
    ShrinkList(peers.groups);
  }

  void Shrink(CiliumRule& rule) {
    Drop(rule.authentication);
    Drop(rule.peers);
    if (rule.peers.has_value()) Shrink(*rule.peers);
    ShrinkList(rule.icmps);
    ShrinkList(rule.ports);
    for (CiliumPortRule& on : rule.ports) {
      ShrinkList(on.ports);
      ShrinkList(on.http);
    }
  }

  void Shrink(CiliumPolicy& policy) {
    ShrinkList(policy.specs);
    for (CiliumSpec& spec : policy.specs) {
      Shrink(spec.endpoint_selector);
      ShrinkRules(spec.ingress);
      ShrinkRules(spec.ingress_deny);
      ShrinkRules(spec.egress);
      ShrinkRules(spec.egress_deny);
      Drop(spec.default_deny_ingress);
      Drop(spec.default_deny_egress);
    }
  }

  void Shrink(NamespacedPods& pods) {
    Shrink(pods.namespace_selector);
    Shrink(pods.pod_selector);
  }
  void Shrink(NodePeers& nodes) { Shrink(nodes.selector); }
  void Shrink(NetworkPeers& networks) { ShrinkList(networks.cidrs); }
  void Shrink(DomainPeers& domains) { ShrinkList(domains.names); }

  void Shrink(ClusterRule& rule) {
    ShrinkList(rule.peers);
    for (ClusterPeer& peer : rule.peers) {
      std::visit([this](auto& one) { Shrink(one); }, peer);
    }
    Drop(rule.ports);
    if (rule.ports.has_value()) ShrinkList(*rule.ports);
  }

  void Shrink(ClusterPolicy& policy) {
    Shrink(policy.subject);
    ShrinkRules(policy.ingress);
    ShrinkRules(policy.egress);
  }

  void ShrinkSurroundings() {
    ShrinkList(input_.namespaces);
    ShrinkList(input_.host_addresses);
    ShrinkList(input_.remote_node_addresses);
    ShrinkList(input_.api_server_addresses);
    Drop(input_.host_labels);
    ShrinkList(input_.remote_nodes);
    for (PolicyNode& node : input_.remote_nodes) {
      Drop(node.labels);
      ShrinkList(node.addresses);
    }
    ShrinkList(input_.services);
    for (PolicyService& service : input_.services) {
      Drop(service.labels);
      Shrink(service.selector);
      ShrinkList(service.addresses);
    }
    ShrinkList(input_.names);
    for (ResolvedName& name : input_.names) ShrinkList(name.addresses);
    ShrinkList(input_.cidr_groups);
    for (CidrGroup& group : input_.cidr_groups) {
      Drop(group.labels);
      ShrinkList(group.cidrs);
    }
  }

  void ShrinkEndpoints() {
    for (uint32_t i = static_cast<uint32_t>(input_.endpoints.size());
         i-- > 0;) {
      ShrinkList(input_.endpoints[i].ports);
      if (i == flow_.source.endpoint || i == flow_.destination.endpoint) {
        continue;
      }
      const std::vector<PolicyEndpoint> endpoints = input_.endpoints;
      const Flow flow = flow_;
      input_.endpoints.erase(input_.endpoints.begin() + i);
      for (FlowEnd* end : {&flow_.source, &flow_.destination}) {
        if (end->endpoint != kNoEndpoint && end->endpoint > i) --end->endpoint;
      }
      if (StillWrong()) continue;
      input_.endpoints = endpoints;
      flow_ = flow;
    }
  }

  PolicyInput input_;
  Flow flow_;
  const Check& check_;
  bool shrank_ = false;
};

std::string Describe(const PolicyInput& input, const FlowEnd& end) {
  const std::string address =
      end.address.has_value() ? end.address->ToString() : "no address";
  if (end.endpoint == kNoEndpoint) return address;
  return absl::StrCat("pod ", end.endpoint, " (",
                      input.endpoints[end.endpoint].ns, ", ", address, ")");
}

}  // namespace

std::string Describe(const PolicyInput& input, const Flow& flow) {
  return absl::StrCat(Describe(input, flow.source), " -> ",
                      Describe(input, flow.destination), " ",
                      flow.target.ToString());
}

std::string VerdictText(const Judgement& judgement) {
  std::string text(VerdictName(judgement.verdict));
  if (judgement.proxy_port != 0) {
    absl::StrAppend(&text, " to ", judgement.proxy_port);
  }
  return text;
}

std::string Describe(const Judgement& judgement) {
  return absl::StrCat(
      VerdictText(judgement), ": ",
      judgement.why.has_value() ? judgement.why->ToString() : "nobody judged");
}

std::string Reproduce(PolicyInput input, Flow flow, const Check& check) {
  Shrinker shrinker(std::move(input), std::move(flow), check);
  shrinker.Run();
  return absl::StrCat(check(shrinker.input(), shrinker.flow()), "\n",
                      Describe(shrinker.input(), shrinker.flow()), "\n",
                      Describe(shrinker.input()));
}

}  // namespace ciliumcore::testing
