// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {
namespace {

class Builder {
 public:
  Builder(const PolicyInput& input, const UniverseNeeds& needs,
          PeerRegistry& registry)
      : input_(input),
        registry_(registry),
        needs_(needs),
        universe_(needs.prefixes) {}

  absl::StatusOr<Universe> Build() && {
    universe_.peers_of_cover.resize(universe_.covers.size());
    CC_RETURN_IF_ERROR(AddReserved());
    CC_RETURN_IF_ERROR(AddNodes());
    for (uint32_t i = 0; i < input_.endpoints.size(); ++i) {
      CC_RETURN_IF_ERROR(AddEndpoint(i));
    }
    CC_RETURN_IF_ERROR(CheckAddresses());
    DescribePeers();
    universe_.peer_map = std::make_shared<const PeerMap>(std::move(map_));
    return std::move(universe_);
  }

 private:
  using VarietyKey =
      std::tuple<Identity, std::vector<NamedPort>, uint32_t, Labels>;

  // The peer of a variety; a new one joins its cover and its group.
  absl::StatusOr<uint32_t> PeerOf(Identity identity, uint32_t cover,
                                  std::vector<NamedPort> ports = {},
                                  uint32_t group = kNoGroup,
                                  Labels labels = {}) {
    const uint32_t fresh = static_cast<uint32_t>(universe_.peers.size());
    const auto [at, inserted] =
        known_.try_emplace(VarietyKey(identity, ports, cover, labels), fresh);
    if (!inserted) return at->second;
    std::optional<IpPrefix> prefix;
    if (cover != kNoCover) {
      prefix = universe_.covers.nodes()[cover].prefix;
      universe_.peers_of_cover[cover].push_back(fresh);
    }
    if (group != kNoGroup) universe_.peers_of_group[group].push_back(fresh);
    CC_ASSIGN_OR_RETURN(PeerRef peer,
                        registry_.Intern({.identity = identity,
                                          .ports = std::move(ports),
                                          .cover = prefix,
                                          .labels = std::move(labels)}));
    universe_.peers.push_back(std::move(peer));
    universe_.is_pod.push_back(group != kNoGroup);
    return fresh;
  }

  // A node's address: the host is above every rule, so no cover matters to it.
  absl::StatusOr<uint32_t> NodePeer(Identity identity, const IpAddress& address,
                                    Labels labels = {}) {
    return PeerOf(
        identity,
        identity == Identity::kHost ? kNoCover : universe_.covers.Of(address),
        {}, kNoGroup, std::move(labels));
  }

  absl::Status AddReserved() {
    CC_RETURN_IF_ERROR(PeerOf(Identity::kHost, kNoCover).status());
    CC_RETURN_IF_ERROR(PeerOf(Identity::kWorld, kNoCover).status());
    for (uint32_t cover = 0; cover < universe_.covers.size(); ++cover) {
      CC_ASSIGN_OR_RETURN(const uint32_t peer, PeerOf(Identity::kWorld, cover));
      world_of_cover_.push_back(peer);
    }
    for (const auto& [addresses, identity] :
         {std::pair(&input_.host_addresses, Identity::kHost),
          std::pair(&input_.remote_node_addresses, Identity::kRemoteNode),
          std::pair(&input_.api_server_addresses, Identity::kKubeApiserver)}) {
      for (const IpAddress& address : *addresses) {
        CC_ASSIGN_OR_RETURN(const uint32_t peer, NodePeer(identity, address));
        AddAddress(address, peer, kNoEndpoint);
      }
    }
    return absl::OkStatus();
  }

