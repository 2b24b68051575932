// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/cilium_peers_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "lib/policy/dns_match_internal.h"

namespace ciliumcore {
namespace {

using Kind = PeerTerm::Kind;

// What a key of a selector speaks of.
enum class Subject { kPod, kNamespace, kReserved };

Subject SubjectOfKey(absl::string_view key) {
  if (absl::StartsWith(key, "reserved:")) return Subject::kReserved;
  key = WithoutSource(key);
  return key == kNamespaceKey || absl::StartsWith(key, kNamespaceLabelPrefix)
             ? Subject::kNamespace
             : Subject::kPod;
}

void AddSelector(const LabelSelector& selector, const std::string& ns,
                 std::vector<PeerTerm>& terms) {
  CiliumSelectorParts parts = PartsOf(selector);
  const bool speaks_of_namespaces = !parts.namespaces.matches_everything();
  // Else Cilium adds the policy's namespace, or that there is one.
  const bool stays_as_it_is =
      parts.names_reserved ||
      (ns.empty() ? parts.names_namespace : speaks_of_namespaces);
  PeerTerm term = {.kind = Kind::kPods};
  term.pods.pods = std::move(parts.pods);
  if (!ns.empty() && !stays_as_it_is) {
    term.pods.namespaces.names = {ns};
  } else {
    term.pods.namespaces.selector = std::move(parts.namespaces);
    term.pods.namespaces.by_identity_labels = true;
  }
  terms.push_back(std::move(term));
  // Then it means whoever has such labels.
  if (stays_as_it_is) {
    terms.push_back({.kind = Kind::kReserved, .selector = selector});
  }
}

PeerTerm WorldIn(const IpPrefix& cidr, std::vector<IpPrefix> except = {}) {
  return {.kind = Kind::kWorldIn, .cidr = cidr, .except = std::move(except)};
}

PeerTerm Having(Identity identity) {
  return {.kind = Kind::kIdentity, .identity = identity};
}

void AddEntity(CiliumEntity entity, std::vector<PeerTerm>& terms) {
  switch (entity) {
    case CiliumEntity::kAll:
      return terms.push_back({.kind = Kind::kEverybody});
    case CiliumEntity::kWorld:
      return terms.push_back({.kind = Kind::kWorld});
    case CiliumEntity::kWorldIpv4:
      return terms.push_back(WorldIn(IpPrefix::Of(IpAddress::FromV4(0), 0)));
    case CiliumEntity::kWorldIpv6:
      return terms.push_back(WorldIn(IpPrefix::Of(IpAddress(), 0)));
    case CiliumEntity::kCluster:
      return terms.push_back({.kind = Kind::kCluster});
    case CiliumEntity::kHost:
      return terms.push_back(Having(Identity::kHost));
    case CiliumEntity::kRemoteNode:
      return terms.push_back(Having(Identity::kRemoteNode));
    case CiliumEntity::kKubeApiServer:
      return terms.push_back(Having(Identity::kKubeApiserver));
    case CiliumEntity::kIngress:
      return terms.push_back(Having(Identity::kIngress));
    case CiliumEntity::kInit:
      return terms.push_back(Having(Identity::kInit));
    case CiliumEntity::kHealth:
      return terms.push_back(Having(Identity::kHealth));
    case CiliumEntity::kUnmanaged:
      return terms.push_back(Having(Identity::kUnmanaged));
    case CiliumEntity::kNone:
      return;
  }
}

void AddCidr(const CiliumCidrRule& rule, const PolicyReferences& references,
             std::vector<PeerTerm>& terms) {
  if (rule.cidr.has_value()) {
    terms.push_back(WorldIn(*rule.cidr, rule.except));
    return;
  }
  for (const CidrGroup& group : *references.cidr_groups) {
    const bool is_meant = rule.group_selector.has_value()
                              ? rule.group_selector->Matches(group.labels)
                              : rule.group == group.name;
    if (!is_meant) continue;
    for (const IpPrefix& cidr : group.cidrs) {
      terms.push_back(WorldIn(cidr, rule.except));
    }
  }
}

void AddService(const CiliumServiceRef& ref, const PolicyReferences& references,
                std::vector<PeerTerm>& terms) {
  for (const PolicyService& service : *references.services) {
    if (!ref.ns.empty() && ref.ns != service.ns) continue;
    const bool is_meant = ref.selector.has_value()
                              ? ref.selector->Matches(service.labels)
                              : ref.name == service.name;
    if (!is_meant) continue;
    if (service.selector.has_value()) {
      PeerTerm term = {.kind = Kind::kPods};
      term.pods.pods = *service.selector;
      term.pods.namespaces.names = {service.ns};
      terms.push_back(std::move(term));
      continue;
    }
    for (const IpAddress& address : service.addresses) {
      terms.push_back(WorldIn(IpPrefix::Of(address)));
    }
  }
}

}  // namespace

absl::string_view WithoutSource(absl::string_view key) {
  if (!absl::ConsumePrefix(&key, "k8s:")) absl::ConsumePrefix(&key, "any:");
  return key;
}

CiliumSelectorParts PartsOf(const LabelSelector& selector) {
  CiliumSelectorParts parts;
  const auto part_of = [&](const std::string& key) -> LabelSelector& {
    const Subject subject = SubjectOfKey(key);
    parts.names_reserved |= subject == Subject::kReserved;
    parts.names_namespace |= WithoutSource(key) == kNamespaceKey;
    return subject == Subject::kNamespace ? parts.namespaces : parts.pods;
  };
  for (const auto& label : selector.match_labels) {
    part_of(label.first).match_labels.push_back(label);
  }
  for (const auto& requirement : selector.match_expressions) {
    part_of(requirement.key).match_expressions.push_back(requirement);
  }
  return parts;
}

PodTerm SubjectOf(const LabelSelector& selector, const std::string& ns) {
  CiliumSelectorParts parts = PartsOf(selector);
  PodTerm subject;
  subject.pods = std::move(parts.pods);
  LabelSelector& namespaces =
      subject.namespaces.selector.emplace(std::move(parts.namespaces));
  subject.namespaces.by_identity_labels = true;
  if (ns.empty()) return subject;
  // Which namespace, the policy says, whatever the selector does.
  subject.namespaces.names = {ns};
  std::erase_if(namespaces.match_labels, [](const auto& label) {
    return WithoutSource(label.first) == kNamespaceKey;
  });
  std::erase_if(namespaces.match_expressions, [](const auto& requirement) {
    return WithoutSource(requirement.key) == kNamespaceKey;
  });
  if (namespaces.matches_everything()) subject.namespaces.selector.reset();
  return subject;
}

std::vector<PeerTerm> TermsOf(const CiliumPeers& peers, const std::string& ns,
                              const PolicyReferences& references) {
  std::vector<PeerTerm> terms;
  for (const LabelSelector& selector : peers.endpoints) {
    AddSelector(selector, ns, terms);
  }
  for (const LabelSelector& nodes : peers.nodes) {
    terms.push_back({.kind = Kind::kNodes, .selector = nodes});
  }
  for (CiliumEntity entity : peers.entities) AddEntity(entity, terms);
  for (const CiliumCidrRule& cidr : peers.cidrs) {
    AddCidr(cidr, references, terms);
  }
  for (const CiliumServiceRef& service : peers.services) {
    AddService(service, references, terms);
  }
  if (!peers.fqdns.empty()) {
    PeerTerm& named = terms.emplace_back(PeerTerm{.kind = Kind::kNamed});
    for (const DnsMatch& match : peers.fqdns) {
      named.names.push_back(NameSelectorOf(match));
    }
  }
  // Who is in a group of AWS, only AWS knows: nobody.
  return terms;
}

}  // namespace ciliumcore
