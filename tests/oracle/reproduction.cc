// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/reproduction.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore::testing {
namespace {

class Shrinker {
 public:
  Shrinker(PolicyInput input, Flow flow, const Check& check)
      : input_(std::move(input)), flow_(std::move(flow)), check_(check) {}

  void Run() {
    do {
      shrank_ = false;
      ShrinkEndpoints();
      Shrink(input_.policies);
      Shrink(input_.namespaces);
      Shrink(input_.host_addresses);
      Shrink(input_.remote_node_addresses);
      for (NetworkPolicy& policy : input_.policies) {
        Shrink(policy.pod_selector);
        ShrinkRules(policy.ingress);
        ShrinkRules(policy.egress);
      }
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
  void Shrink(std::vector<T>& values) {
    for (size_t i = values.size(); i-- > 0;) {
      std::vector<T> before = values;
      values.erase(values.begin() + static_cast<std::ptrdiff_t>(i));
      if (!StillWrong()) values = std::move(before);
    }
  }

  void Shrink(LabelSelector& selector) {
    Shrink(selector.match_labels);
    Shrink(selector.match_expressions);
  }

  void ShrinkRules(std::vector<NetworkPolicyRule>& rules) {
    Shrink(rules);
    for (NetworkPolicyRule& rule : rules) {
      Shrink(rule.ports);
      Shrink(rule.peers);
      for (PeerRule& peer : rule.peers) {
        if (peer.ip_block.has_value()) Shrink(peer.ip_block->except);
        if (peer.pod_selector.has_value()) Shrink(*peer.pod_selector);
        if (peer.namespace_selector.has_value()) {
          Shrink(*peer.namespace_selector);
        }
      }
    }
  }

  void ShrinkEndpoints() {
    for (uint32_t i = static_cast<uint32_t>(input_.endpoints.size());
         i-- > 0;) {
      Shrink(input_.endpoints[i].ports);
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

std::string Describe(const PortRule& port) {
  std::string what = port.name;
  if (port.port.has_value()) absl::StrAppend(&what, *port.port);
  if (port.end_port.has_value()) absl::StrAppend(&what, "-", *port.end_port);
  if (what.empty()) what = "every";
  return absl::StrCat(what, "/", ProtocolName(port.protocol));
}

std::string Describe(const PeerRule& peer) {
  std::vector<std::string> parts;
  if (peer.pod_selector.has_value()) {
    parts.push_back(
        absl::StrCat("podSelector: {", peer.pod_selector->ToString(), "}"));
  }
  if (peer.namespace_selector.has_value()) {
    parts.push_back(absl::StrCat("namespaceSelector: {",
                                 peer.namespace_selector->ToString(), "}"));
  }
  if (peer.ip_block.has_value()) {
    std::string block =
        absl::StrCat("ipBlock: ", peer.ip_block->cidr.ToString());
    for (const IpPrefix& except : peer.ip_block->except) {
      absl::StrAppend(&block, " except ", except.ToString());
    }
    parts.push_back(std::move(block));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

void AppendRules(const char* section, const char* peers_name,
                 const std::vector<NetworkPolicyRule>& rules,
                 std::string& out) {
  if (rules.empty()) return;
  absl::StrAppend(&out, "  ", section, ":\n");
  for (const NetworkPolicyRule& rule : rules) {
    std::vector<std::string> peers, ports;
    for (const PeerRule& peer : rule.peers) peers.push_back(Describe(peer));
    for (const PortRule& port : rule.ports) ports.push_back(Describe(port));
    absl::StrAppend(&out, "  - {", peers_name, ": [",
                    absl::StrJoin(peers, ", "), "], ports: [",
                    absl::StrJoin(ports, ", "), "]}\n");
  }
}

std::string Addresses(const std::vector<IpAddress>& addresses) {
  return absl::StrJoin(addresses, ", ",
                       [](std::string* out, const IpAddress& address) {
                         out->append(address.ToString());
                       });
}

std::string Describe(const PolicyInput& input) {
  std::string out;
  for (const Namespace& ns : input.namespaces) {
    absl::StrAppend(&out, "namespace ", ns.name, ": {", ns.labels.ToString(),
                    "}\n");
  }
  absl::StrAppend(&out, "hosts: [", Addresses(input.host_addresses),
                  "], remote nodes: [", Addresses(input.remote_node_addresses),
                  "]\n");
  for (size_t i = 0; i < input.endpoints.size(); ++i) {
    const PolicyEndpoint& pod = input.endpoints[i];
    absl::StrAppend(&out, "pod ", i, ": {namespace: ", pod.ns,
                    ", identity: ", static_cast<uint32_t>(pod.identity),
                    ", labels: {", pod.labels.ToString(), "}, addresses: [",
                    Addresses(pod.addresses), "], ports: [");
    for (const NamedPort& port : pod.ports) {
      absl::StrAppend(&out, port.name, "=", port.port.ToString(), " ");
    }
    absl::StrAppend(&out, "]", pod.host_network ? ", hostNetwork" : "", "}\n");
  }
  for (const NetworkPolicy& policy : input.policies) {
    absl::StrAppend(&out, "policy ", policy.ns, "/", policy.name,
                    ":\n  podSelector: {", policy.pod_selector.ToString(),
                    "}\n  policyTypes: [",
                    policy.isolates_ingress ? "Ingress " : "",
                    policy.isolates_egress ? "Egress" : "", "]\n");
    AppendRules("ingress", "from", policy.ingress, out);
    AppendRules("egress", "to", policy.egress, out);
  }
  return out;
}

}  // namespace

std::string Describe(const PolicyInput& input, const Flow& flow) {
  return absl::StrCat(Describe(input, flow.source), " -> ",
                      Describe(input, flow.destination), " ",
                      flow.target.ToString());
}

std::string Describe(const Judgement& judgement) {
  return absl::StrCat(
      judgement.allowed ? "allow: " : "deny: ",
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