  // Nodes are told apart only where policies do.
  absl::Status AddNodes() {
    static const Labels* const kNoLabels = new Labels();
    if (needs_.node_labels && !input_.remote_node_addresses.empty()) {
      Universe::Node& unlabelled = universe_.nodes.emplace_back();
      unlabelled.labels = kNoLabels;
      for (const IpAddress& address : input_.remote_node_addresses) {
        CC_ASSIGN_OR_RETURN(unlabelled.peers.emplace_back(),
                            NodePeer(Identity::kRemoteNode, address));
      }
    }
    for (const PolicyNode& node : input_.remote_nodes) {
      Universe::Node& out = universe_.nodes.emplace_back();
      out.labels = &node.labels;
      for (const IpAddress& address : node.addresses) {
        CC_ASSIGN_OR_RETURN(
            const uint32_t peer,
            NodePeer(Identity::kRemoteNode, address,
                     needs_.node_labels ? node.labels : Labels()));
        if (needs_.node_labels) out.peers.push_back(peer);
        AddAddress(address, peer, kNoEndpoint);
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddEndpoint(uint32_t index) {
    const PolicyEndpoint& endpoint = input_.endpoints[index];
    auto& numbers = map_.of_endpoint.emplace_back();
    const auto add = [&](uint32_t peer) {
      numbers.push_back(universe_.peers[peer]->number);
    };
    if (endpoint.host_network) {
      const Identity identity = endpoint.identity == Identity::kUnknown
                                    ? Identity::kHost
                                    : endpoint.identity;
      universe_.group_of_endpoint.push_back(kNoGroup);
      for (const IpAddress& address : endpoint.addresses) {
        CC_ASSIGN_OR_RETURN(const uint32_t peer, NodePeer(identity, address));
        add(peer);
        AddAddress(address, peer, kNoEndpoint);
      }
      if (!numbers.empty()) return absl::OkStatus();
      CC_ASSIGN_OR_RETURN(const uint32_t peer, PeerOf(identity, kNoCover));
      add(peer);
      return absl::OkStatus();
    }

    CC_ASSIGN_OR_RETURN(const uint32_t group, GroupOf(endpoint));
    universe_.group_of_endpoint.push_back(group);
    const std::vector<NamedPort> ports =
        PortsNamed(endpoint.ports, needs_.names);
    for (const IpAddress& address : endpoint.addresses) {
      CC_ASSIGN_OR_RETURN(const uint32_t peer,
                          PeerOf(endpoint.identity,
                                 universe_.covers.Of(address), ports, group));
      add(peer);
      AddAddress(address, peer, index);
    }
    if (!numbers.empty()) return absl::OkStatus();
    CC_ASSIGN_OR_RETURN(const uint32_t peer,
                        PeerOf(endpoint.identity, kNoCover, ports, group));
    add(peer);
    return absl::OkStatus();
  }

  absl::StatusOr<uint32_t> GroupOf(const PolicyEndpoint& endpoint) {
    const std::string name = IdentityName(endpoint.identity);
    if (endpoint.identity <= Identity::kWorld) {
      return absl::InvalidArgumentError(absl::StrCat(
          "an endpoint of namespace ", endpoint.ns,
          " that is not in the host's network has the identity ", name));
    }
    if (static_cast<uint32_t>(endpoint.identity) >= kFirstCidrPeer) {
      return absl::InvalidArgumentError(absl::StrCat(
          "identity ", name, ": expected a number below ", kFirstCidrPeer,
          ", where those of peers that are no identity begin"));
    }
    const uint32_t fresh = static_cast<uint32_t>(first_of_group_.size());
    const auto [at, inserted] =
        group_of_identity_.try_emplace(endpoint.identity, fresh);
    if (inserted) {
      first_of_group_.push_back(&endpoint);
      universe_.groups.Add(endpoint.ns, LabelsOf(endpoint));
      universe_.peers_of_group.emplace_back();
      return fresh;
    }
    const PolicyEndpoint& first = *first_of_group_[at->second];
    if (first.ns != endpoint.ns || first.labels != endpoint.labels) {
      return absl::InvalidArgumentError(
          absl::StrCat("identity ", name, " is both ", first.ns, " {",
                       first.labels.CanonicalKey(), "} and ", endpoint.ns, " {",
                       endpoint.labels.CanonicalKey(), "}"));
    }
    return at->second;
  }

  // With those that a reserved identity has.
  const Labels& LabelsOf(const PolicyEndpoint& endpoint) {
    const Labels reserved = ReservedLabels(endpoint.identity);
    if (reserved.empty()) return endpoint.labels;
    Labels& labels = universe_.made_up.emplace_back(endpoint.labels);
    for (const Label& label : reserved) labels.Set(label);
    return labels;
  }

  void AddAddress(const IpAddress& address, uint32_t peer, uint32_t endpoint) {
    map_.addresses.push_back(
        {address, universe_.peers[peer]->number, endpoint});
  }

  // Sorts; the pods in a node's network may share its address.
  absl::Status CheckAddresses() {
    std::vector<AddressPeer>& addresses = map_.addresses;
    const auto key = [](const AddressPeer& entry) {
      return std::tie(entry.address, entry.peer, entry.endpoint);
    };
    std::sort(addresses.begin(), addresses.end(),
              [key](const AddressPeer& a, const AddressPeer& b) {
                return key(a) < key(b);
              });
    addresses.erase(std::unique(addresses.begin(), addresses.end()),
                    addresses.end());
    for (size_t i = 1; i < addresses.size(); ++i) {
      if (addresses[i].address == addresses[i - 1].address) {
        return absl::InvalidArgumentError(
            absl::StrCat("address ", addresses[i].address.ToString(),
                         " belongs to two endpoints"));
      }
    }
    return absl::OkStatus();
  }

  void DescribePeers() {
    for (uint32_t cover = 0; cover < universe_.covers.size(); ++cover) {
      const Covers::Node& node = universe_.covers.nodes()[cover];
      const PeerRef& world = universe_.peers[world_of_cover_[cover]];
      map_.prefixes.push_back({node.prefix, world->number, node.parent});
    }
    map_.peers = universe_.peers;
    std::sort(map_.peers.begin(), map_.peers.end(),
              [](const PeerRef& a, const PeerRef& b) {
                return a->number < b->number;
              });
  }

  const PolicyInput& input_;
  PeerRegistry& registry_;
  const UniverseNeeds& needs_;
  Universe universe_;
  PeerMap map_;
  std::vector<uint32_t> world_of_cover_;
  absl::flat_hash_map<VarietyKey, uint32_t> known_;
  absl::flat_hash_map<Identity, uint32_t> group_of_identity_;
  std::vector<const PolicyEndpoint*> first_of_group_;
};

}  // namespace

absl::StatusOr<Universe> MakeUniverse(const PolicyInput& input,
                                      const UniverseNeeds& needs,
                                      PeerRegistry& registry) {
  return Builder(input, needs, registry).Build();
}

}  // namespace ciliumcore
