// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/label_edits_internal.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "lib/policy/cilium_peers_internal.h"
#include "lib/policy/given_labels_internal.h"

namespace ciliumcore {
namespace {

using Operator = LabelSelector::Operator;

// What selectors say of one key.
struct Mentioned {
  std::set<std::string> values;
  bool key_alone = false;
};
using Keys = std::map<std::string, Mentioned>;

// What selectors say of one end.
struct EndKeys {
  Keys pod;
  Keys ns;
};

void Mention(const LabelSelector::Requirement& term, const std::string& key,
             Keys& keys) {
  Mentioned& mentioned = keys[key];
  mentioned.values.insert(term.values.begin(), term.values.end());
  mentioned.key_alone |=
      term.op == Operator::kExists || term.op == Operator::kDoesNotExist;
}

void Mention(const std::optional<LabelSelector>& selector, Keys& keys) {
  if (!selector.has_value()) return;
  for (const auto& [key, value] : selector->match_labels) {
    keys[key].values.insert(value);
  }
  for (const LabelSelector::Requirement& term : selector->match_expressions) {
    Mention(term, term.key, keys);
  }
}

void MentionPeers(const std::vector<const NetworkPolicy*>& policies,
                  Direction direction, EndKeys& keys) {
  for (const NetworkPolicy* policy : policies) {
    for (const NetworkPolicyRule& rule : SectionOf(*policy, direction)) {
      for (const PeerRule& peer : rule.peers) {
        Mention(peer.pod_selector, keys.pod);
        Mention(peer.namespace_selector, keys.ns);
      }
    }
  }
}

// A selector of Cilium's, without what it says of the namespace's name.
void MentionCilium(const LabelSelector& selector, EndKeys& keys) {
  const CiliumSelectorParts parts = PartsOf(selector);
  const auto mention = [](const LabelSelector& part, absl::string_view prefix,
                          Keys& of_part) {
    const auto one = [&](const LabelSelector::Requirement& term) {
      absl::string_view key = WithoutSource(term.key);
      if (absl::ConsumePrefix(&key, prefix)) {
        Mention(term, std::string(key), of_part);
      }
    };
    for (const auto& [key, value] : part.match_labels) {
      one({key, Operator::kIn, {value}});
    }
    for (const LabelSelector::Requirement& term : part.match_expressions) {
      one(term);
    }
  };
  mention(parts.pods, "", keys.pod);
  mention(parts.namespaces, kNamespaceLabelPrefix, keys.ns);
}

// What the policies of Cilium that may select `subject` say of it, and of who
// is at the other end in that direction.
void MentionCilium(const Cluster& cluster, Direction direction,
                   const EndView& subject, EndKeys* of_subject,
                   EndKeys* of_peer) {
  const bool is_ingress = direction == Direction::kIngress;
  for (const CiliumPolicy& policy : cluster.cilium_policies) {
    if (!policy.is_clusterwide() && policy.ns != subject.ns) continue;
    for (const CiliumSpec& spec : policy.specs) {
      const auto& allowed = is_ingress ? spec.ingress : spec.egress;
      const auto& denied = is_ingress ? spec.ingress_deny : spec.egress_deny;
      const bool isolates = is_ingress ? spec.denies_ingress_by_default()
                                       : spec.denies_egress_by_default();
      if (allowed.empty() && denied.empty() && !isolates) continue;
      if (of_subject != nullptr && spec.endpoint_selector.has_value()) {
        MentionCilium(*spec.endpoint_selector, *of_subject);
      }
      if (of_peer == nullptr) continue;
      for (const auto* rules : {&allowed, &denied}) {
        for (const CiliumRule& rule : *rules) {
          if (!rule.peers.has_value()) continue;
          for (const LabelSelector& selector : rule.peers->endpoints) {
            MentionCilium(selector, *of_peer);
          }
        }
      }
    }
  }
}

// The same of the policies of the whole cluster.
void MentionCluster(const Cluster& cluster, Direction direction,
                    EndKeys* of_subject, EndKeys* of_peer) {
  const auto mention = [](const NamespacedPods& pods, EndKeys& keys) {
    Mention(pods.namespace_selector, keys.ns);
    Mention(pods.pod_selector, keys.pod);
  };
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    const std::vector<ClusterRule>& rules =
        direction == Direction::kIngress ? policy.ingress : policy.egress;
    if (of_subject != nullptr && !rules.empty()) {
      mention(policy.subject, *of_subject);
    }
    if (of_peer == nullptr) continue;
    for (const ClusterRule& rule : rules) {
      for (const ClusterPeer& peer : rule.peers) {
        if (const auto* pods = std::get_if<NamespacedPods>(&peer)) {
          mention(*pods, *of_peer);
        }
      }
    }
  }
}

// A copy of `edit` for each label of `keys` that may be new.
template <typename MayGet>
void Append(const Keys& keys, PolicyEdit edit, const MayGet& may_get,
            std::vector<PolicyEdit>& edits) {
  for (const auto& [key, mentioned] : keys) {
    // Of a source other than Kubernetes': no manifest gives it.
    if (key.find(':') != std::string::npos || !may_get(key)) continue;
    std::set<std::string> values = mentioned.values;
    if (mentioned.key_alone) {
      std::string fresh = "true";
      while (values.contains(fresh)) fresh += "-1";
      values.insert(std::move(fresh));
    }
    edit.key = key;
    for (const std::string& value : values) {
      edit.value = value;
      if (std::find(edits.begin(), edits.end(), edit) == edits.end()) {
        edits.push_back(edit);
      }
    }
  }
}

}  // namespace

