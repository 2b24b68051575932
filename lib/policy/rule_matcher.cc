// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/rule_matcher_internal.h"

namespace ciliumcore {
namespace {

constexpr absl::string_view kNamespaceName = "kubernetes.io/metadata.name";

PortKeyRange PortRange(Protocol protocol, uint16_t first, uint16_t last) {
  return {PortKey(protocol, first), PortKey(protocol, last)};
}

// Sorted, and joined where they meet.
void Normalize(std::vector<PortKeyRange>& ranges) {
  std::sort(ranges.begin(), ranges.end());
  size_t kept = 0;
  for (const PortKeyRange& range : ranges) {
    if (kept != 0 && range.first <= ranges[kept - 1].last + 1) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

// Sets what a rule's ports are: all of them, some by number, some by name.
void SetPorts(const std::vector<PortRule>& ports, MatchedRule& rule) {
  if (ports.empty()) rule.ranges.push_back({0, kMaxPortKey});
  for (const PortRule& port : ports) {
    if (!port.name.empty()) {
      rule.names.insert({port.name, port.protocol});
    } else if (!port.port.has_value()) {
      rule.ranges.push_back(PortRange(port.protocol, 0, 0xffff));
    } else {
      const uint16_t last = port.end_port.value_or(*port.port);
      if (last < *port.port) continue;
      rule.ranges.push_back(PortRange(port.protocol, *port.port, last));
    }
  }
  Normalize(rule.ranges);
}

void SortUnique(std::vector<uint32_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
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
  for (Namespace& ns : namespaces_) ns.labels.Set(kNamespaceName, ns.name);
}

MatchedRule RuleMatcher::Match(const NetworkPolicyRule& rule,
                               const std::string& ns, Direction direction) {
  MatchedRule matched;
  SetPorts(rule.ports, matched);
  matched.every_peer = rule.peers.empty();
  for (const PeerRule& peer : rule.peers) {
    const std::vector<uint32_t>& more = PeersOf(peer, ns);
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

const std::vector<uint32_t>& RuleMatcher::PeersOf(const PeerRule& peer,
                                                  const std::string& ns) {
  std::string key;
  if (peer.ip_block.has_value()) {
    key = absl::StrCat("ip ", peer.ip_block->cidr.ToString());
    for (const IpPrefix& hole : peer.ip_block->except) {
      absl::StrAppend(&key, " ", hole.ToString());
    }
  } else {
    key = absl::StrCat(
        peer.namespace_selector.has_value()
            ? SelectorKey(*peer.namespace_selector)
            : absl::StrCat("in ", ns),
        " pod ", SelectorKey(peer.pod_selector.value_or(LabelSelector())));
  }
  const auto [at, inserted] = peers_of_.try_emplace(std::move(key));
  if (!inserted) return at->second;

  std::vector<uint32_t>& peers = at->second;
  const auto add = [&peers](const std::vector<uint32_t>& more) {
    peers.insert(peers.end(), more.begin(), more.end());
  };
  if (peer.ip_block.has_value()) {
    for (uint32_t cover :
         universe_.covers.Inside(peer.ip_block->cidr, peer.ip_block->except)) {
      add(universe_.peers_of_cover[cover]);
    }
    return peers;
  }
  const std::vector<uint32_t> groups = universe_.groups.Find(
      peer.pod_selector.value_or(LabelSelector()),
      peer.namespace_selector.has_value() ? Namespaces(*peer.namespace_selector)
                                          : std::vector<std::string>{ns});
  for (uint32_t group : groups) add(universe_.peers_of_group[group]);
  return peers;
}

const std::vector<std::string>& RuleMatcher::Namespaces(
    const LabelSelector& selector) {
  const auto [at, inserted] = matched_.try_emplace(SelectorKey(selector));
  if (!inserted) return at->second;
  for (const Namespace& ns : namespaces_) {
    if (selector.Matches(ns.labels)) at->second.push_back(ns.name);
  }
  return at->second;
}

}  // namespace ciliumcore
