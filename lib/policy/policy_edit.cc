// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/policy_edit.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/policy_names_internal.h"

namespace ciliumcore {
namespace {

using Kind = PolicyEdit::Kind;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CEscape(text), "\"");
}

std::string LabelYaml(absl::string_view key, absl::string_view value) {
  return absl::StrCat(Quoted(key), ": ", Quoted(value));
}

std::string SelectorYaml(const LabelSelector& selector) {
  std::vector<std::string> parts;
  if (!selector.match_labels.empty()) {
    parts.push_back(absl::StrCat(
        "matchLabels: {",
        absl::StrJoin(selector.match_labels, ", ",
                      [](std::string* out, const auto& label) {
                        out->append(LabelYaml(label.first, label.second));
                      }),
        "}"));
  }
  if (!selector.match_expressions.empty()) {
    parts.push_back(absl::StrCat(
        "matchExpressions: [",
        absl::StrJoin(
            selector.match_expressions, ", ",
            [](std::string* out, const LabelSelector::Requirement& term) {
              absl::StrAppend(out, "{key: ", Quoted(term.key),
                              ", operator: ", OperatorName(term.op));
              if (!term.values.empty()) {
                absl::StrAppend(
                    out, ", values: [",
                    absl::StrJoin(term.values, ", ",
                                  [](std::string* list, const auto& value) {
                                    list->append(Quoted(value));
                                  }),
                    "]");
              }
              out->append("}");
            }),
        "]"));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

std::string PeerYaml(const PeerRule& peer) {
  if (peer.ip_block.has_value()) {
    const auto append = [](std::string* out, const IpPrefix& prefix) {
      out->append(Quoted(prefix.ToString()));
    };
    const std::string except =
        peer.ip_block->except.empty()
            ? ""
            : absl::StrCat(", except: [",
                           absl::StrJoin(peer.ip_block->except, ", ", append),
                           "]");
    return absl::StrCat("{ipBlock: {cidr: ",
                        Quoted(peer.ip_block->cidr.ToString()), except, "}}");
  }
  std::vector<std::string> parts;
  if (peer.namespace_selector.has_value()) {
    parts.push_back("namespaceSelector: " +
                    SelectorYaml(*peer.namespace_selector));
  }
  if (peer.pod_selector.has_value()) {
    parts.push_back("podSelector: " + SelectorYaml(*peer.pod_selector));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

std::string PortYaml(const PortRule& port) {
  std::string text = absl::StrCat("{protocol: ", ProtocolName(port.protocol));
  if (!port.name.empty()) {
    absl::StrAppend(&text, ", port: ", Quoted(port.name));
  } else if (port.port.has_value()) {
    absl::StrAppend(&text, ", port: ", *port.port);
    if (port.end_port.has_value()) {
      absl::StrAppend(&text, ", endPort: ", *port.end_port);
    }
  }
  return text + "}";
}

std::string RuleYaml(const NetworkPolicyRule& rule, Direction section) {
  std::vector<std::string> parts;
  if (!rule.peers.empty()) {
    parts.push_back(
        absl::StrCat(section == Direction::kIngress ? "from: [" : "to: [",
                     absl::StrJoin(rule.peers, ", ",
                                   [](std::string* out, const PeerRule& peer) {
                                     out->append(PeerYaml(peer));
                                   }),
                     "]"));
  }
  if (!rule.ports.empty()) {
    parts.push_back(
        absl::StrCat("ports: [",
                     absl::StrJoin(rule.ports, ", ",
                                   [](std::string* out, const PortRule& port) {
                                     out->append(PortYaml(port));
                                   }),
                     "]"));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

absl::Status NotFound(const PolicyEdit& edit, absl::string_view what) {
  return absl::NotFoundError(absl::StrCat(EditName(edit.kind), ": expected ",
                                          what, ", found none of that name"));
}

absl::Status AddToRule(const PolicyEdit& edit, Cluster& cluster) {
  NetworkPolicy* const policy = FindNetworkPolicy(cluster.policies, edit.rule);
  if (policy == nullptr) {
    return NotFound(
        edit,
        PolicyRef{edit.rule.kind, edit.rule.ns, edit.rule.name}.ToString());
  }
  std::vector<NetworkPolicyRule>& rules =
      edit.rule.section == Direction::kIngress ? policy->ingress
                                               : policy->egress;
  if (edit.kind == Kind::kAddRule) {
    if (edit.rule.index != rules.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(edit.rule.ToString(), ": expected the next index, ",
                       rules.size(), ", found ", edit.rule.index));
    }
    rules.push_back(edit.added);
    return absl::OkStatus();
  }
  if (edit.rule.index >= rules.size()) {
    return NotFound(edit, edit.rule.ToString());
  }
  NetworkPolicyRule& rule = rules[edit.rule.index];
  const bool is_port = edit.kind == Kind::kAddPort;
  if (edit.added.ports.size() != (is_port ? 1 : 0) ||
      edit.added.peers.size() != (is_port ? 0 : 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        edit.rule.ToString(), ": expected one ", is_port ? "port" : "peer",
        " to add, found ", edit.added.ports.size(), " ports and ",
        edit.added.peers.size(), " peers"));
  }
  if (is_port ? rule.ports.empty() : rule.peers.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        edit.rule.ToString(), ": expected a rule with ",
        is_port ? "ports" : "peers", ", found one without, which allows all"));
  }
  if (is_port) {
    rule.ports.push_back(edit.added.ports.front());
  } else {
    rule.peers.push_back(edit.added.peers.front());
  }
  return absl::OkStatus();
}

absl::Status AddLabel(const PolicyEdit& edit, const std::string& of,
                      Labels& labels) {
  const std::string* const there = labels.Get(kDefaultLabelSource, edit.key);
  if (there != nullptr && *there != edit.value) {
    return absl::AlreadyExistsError(absl::StrCat(
        of, ": label ", edit.key, ": expected none, found ", Quoted(*there)));
  }
  labels.Set(edit.key, edit.value);
  return absl::OkStatus();
}

absl::Status AddPodLabel(const PolicyEdit& edit, Cluster& cluster) {
  bool found = false;
  for (Pod& pod : cluster.pods) {
    if (!edit.IsOfWorkload(pod)) continue;
    found = true;
    CC_RETURN_IF_ERROR(AddLabel(edit, "pod " + pod.ToString(), pod.labels));
  }
  if (found) return absl::OkStatus();
  return NotFound(edit, absl::StrCat("a pod of ", edit.ns, "/", edit.owner_name,
                                     "[", edit.owner_kind, "]"));
}

}  // namespace

absl::string_view EditName(PolicyEdit::Kind kind) {
  switch (kind) {
    case Kind::kAddPort:
      return "add port";
    case Kind::kAddPeer:
      return "add peer";
    case Kind::kAddPodLabel:
      return "add pod label";
    case Kind::kAddNamespaceLabel:
      return "add namespace label";
    case Kind::kAddRule:
      return "add rule";
  }
  return "";
}

std::string PolicyEdit::Yaml() const {
  switch (kind) {
    case Kind::kAddPort:
      return absl::StrJoin(added.ports, ", ",
                           [](std::string* out, const PortRule& port) {
                             out->append(PortYaml(port));
                           });
    case Kind::kAddPeer:
      return absl::StrJoin(added.peers, ", ",
                           [](std::string* out, const PeerRule& peer) {
                             out->append(PeerYaml(peer));
                           });
    case Kind::kAddPodLabel:
    case Kind::kAddNamespaceLabel:
      return LabelYaml(key, value);
    case Kind::kAddRule:
      return RuleYaml(added, rule.section);
  }
  return "";
}

std::string PolicyEdit::ToString() const {
  switch (kind) {
    case Kind::kAddPort:
      return absl::StrCat("add to the ports of ", rule.ToString(), ": ",
                          Yaml());
    case Kind::kAddPeer:
      return absl::StrCat(
          "add to the ",
          rule.section == Direction::kIngress ? "sources" : "destinations",
          " of ", rule.ToString(), ": ", Yaml());
    case Kind::kAddPodLabel:
      return absl::StrCat("add to the labels of the pods of ", ns, "/",
                          owner_name, "[", owner_kind, "]: ", Yaml());
    case Kind::kAddNamespaceLabel:
      return absl::StrCat("add to the labels of namespace ", ns, ": ", Yaml());
    case Kind::kAddRule:
      return absl::StrCat("add ", rule.ToString(), ": ", Yaml());
  }
  return "";
}

absl::StatusOr<Cluster> Apply(Cluster cluster,
                              const std::vector<PolicyEdit>& edits) {
  for (const PolicyEdit& edit : edits) {
    switch (edit.kind) {
      case Kind::kAddPort:
      case Kind::kAddPeer:
      case Kind::kAddRule:
        CC_RETURN_IF_ERROR(AddToRule(edit, cluster));
        break;
      case Kind::kAddPodLabel:
        CC_RETURN_IF_ERROR(AddPodLabel(edit, cluster));
        break;
      case Kind::kAddNamespaceLabel: {
        const auto ns = cluster.namespaces.find(edit.ns);
        if (ns == cluster.namespaces.end()) {
          return NotFound(edit, "namespace " + edit.ns);
        }
        CC_RETURN_IF_ERROR(
            AddLabel(edit, "namespace " + edit.ns, ns->second.labels));
        break;
      }
    }
  }
  return cluster;
}

}  // namespace ciliumcore
