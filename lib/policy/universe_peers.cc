// SPDX-License-Identifier: Apache-2.0

// How the universe keeps its peers and groups.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/dns_match_internal.h"
#include "lib/policy/sorted_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {
namespace {

bool IsNoPods(Identity identity) {
  switch (identity) {
    case Identity::kUnknown:
    case Identity::kHost:
    case Identity::kWorld:
    case Identity::kRemoteNode:
    case Identity::kKubeApiserver:
    case Identity::kWorldIpv4:
    case Identity::kWorldIpv6:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<uint32_t> Universe::PeerOf(Identity identity, uint32_t cover,
                                          std::vector<NamedPort> ports,
                                          uint32_t group, Labels labels) {
  const uint32_t fresh = free_peers_.empty()
                             ? static_cast<uint32_t>(peers_.size())
                             : free_peers_.back();
  const auto [at, inserted] =
      known_.try_emplace(VarietyKey(identity, ports, cover, labels), fresh);
  if (!inserted) {
    ++users_of_peer_[at->second];
    return at->second;
  }
  std::optional<IpPrefix> prefix;
  if (cover != kNoCover) prefix = covers_.nodes()[cover].prefix;
  CC_ASSIGN_OR_RETURN(PeerRef ref,
                      registry_.Intern({.identity = identity,
                                        .ports = std::move(ports),
                                        .cover = prefix,
                                        .labels = std::move(labels)}));
  if (fresh == peers_.size()) {
    peers_.emplace_back();
    group_of_peer_.emplace_back();
    cover_of_peer_.emplace_back();
    users_of_peer_.emplace_back();
  } else {
    free_peers_.pop_back();
  }
  peers_[fresh] = std::move(ref);
  group_of_peer_[fresh] = group;
  cover_of_peer_[fresh] = cover;
  users_of_peer_[fresh] = 1;
  if (cover != kNoCover) InsertSorted(peers_of_cover_[cover], fresh);
  if (group != kNoGroup) InsertSorted(peers_of_group_[group], fresh);
  come_.push_back(fresh);
  return fresh;
}

// Of no pod's address: the host is above every rule, so no cover matters to it.
absl::StatusOr<uint32_t> Universe::NodePeer(Identity identity,
                                            const IpAddress& address,
                                            Labels labels) {
  return PeerOf(identity,
                identity == Identity::kHost ? kNoCover : covers_.Of(address),
                {}, kNoGroup, std::move(labels));
}

Labels Universe::LabelsOfNames(const IpAddress& address) const {
  Labels labels;
  const auto names = names_.find(address);
  if (names == names_.end()) return labels;
  for (const std::string& selector : needs_.name_selectors) {
    if (std::any_of(
            names->second.begin(), names->second.end(),
            [&](const std::string& name) { return Selects(selector, name); })) {
      labels.Set({std::string(kSourceFqdn), selector, ""});
    }
  }
  return labels;
}

absl::StatusOr<std::optional<uint32_t>> Universe::OutsidePeer(
    const IpAddress& address) {
  const bool is_api_server = api_servers_.contains(address);
  Labels labels = LabelsOfNames(address);
  if (!is_api_server && labels.empty()) return std::nullopt;
  CC_ASSIGN_OR_RETURN(
      const uint32_t peer,
      NodePeer(is_api_server ? Identity::kKubeApiserver : Identity::kWorld,
               address, std::move(labels)));
  return peer;
}

void Universe::DropUser(uint32_t peer) {
  if (--users_of_peer_[peer] != 0) return;
  const PeerRef& ref = peers_[peer];
  const uint32_t cover = cover_of_peer_[peer], group = group_of_peer_[peer];
  known_.erase(VarietyKey(ref->variety.identity, ref->variety.ports, cover,
                          ref->variety.labels));
  if (cover != kNoCover) EraseSorted(peers_of_cover_[cover], peer);
  if (group != kNoGroup) EraseSorted(peers_of_group_[group], peer);
  gone_.push_back(peer);
}

absl::StatusOr<uint32_t> Universe::JoinGroup(const PolicyEndpoint& endpoint,
                                             const RemoteRef& own) {
  const std::string name = IdentityName(endpoint.identity);
  if (IsNoPods(endpoint.identity)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an endpoint of namespace ", endpoint.ns,
        " that is not in the host's network has the identity ", name));
  }
  if (static_cast<uint32_t>(endpoint.identity) >= kFirstCidrPeer) {
    return absl::InvalidArgumentError(absl::StrCat(
        "identity ", name, ": expected a number below ", kFirstCidrPeer,
        ", where those of peers that are no identity begin"));
  }
  // Their peer is no pod's.
  const bool is_of_addresses = (endpoint.identity == Identity::kHealth &&
                                !input_.health_addresses.empty()) ||
                               (endpoint.identity == Identity::kIngress &&
                                !input_.ingress_addresses.empty());
  if (is_of_addresses) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an endpoint of namespace ", endpoint.ns, " has the identity ", name,
        ": expected another, as there are addresses of nodes that have it"));
  }
  const uint32_t fresh = free_groups_.empty()
                             ? static_cast<uint32_t>(members_.size())
                             : free_groups_.back();
  const auto [at, inserted] =
      group_of_identity_.try_emplace(endpoint.identity, fresh);
  if (!inserted) {
    Group& group = members_[at->second];
    if (group.first->ns != endpoint.ns ||
        group.first->labels != endpoint.labels) {
      return absl::InvalidArgumentError(
          absl::StrCat("identity ", name, " is both ", group.first->ns, " {",
                       group.first->labels.CanonicalKey(), "} and ",
                       endpoint.ns, " {", endpoint.labels.CanonicalKey(), "}"));
    }
    ++group.members;
    return at->second;
  }
  if (fresh == members_.size()) {
    members_.emplace_back();
    peers_of_group_.emplace_back();
  } else {
    free_groups_.pop_back();
  }
  Group& group = members_[fresh];
  group.members = 1;
  group.own = own;
  group.first = &endpoint;
  group.made_up = {};
  if (const Labels reserved = ReservedLabels(endpoint.identity);
      !reserved.empty()) {
    group.made_up = endpoint.labels;
    for (const Label& label : reserved) group.made_up.Set(label);
  }
  groups_.Set(fresh, group.first->ns, LabelsOf(fresh));
  return fresh;
}

void Universe::LeaveGroup(uint32_t group) {
  Group& left = members_[group];
  if (--left.members != 0) return;
  group_of_identity_.erase(left.first->identity);
  groups_.Remove(group);
  gone_groups_.push_back(group);
}

}  // namespace ciliumcore
