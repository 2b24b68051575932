// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/universe_internal.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

absl::Status BelongsToTwo(const IpAddress& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("address ", address.ToString(),
                   " belongs to two of endpoints, remotes, nodes and API "
                   "servers"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Universe>> Universe::Make(
    const PolicyInput& input, absl::Span<const RemoteRef> remotes,
    const NamesOfAddresses& names, const UniverseNeeds& needs,
    PeerRegistry& registry) {
  std::unique_ptr<Universe> universe(
      new Universe(input, names, needs, registry));
  CC_RETURN_IF_ERROR(universe->Fill(remotes));
  return universe;
}

absl::Status Universe::Fill(absl::Span<const RemoteRef> remotes) {
  peers_of_cover_.resize(covers_.size());
  CC_RETURN_IF_ERROR(AddReserved());
  CC_RETURN_IF_ERROR(AddNodes());
  for (uint32_t i = 0; i < input_.endpoints.size(); ++i) {
    CC_RETURN_IF_ERROR(AddEndpoint(i));
  }
  subject_groups_ = static_cast<uint32_t>(members_.size());
  for (const RemoteRef& remote : remotes) {
    CC_RETURN_IF_ERROR(AddRemote(remote));
  }
  CC_RETURN_IF_ERROR(AddOutside());
  return MakePeerMap();
}

absl::Status Universe::AddReserved() {
  CC_RETURN_IF_ERROR(PeerOf(Identity::kHost, kNoCover).status());
  CC_RETURN_IF_ERROR(PeerOf(Identity::kWorld, kNoCover).status());
  for (uint32_t cover = 0; cover < covers_.size(); ++cover) {
    CC_ASSIGN_OR_RETURN(const uint32_t peer, PeerOf(Identity::kWorld, cover));
    world_of_cover_.push_back(peer);
  }
  for (const auto& [identity, addresses] :
       {std::pair(Identity::kHost, &input_.host_addresses),
        std::pair(Identity::kHealth, &input_.health_addresses),
        std::pair(Identity::kIngress, &input_.ingress_addresses)}) {
    for (const IpAddress& address : *addresses) {
      if (identity != Identity::kHost && hosts_.contains(address)) continue;
      CC_ASSIGN_OR_RETURN(const uint32_t peer, NodePeer(identity, address));
      AddAddress(address, peer, kNoEndpoint);
    }
  }
  return absl::OkStatus();
}

absl::Status Universe::AddNodes() {
  static const Labels* const kNoLabels = new Labels();
  CC_RETURN_IF_ERROR(AddNode(*kNoLabels, input_.remote_node_addresses));
  for (const PolicyNode& node : input_.remote_nodes) {
    CC_RETURN_IF_ERROR(AddNode(node.labels, node.addresses));
  }
  return absl::OkStatus();
}

absl::Status Universe::AddNode(const Labels& labels,
                               const std::vector<IpAddress>& addresses) {
  UniverseNode& node = nodes_.emplace_back();
  node.labels = &labels;
  for (const IpAddress& address : addresses) {
    if (hosts_.contains(address)) continue;
    CC_ASSIGN_OR_RETURN(const uint32_t peer, RemoteNodePeer(address, labels));
    node.peers.push_back(peer);
    node_labels_.try_emplace(address, &labels);
    AddAddress(address, peer, kNoEndpoint);
  }
  return absl::OkStatus();
}

absl::Status Universe::AddEndpoint(uint32_t index) {
  const PolicyEndpoint& endpoint = input_.endpoints[index];
  auto& numbers = of_endpoint_.emplace_back();
  const auto add = [&](uint32_t peer) {
    numbers.push_back(peers_[peer]->number);
  };
  if (endpoint.host_network) {
    const Identity identity = endpoint.identity == Identity::kUnknown
                                  ? Identity::kHost
                                  : endpoint.identity;
    group_of_endpoint_.push_back(kNoGroup);
    for (const IpAddress& address : endpoint.addresses) {
      const auto labels = node_labels_.find(address);
      CC_ASSIGN_OR_RETURN(
          const uint32_t peer,
          identity == Identity::kRemoteNode && labels != node_labels_.end()
              ? RemoteNodePeer(address, *labels->second)
              : NodePeer(identity, address));
      add(peer);
      AddAddress(address, peer, kNoEndpoint);
    }
    if (!numbers.empty()) return absl::OkStatus();
    CC_ASSIGN_OR_RETURN(const uint32_t peer, PeerOf(identity, kNoCover));
    add(peer);
    return absl::OkStatus();
  }

  CC_ASSIGN_OR_RETURN(const uint32_t group, JoinGroup(endpoint));
  group_of_endpoint_.push_back(group);
  const std::vector<NamedPort> ports = PortsNamed(endpoint.ports, needs_.names);
  for (const IpAddress& address : endpoint.addresses) {
    CC_ASSIGN_OR_RETURN(
        const uint32_t peer,
        PeerOf(endpoint.identity, covers_.Of(address), ports, group));
    add(peer);
    AddAddress(address, peer, index);
  }
  if (!numbers.empty()) return absl::OkStatus();
  CC_ASSIGN_OR_RETURN(const uint32_t peer,
                      PeerOf(endpoint.identity, kNoCover, ports, group));
  add(peer);
  return absl::OkStatus();
}

absl::Status Universe::AddRemote(const RemoteRef& ref) {
  const PolicyEndpoint& remote = *ref;
  CC_ASSIGN_OR_RETURN(const uint32_t group, JoinGroup(remote, ref));
  const std::vector<NamedPort> ports = PortsNamed(remote.ports, needs_.names);
  for (const IpAddress& address : remote.addresses) {
    CC_ASSIGN_OR_RETURN(
        const uint32_t peer,
        PeerOf(remote.identity, covers_.Of(address), ports, group));
    AddAddress(address, peer, kNoEndpoint);
  }
  return absl::OkStatus();
}

void Universe::RemoveRemote(const PolicyEndpoint& remote) {
  const std::vector<NamedPort> ports = PortsNamed(remote.ports, needs_.names);
  for (const IpAddress& address : remote.addresses) {
    DropUser(known_.at(
        VarietyKey(remote.identity, ports, covers_.Of(address), Labels())));
  }
  LeaveGroup(group_of_identity_.at(remote.identity));
}

absl::Status Universe::AddOutside() {
  absl::flat_hash_set<IpAddress> owned;
  for (const auto& [address, owner] : addresses_) owned.insert(address);
  api_servers_.insert(input_.api_server_addresses.begin(),
                      input_.api_server_addresses.end());
  std::vector<IpAddress> outside(api_servers_.begin(), api_servers_.end());
  for (const auto& [address, names] : names_) {
    if (!owned.contains(address) && !api_servers_.contains(address)) {
      outside.push_back(address);
    }
  }
  std::sort(outside.begin(), outside.end());  // numbers go by this order
  for (const IpAddress& address : outside) {
    CC_ASSIGN_OR_RETURN(const auto peer, OutsidePeer(address));
    if (!peer.has_value()) continue;
    outside_[address] = *peer;
    AddAddress(address, *peer, kNoEndpoint);
  }
  return absl::OkStatus();
}

absl::StatusOr<PeerChanges> Universe::Change(
    absl::Span<const RemoteRef> remotes_gone,
    absl::Span<const RemoteRef> remotes_come,
    absl::Span<const IpAddress> renamed) {
  Recycle();
  PeerMap map = *peer_map_;
  // A pod's address may have names: it is outside when the pod is not there.
  std::vector<IpAddress> touched(renamed.begin(), renamed.end());
  for (const auto& remotes : {remotes_gone, remotes_come}) {
    for (const RemoteRef& remote : remotes) {
      touched.insert(touched.end(), remote->addresses.begin(),
                     remote->addresses.end());
    }
  }
  SortUnique(touched);
  for (const IpAddress& address : touched) {
    const auto known = outside_.find(address);
    if (known == outside_.end()) continue;
    DropUser(known->second);
    map.addresses.Erase(address);
    outside_.erase(known);
  }
  for (const RemoteRef& remote : remotes_gone) {
    RemoveRemote(*remote);
    for (const IpAddress& address : remote->addresses) {
      map.addresses.Erase(address);
    }
  }
  PeerChanges changes;
  for (uint32_t peer : gone_) {
    map.peers.Erase(peers_[peer]->number);
    changes.gone.emplace_back(peer, std::move(peers_[peer]));
  }
  for (const RemoteRef& remote : remotes_come) {
    CC_RETURN_IF_ERROR(AddRemote(remote));
  }
  for (const auto& [address, owner] : addresses_) {
    if (map.addresses.contains(address) || api_servers_.contains(address)) {
      return BelongsToTwo(address);
    }
    map.addresses.Set(address, owner);
  }
  for (const IpAddress& address : touched) {
    if (map.addresses.contains(address)) continue;
    CC_ASSIGN_OR_RETURN(const auto peer, OutsidePeer(address));
    if (!peer.has_value()) continue;
    outside_[address] = *peer;
    map.addresses.Set(address, {peers_[*peer]->number, kNoEndpoint});
  }
  for (uint32_t peer : come_) map.peers.Set(peers_[peer]->number, peers_[peer]);
  changes.come = come_;
  peer_map_ = std::make_shared<const PeerMap>(std::move(map));
  return changes;
}

void Universe::Recycle() {
  free_peers_.insert(free_peers_.end(), gone_.begin(), gone_.end());
  free_groups_.insert(free_groups_.end(), gone_groups_.begin(),
                      gone_groups_.end());
  gone_.clear();
  gone_groups_.clear();
  come_.clear();
  addresses_.clear();
}

// The pods in a node's network may share its address.
absl::Status Universe::MakePeerMap() {
  SortUnique(addresses_);
  for (size_t i = 1; i < addresses_.size(); ++i) {
    if (addresses_[i].first == addresses_[i - 1].first) {
      return BelongsToTwo(addresses_[i].first);
    }
  }
  PeerMap map;
  map.of_endpoint = std::move(of_endpoint_);
  map.addresses = decltype(map.addresses)::FromSorted(std::move(addresses_));
  for (uint32_t cover = 0; cover < covers_.size(); ++cover) {
    const Covers::Node& node = covers_.nodes()[cover];
    const PeerRef& world = peers_[world_of_cover_[cover]];
    map.prefixes.push_back({node.prefix, world->number, node.parent});
  }
  std::vector<std::pair<uint32_t, PeerRef>> peers;
  for (const PeerRef& peer : peers_) peers.emplace_back(peer->number, peer);
  std::sort(peers.begin(), peers.end());
  map.peers = decltype(map.peers)::FromSorted(std::move(peers));
  peer_map_ = std::make_shared<const PeerMap>(std::move(map));
  return absl::OkStatus();
}

}  // namespace ciliumcore