std::vector<const NetworkPolicy*> PoliciesNear(const Cluster& cluster,
                                               Direction direction,
                                               const FlowView& flow) {
  std::vector<const NetworkPolicy*> near;
  const EndView& subject = flow.subject(direction);
  if (!subject.is_pod) return near;
  for (const NetworkPolicy& policy : cluster.policies) {
    if (IsolatesIn(policy, direction) && policy.ns == subject.ns) {
      near.push_back(&policy);
    }
  }
  return near;
}

std::vector<PolicyEdit> LabelEdits(const Cluster& cluster,
                                   const NamedEnd& source,
                                   const NamedEnd& destination,
                                   const FlowView& flow) {
  std::vector<PolicyEdit> edits;
  for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
    // The end that is judged in this direction, and is the peer in the other.
    const EndView& view = flow.subject(direction);
    if (!view.is_pod) continue;
    const Direction other = direction == Direction::kEgress
                                ? Direction::kIngress
                                : Direction::kEgress;
    EndKeys keys;
    for (const NetworkPolicy* policy : PoliciesNear(cluster, direction, flow)) {
      Mention(policy->pod_selector, keys.pod);
    }
    MentionPeers(PoliciesNear(cluster, other, flow), other, keys);
    MentionCilium(cluster, direction, view, &keys, nullptr);
    MentionCluster(cluster, direction, &keys, nullptr);
    if (flow.subject(other).is_pod) {
      MentionCilium(cluster, other, flow.subject(other), nullptr, &keys);
      MentionCluster(cluster, other, nullptr, &keys);
    }

    const NamedEnd& end =
        direction == Direction::kEgress ? source : destination;
    const Pod& pod = cluster.pods[*end.pod];
    PolicyEdit edit = {.kind = PolicyEdit::Kind::kAddPodLabel,
                       .ns = pod.ns,
                       .owner_kind = pod.owner_kind,
                       .owner_name = pod.owner_name};
    std::set<std::string> known;
    for (const Pod& sibling : cluster.pods) {
      if (!edit.IsOfWorkload(sibling)) continue;
      for (const Label& label : sibling.labels) known.insert(label.key);
    }
    Append(
        keys.pod, edit,
        [&known](const std::string& key) {
          return !known.contains(key) && !IsDerived(key) &&
                 !IsGivenByController(key, "");
        },
        edits);
    if (!cluster.namespaces.contains(pod.ns)) continue;
    edit = {.kind = PolicyEdit::Kind::kAddNamespaceLabel, .ns = pod.ns};
    Append(
        keys.ns, edit,
        [&view](const std::string& key) {
          return view.ns_labels.Get(key) == nullptr;
        },
        edits);
  }
  return edits;
}

void AddLabel(const Cluster& cluster, const PolicyEdit& label,
              const NamedEnd& source, const NamedEnd& destination,
              FlowView& flow) {
  for (const auto& [end, view] : {std::pair(&source, &flow.source),
                                  std::pair(&destination, &flow.destination)}) {
    if (!view->is_pod) continue;
    const Pod& pod = cluster.pods[*end->pod];
    if (label.kind == PolicyEdit::Kind::kAddPodLabel &&
        label.IsOfWorkload(pod)) {
      view->labels.Set(label.key, label.value);
    }
    if (label.kind == PolicyEdit::Kind::kAddNamespaceLabel &&
        pod.ns == label.ns) {
      view->ns_labels.Set(label.key, label.value);
    }
  }
}

}  // namespace ciliumcore
