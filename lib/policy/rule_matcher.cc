// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/rule_matcher_internal.h"

namespace ciliumcore {
namespace {

void SortUnique(std::vector<uint32_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// No pod, no node. An API server's address is one that has a name.
bool IsOutside(Identity identity) {
  return identity == Identity::kWorld || identity == Identity::kKubeApiserver;
}

// Of an API server outside the cluster: it is of the world.
Labels LabelsOfReserved(Identity identity) {
  if (identity != Identity::kKubeApiserver) return ReservedLabels(identity);
  Labels labels = ReservedLabels(Identity::kWorld);
  labels.Set({std::string(kSourceReserved), IdentityName(identity), ""});
  return labels;
}

// Text of which no two terms have the same.
std::string KeyOf(const PodTerm& term) {
  std::string key;
  const NamespaceTerm& namespaces = term.namespaces;
  if (namespaces.selector.has_value()) {
    absl::StrAppend(&key, namespaces.by_identity_labels,
                    SelectorKey(*namespaces.selector));
  }
  absl::StrAppend(&key, "in ", absl::StrJoin(namespaces.names, " "));
  absl::StrAppend(&key, " pod ", SelectorKey(term.pods));
  return key;
}

std::string KeyOf(const PeerTerm& term) {
  std::string key = absl::StrCat(static_cast<int>(term.kind), " ",
                                 static_cast<uint32_t>(term.identity), " ");
  switch (term.kind) {
    case PeerTerm::Kind::kBlock:
    case PeerTerm::Kind::kWorldIn:
      absl::StrAppend(&key, term.cidr.ToString());
      for (const IpPrefix& hole : term.except) {
        absl::StrAppend(&key, " ", hole.ToString());
      }
      break;
    case PeerTerm::Kind::kPods:
      absl::StrAppend(&key, KeyOf(term.pods));
      break;
    default:
      absl::StrAppend(&key, SelectorKey(term.selector));
  }
  return key;
}

}  // namespace

std::vector<PortKeyRange> WithNamedPorts(const MatchedRule& rule,
                                         const std::vector<NamedPort>& ports) {
  std::vector<PortKeyRange> ranges = rule.ranges;
  for (const NamedPort& port : ports) {
    if (rule.names.contains({port.name, port.port.protocol})) {
      ranges.push_back(
          PortRange(port.port.protocol, port.port.port, port.port.port));
    }
  }
  Normalize(ranges);
  return ranges;
}

RuleMatcher::RuleMatcher(const Universe& universe,
                         const std::vector<Namespace>& namespaces)
    : universe_(universe), namespaces_(namespaces) {
  absl::flat_hash_set<std::string> listed;
  for (const Namespace& ns : namespaces) listed.insert(ns.name);
  for (std::string& name : universe.groups.Namespaces()) {
    if (!listed.contains(name)) namespaces_.push_back({std::move(name), {}});
  }
  for (Namespace& ns : namespaces_) {
    ns.labels.Set(kNamespaceNameLabel, ns.name);
    identity_labels_.push_back(PodIdentityLabels({}, ns));
  }
}

MatchedRule RuleMatcher::Match(const LoweredRule& rule, Direction direction) {
  MatchedRule matched;
  matched.ranges = rule.ranges;
  matched.names = rule.names;
  matched.every_peer = rule.every_peer;
  for (const PeerTerm& term : rule.peers) {
    if (matched.every_peer) break;
    const std::vector<uint32_t>& more = PeersOf(term);
    matched.peers.insert(matched.peers.end(), more.begin(), more.end());
  }
  SortUnique(matched.peers);
  if (direction == Direction::kIngress || matched.names.empty()) return matched;

  // What the names mean depends on the peer.
  std::map<std::vector<PortKeyRange>, std::vector<uint32_t>> peers_by_ranges;
  const auto resolve = [&](uint32_t peer) {
    const std::vector<NamedPort>& ports = universe_.peers[peer]->variety.ports;
    std::vector<PortKeyRange> ranges = WithNamedPorts(matched, ports);
    if (ranges == matched.ranges) return;
    peers_by_ranges[std::move(ranges)].push_back(peer);
  };
  if (matched.every_peer) {
    for (uint32_t i = 0; i < universe_.peers.size(); ++i) resolve(i);
  } else {
    for (uint32_t peer : matched.peers) resolve(peer);
  }
  for (auto& [ranges, peers] : peers_by_ranges) {
    matched.variants.push_back({ranges, std::move(peers)});
  }
  return matched;
}

const std::vector<uint32_t>& RuleMatcher::PeersOf(const PeerTerm& term) {
  std::string key = KeyOf(term);
  const auto known = peers_of_.find(key);
  if (known != peers_of_.end()) return known->second;
  return peers_of_[std::move(key)] = FindPeers(term);
}

std::vector<uint32_t> RuleMatcher::FindPeers(const PeerTerm& term) {
  std::vector<uint32_t> peers;
  const auto add = [&peers](const std::vector<uint32_t>& more) {
    peers.insert(peers.end(), more.begin(), more.end());
  };
  const auto add_if = [&](auto is_meant) {
    for (uint32_t i = 0; i < universe_.peers.size(); ++i) {
      if (is_meant(universe_.peers[i]->variety.identity)) peers.push_back(i);
    }
  };
  switch (term.kind) {
    case PeerTerm::Kind::kEverybody:
      add_if([](Identity) { return true; });
      break;
    case PeerTerm::Kind::kPods:
      for (uint32_t group : *GroupsOf(term.pods)) {
        add(universe_.peers_of_group[group]);
      }
      break;
    case PeerTerm::Kind::kBlock:
    case PeerTerm::Kind::kWorldIn:
      for (uint32_t cover : universe_.covers.Inside(term.cidr, term.except)) {
        for (uint32_t peer : universe_.peers_of_cover[cover]) {
          if (term.kind == PeerTerm::Kind::kBlock ||
              IsOutside(universe_.peers[peer]->variety.identity)) {
            peers.push_back(peer);
          }
        }
      }
      break;
    case PeerTerm::Kind::kWorld:
      add_if(IsOutside);
      break;
    case PeerTerm::Kind::kCluster:
      add_if([](Identity identity) { return !IsOutside(identity); });
      break;
    case PeerTerm::Kind::kIdentity:
      add_if([&](Identity identity) { return identity == term.identity; });
      break;
    case PeerTerm::Kind::kReserved:
      for (uint32_t i = 0; i < universe_.peers.size(); ++i) {
        if (universe_.is_pod[i]) continue;
        const Identity identity = universe_.peers[i]->variety.identity;
        if (term.selector.Matches(LabelsOfReserved(identity))) {
          peers.push_back(i);
        }
      }
      break;
    case PeerTerm::Kind::kNodes:
      for (const Universe::Node& node : universe_.nodes) {
        if (term.selector.Matches(*node.labels)) add(node.peers);
      }
      break;
  }
  return peers;
}

std::shared_ptr<const std::vector<uint32_t>> RuleMatcher::GroupsOf(
    const PodTerm& pods) {
  const auto [at, inserted] = groups_of_.try_emplace(KeyOf(pods));
  if (inserted) {
    at->second = std::make_shared<const std::vector<uint32_t>>(
        universe_.groups.Find(pods.pods, pods.namespaces.selector.has_value()
                                             ? Namespaces(pods.namespaces)
                                             : pods.namespaces.names));
  }
  return at->second;
}

const std::vector<std::string>& RuleMatcher::Namespaces(
    const NamespaceTerm& term) {
  const auto [at, inserted] = matched_.try_emplace(
      absl::StrCat(term.by_identity_labels, SelectorKey(*term.selector), "in ",
                   absl::StrJoin(term.names, " ")));
  if (!inserted) return at->second;
  for (size_t i = 0; i < namespaces_.size(); ++i) {
    const std::string& name = namespaces_[i].name;
    if (!term.names.empty() && std::find(term.names.begin(), term.names.end(),
                                         name) == term.names.end()) {
      continue;
    }
    if (term.selector->Matches(term.by_identity_labels
                                   ? identity_labels_[i]
                                   : namespaces_[i].labels)) {
      at->second.push_back(name);
    }
  }
  return at->second;
}

}  // namespace ciliumcore
