// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/policy/rule_matcher_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

std::vector<uint32_t> RulesOf(const std::vector<IndexedTerm*>& terms) {
  std::vector<uint32_t> rules;
  for (const IndexedTerm* term : terms) {
    rules.insert(rules.end(), term->rules.begin(), term->rules.end());
  }
  SortUnique(rules);
  return rules;
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
    : universe_(universe),
      namespaces_(namespaces),
      terms_(universe, namespaces_) {
  for (const std::string& name : universe.groups().Namespaces()) {
    namespaces_.AddUnlisted(name);
  }
}

MatchedRule RuleMatcher::Match(const LoweredRule& rule, Direction direction,
                               uint32_t number) {
  MatchedRule matched;
  matched.ranges = rule.ranges;
  matched.names = rule.names;
  for (const PeerTerm& term : rule.peers) {
    IndexedTerm* indexed = terms_.Find(term);
    if (indexed == nullptr) {
      indexed = &terms_.Add(term);
      indexed->peers = FindPeers(term);
    }
    InsertSorted(indexed->rules, number);
    matched.every_peer |= term.kind == PeerTerm::Kind::kEverybody;
    matched.peers.insert(matched.peers.end(), indexed->peers.begin(),
                         indexed->peers.end());
  }
  if (matched.every_peer) matched.peers.clear();
  SortUnique(matched.peers);
  if (direction == Direction::kIngress || matched.names.empty()) return matched;

  // What the names mean depends on the peer.
  std::map<std::vector<PortKeyRange>, std::vector<uint32_t>> peers_by_ranges;
  const auto resolve = [&](uint32_t peer) {
    std::vector<PortKeyRange> ranges = RangesAt(peer, matched);
    if (!ranges.empty()) peers_by_ranges[std::move(ranges)].push_back(peer);
  };
  if (matched.every_peer) {
    for (uint32_t i = 0; i < universe_.peers().size(); ++i) resolve(i);
  } else {
    for (uint32_t peer : matched.peers) resolve(peer);
  }
  for (auto& [ranges, peers] : peers_by_ranges) {
    matched.variants.push_back({ranges, std::move(peers)});
  }
  return matched;
}

void RuleMatcher::Forget(const LoweredRule& rule, uint32_t number) {
  for (const PeerTerm& term : rule.peers) terms_.RemoveRule(term, number);
}

std::vector<PortKeyRange> RuleMatcher::RangesAt(
    uint32_t peer, const MatchedRule& matched) const {
  if (universe_.peers()[peer] == nullptr) return {};
  std::vector<PortKeyRange> ranges =
      WithNamedPorts(matched, universe_.peers()[peer]->variety.ports);
  if (ranges == matched.ranges) ranges.clear();
  return ranges;
}

std::vector<uint32_t> RuleMatcher::Came(uint32_t peer) {
  if (universe_.IsPod(peer)) {
    namespaces_.AddUnlisted(universe_.NamespaceOf(universe_.GroupOfPeer(peer)));
  }
  const std::vector<IndexedTerm*> terms =
      terms_.Meaning(peer, universe_.peers()[peer]->variety);
  for (IndexedTerm* term : terms) {
    if (term->term.kind != PeerTerm::Kind::kEverybody) {
      InsertSorted(term->peers, peer);
    }
  }
  return RulesOf(terms);
}

std::vector<uint32_t> RuleMatcher::Goes(uint32_t peer,
                                        const PeerVariety& variety) {
  const std::vector<IndexedTerm*> terms = terms_.Meaning(peer, variety);
  for (IndexedTerm* term : terms) EraseSorted(term->peers, peer);
  return RulesOf(terms);
}

void RuleMatcher::Add(uint32_t peer, Direction direction,
                      MatchedRule& matched) const {
  if (!matched.every_peer) InsertSorted(matched.peers, peer);
  if (direction == Direction::kIngress || matched.names.empty()) return;
  std::vector<PortKeyRange> ranges = RangesAt(peer, matched);
  if (ranges.empty()) return;
  for (MatchedRule::Variant& variant : matched.variants) {
    if (variant.ranges == ranges) return InsertSorted(variant.peers, peer);
  }
  matched.variants.push_back({std::move(ranges), {peer}});
}

void RuleMatcher::Remove(uint32_t peer, MatchedRule& matched) {
  EraseSorted(matched.peers, peer);
  for (MatchedRule::Variant& variant : matched.variants) {
    EraseSorted(variant.peers, peer);
  }
  std::erase_if(matched.variants, [](const MatchedRule::Variant& variant) {
    return variant.peers.empty();
  });
}

std::vector<uint32_t> RuleMatcher::FindPeers(const PeerTerm& term) {
  std::vector<uint32_t> peers;
  const auto add = [&peers](const std::vector<uint32_t>& more) {
    peers.insert(peers.end(), more.begin(), more.end());
  };
  const auto add_if = [&](auto is_meant) {
    for (uint32_t i = 0; i < universe_.peers().size(); ++i) {
      const PeerRef& peer = universe_.peers()[i];
      if (peer != nullptr && is_meant(i, peer->variety)) peers.push_back(i);
    }
  };
  switch (term.kind) {
    case PeerTerm::Kind::kEverybody:
      break;
    case PeerTerm::Kind::kPods:
      for (uint32_t group : universe_.groups().Find(
               term.pods.pods, namespaces_.MeantBy(term.pods.namespaces))) {
        add(universe_.PeersOfGroup(group));
      }
      break;
    case PeerTerm::Kind::kBlock:
    case PeerTerm::Kind::kWorldIn:
      for (uint32_t cover : universe_.covers().Inside(term.cidr, term.except)) {
        for (uint32_t peer : universe_.PeersOfCover(cover)) {
          const Identity identity = universe_.peers()[peer]->variety.identity;
          if (term.kind == PeerTerm::Kind::kBlock || IsOutside(identity)) {
            peers.push_back(peer);
          }
        }
      }
      break;
    case PeerTerm::Kind::kWorld:
    case PeerTerm::Kind::kCluster:
    case PeerTerm::Kind::kIdentity:
    case PeerTerm::Kind::kReserved:
    case PeerTerm::Kind::kNamed:
      add_if([&](uint32_t peer, const PeerVariety& variety) {
        return MeansVariety(term, variety, universe_.IsPod(peer));
      });
      break;
    case PeerTerm::Kind::kNodes:
      for (const UniverseNode& node : universe_.nodes()) {
        if (term.selector.Matches(*node.labels)) add(node.peers);
      }
      break;
  }
  SortUnique(peers);
  return peers;
}

std::shared_ptr<const std::vector<uint32_t>> RuleMatcher::SubjectsOf(
    const PodTerm& pods) {
  const auto [at, inserted] = subjects_of_.try_emplace(KeyOf(pods));
  if (inserted) {
    std::vector<uint32_t> groups = universe_.groups().Find(
        pods.pods, namespaces_.MeantBy(pods.namespaces));
    groups.erase(std::lower_bound(groups.begin(), groups.end(),
                                  universe_.subject_groups()),
                 groups.end());
    at->second =
        std::make_shared<const std::vector<uint32_t>>(std::move(groups));
  }
  return at->second;
}

}  // namespace ciliumcore
