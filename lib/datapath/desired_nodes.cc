// SPDX-License-Identifier: Apache-2.0

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lib/datapath/intent_internal.h"

namespace ciliumcore::internal {
namespace {

DesiredEndpoint DesiredEndpointOf(const EndpointOptions& endpoint,
                                  const ResolvedLink& link) {
  DesiredEndpoint out = {.name = endpoint.interface,
                         .ifindex = link.ifindex,
                         .mac = link.mac,
                         .host_mac = link.host_mac,
                         .v4 = std::nullopt,
                         .v6 = std::nullopt,
                         .flags = link.flags,
                         .closes = endpoint.on_detach == OnDetach::kClosed,
                         .identity = endpoint.identity.id()};
  for (const IpAddress& address : endpoint.addresses) {
    (address.is_v4() ? out.v4 : out.v6) = address;
  }
  return out;
}

DesiredAddress DesiredAddressOf(const AddressPeer& owner) {
  return {.peer = owner.peer,
          .endpoint = owner.endpoint == kNoEndpoint
                          ? std::nullopt
                          : std::optional(owner.endpoint),
          .hop = std::nullopt};
}

std::optional<DesiredHop> HopOf(const RemoteOptions& remote,
                                const Surroundings& surroundings) {
  if (!remote.next_hop.has_value()) return std::nullopt;
  return DesiredHop{
      .ifindex = surroundings.hop_interfaces.at(remote.next_hop->interface),
      .gateway = remote.next_hop->gateway};
}

uint32_t NumberOf(const IdentityRef& identity) {
  return static_cast<uint32_t>(identity.id());
}

void AddUser(const IdentityRef& identity,
             SharedMap<uint32_t, DesiredIdentity>& identities) {
  const DesiredIdentity* known = identities.Find(NumberOf(identity));
  identities.Set(NumberOf(identity),
                 {identity, (known == nullptr ? 0 : known->users) + 1});
}

void DropUser(const IdentityRef& identity,
              SharedMap<uint32_t, DesiredIdentity>& identities) {
  DesiredIdentity left = *identities.Find(NumberOf(identity));
  if (--left.users == 0) {
    identities.Erase(NumberOf(identity));
  } else {
    identities.Set(NumberOf(identity), std::move(left));
  }
}

}  // namespace

std::set<std::string> NewHopInterfaces(const Intent& before, const Intent& next,
                                       const Surroundings& surroundings) {
  std::set<std::string> interfaces;
  next.remotes.DiffFrom(
      before.remotes,
      [&](const IpAddress&, const RemoteOptions*, const RemoteOptions* is) {
        if (is == nullptr || !is->next_hop.has_value()) return;
        const std::string& interface = is->next_hop->interface;
        if (!surroundings.hop_interfaces.contains(interface)) {
          interfaces.insert(interface);
        }
      });
  return interfaces;
}

DesiredNodes DesiredNodesOf(const Intent& intent,
                            const Surroundings& surroundings,
                            const PeerMap& peers) {
  DesiredNodes nodes;
  std::map<uint32_t, DesiredIdentity> identities;
  const auto add_user = [&](const IdentityRef& identity) {
    DesiredIdentity& of = identities[NumberOf(identity)];
    of.identity = identity;
    ++of.users;
  };
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    nodes.endpoints.push_back(
        DesiredEndpointOf(endpoint, surroundings.links.at(interface)));
    add_user(endpoint.identity);
  }
  std::map<IpAddress, DesiredAddress> addresses;
  for (const auto& [address, owner] : peers.addresses) {
    addresses.emplace_hint(addresses.end(), address, DesiredAddressOf(owner));
  }
  for (const auto& [first, remote] : intent.remotes) {
    add_user(remote.identity);
    for (const IpAddress& address : remote.addresses) {
      addresses.at(address).hop = HopOf(remote, surroundings);
    }
  }
  nodes.addresses = decltype(nodes.addresses)::FromSorted(
      {addresses.begin(), addresses.end()});
  nodes.identities = decltype(nodes.identities)::FromSorted(
      {identities.begin(), identities.end()});
  for (const PrefixPeer& prefix : peers.prefixes) {
    nodes.prefixes.push_back({.prefix = prefix.prefix, .peer = prefix.peer});
  }
  return nodes;
}

DesiredNodes DesiredNodesAfter(const DesiredNodes& before, const Intent& old,
                               const PeerMap& old_peers, const Intent& intent,
                               const Surroundings& surroundings,
                               const PeerMap& peers) {
  DesiredNodes nodes = before;
  peers.addresses.DiffFrom(
      old_peers.addresses,
      [&](const IpAddress& address, const AddressPeer*, const AddressPeer* is) {
        if (is == nullptr) {
          nodes.addresses.Erase(address);
          return;
        }
        DesiredAddress out = DesiredAddressOf(*is);
        const DesiredAddress* known = nodes.addresses.Find(address);
        if (known != nullptr) out.hop = known->hop;
        nodes.addresses.Set(address, out);
      });
  // An address may change hands, and may stay for another reason than a remote
  // (a DNS name stands for it): first who has it no more.
  const auto set_hops = [&](const RemoteOptions& remote,
                            const std::optional<DesiredHop>& hop) {
    for (const IpAddress& address : remote.addresses) {
      const DesiredAddress* known = nodes.addresses.Find(address);
      if (known == nullptr || known->hop == hop) continue;
      DesiredAddress out = *known;
      out.hop = hop;
      nodes.addresses.Set(address, out);
    }
  };
  std::vector<const RemoteOptions*> come;
  intent.remotes.DiffFrom(
      old.remotes,
      [&](const IpAddress&, const RemoteOptions* was, const RemoteOptions* is) {
        if (was != nullptr) set_hops(*was, std::nullopt);
        if (is != nullptr) AddUser(is->identity, nodes.identities);
        if (was != nullptr) DropUser(was->identity, nodes.identities);
        if (is != nullptr) come.push_back(is);
      });
  for (const RemoteOptions* remote : come) {
    set_hops(*remote, HopOf(*remote, surroundings));
  }
  return nodes;
}

}  // namespace ciliumcore::internal
