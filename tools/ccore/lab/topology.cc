// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/topology.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"

namespace ciliumcore::ccore {
namespace {

// What pods send to when it is not on their link; the programs answer for it.
constexpr char kPodGateway[] = "169.254.1.1";
constexpr char kPodGateway6[] = "fe80::1";

// The node, to the world. No policy means addresses that exist on one link.
constexpr char kWorldGateway[] = "169.254.2.1";
constexpr char kWorldGateway6[] = "fe80::2";

// The world, to the node: the one neighbour behind which all of its addresses
// are. Neighbours are few (1,024 in the whole kernel), addresses may be many.
constexpr char kWorldRouter[] = "169.254.2.2";
constexpr char kWorldRouter6[] = "fe80::3";

#define LAB_RETURN_IF_ERROR(expr)                                     \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

// OK if it is there already.
absl::Status Unless(const absl::Status& added) {
  return absl::IsAlreadyExists(added) ? absl::OkStatus() : added;
}

// The namespace of that role which is kept, if there is one.
absl::StatusOr<NetNs> FindNetNs(const LabKeeping* keeping,
                                const std::string& role) {
  if (keeping == nullptr) return absl::NotFoundError(role);
  return NetNs::Open(keeping->places.netns(role));
}

// A namespace where IPv6 addresses are usable at once, also those that the
// kernel gives to links itself.
absl::StatusOr<NetNs> CreateNetNs(const LabKeeping* keeping,
                                  const std::string& role) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  if (!netns.ok()) return netns.status();
  if (keeping != nullptr) {
    LAB_RETURN_IF_ERROR(keeping->places.KeepNetNs(*netns, role));
  }
  for (const char* scope : {"all", "default"}) {
    LAB_RETURN_IF_ERROR(netns->WriteSysctl(
        absl::StrCat("net/ipv6/conf/", scope, "/accept_dad"), "0"));
  }
  return netns;
}

// As CreateNetNs, and forwards between its links.
absl::StatusOr<NetNs> CreateNode(const LabKeeping* keeping) {
  absl::StatusOr<NetNs> found = FindNetNs(keeping, "node");
  if (found.ok()) return found;
  absl::StatusOr<NetNs> node = CreateNetNs(keeping, "node");
  if (!node.ok()) return node.status();
  for (const char* setting :
       {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
    LAB_RETURN_IF_ERROR(node->WriteSysctl(setting, "1"));
  }
  for (const char* scope : {"all", "default"}) {
    LAB_RETURN_IF_ERROR(node->WriteSysctl(
        absl::StrCat("net/ipv4/conf/", scope, "/rp_filter"), "0"));
  }
  return node;
}

// The address on the link "eth0", and by the gateway to everywhere else.
absl::Status AddAddressAndDefaultRoute(Netlink& links, const IpAddress& address,
                                       const IpAddress& gateway) {
  LAB_RETURN_IF_ERROR(Unless(links.AddAddress("eth0", address)));
  // An earlier address of the family may have the route.
  return Unless(
      links.AddRoute({.destination = IpPrefix::Of(
                          address.is_v4() ? Ip("0.0.0.0") : IpAddress(), 0),
                      .link = "eth0",
                      .gateway = gateway,
                      .is_onlink = true}));
}

// An address of the range that a host can have: not of loopback, multicast,
// link-local or "this network".
std::optional<IpAddress> Representative(const AddressRange& range,
                                        const std::set<IpAddress>& taken) {
  const auto parse = [](const char* text) { return *IpPrefix::Parse(text); };
  static const std::vector<IpPrefix> unusable = {
      parse("0.0.0.0/8"),   parse("127.0.0.0/8"), parse("169.254.0.0/16"),
      parse("224.0.0.0/3"), parse("::/8"),        parse("fe80::/10"),
      parse("ff00::/8")};
  const auto usable = [&](const IpAddress& address) {
    return range.first <= address && address <= range.last &&
           address.is_v4() == range.first.is_v4() && !taken.contains(address) &&
           std::none_of(unusable.begin(), unusable.end(),
                        [&](const IpPrefix& prefix) {
                          return prefix.Contains(address);
                        });
  };
  // Well-known examples first, then the range's own ends and middles.
  std::vector<IpAddress> candidates;
  for (const char* text :
       {"203.0.113.10", "198.51.100.10", "8.8.8.8", "1.2.3.4", "100.64.0.10",
        "2001:db8::10", "2620:fe::fe"}) {
    candidates.push_back(Ip(text));
  }
  for (int offset = 1; offset < 256; ++offset) {
    auto bytes = range.first.bytes();
    bytes[15] = static_cast<uint8_t>(bytes[15] | offset);
    candidates.push_back(IpAddress::FromBytes(bytes));
  }
  candidates.push_back(range.first);
  candidates.push_back(range.last);
  for (int byte = 0; byte < 16; ++byte) {
    auto bytes = range.last.bytes();
    for (int i = byte + 1; i < 16; ++i) bytes[i] = 1;
    candidates.push_back(IpAddress::FromBytes(bytes));
  }
  auto found = std::find_if(candidates.begin(), candidates.end(), usable);
  if (found == candidates.end()) return std::nullopt;
  return *found;
}

}  // namespace

absl::StatusOr<Lab> Lab::Create(const CompiledCluster& cluster,
                                const std::vector<AddressRange>& ranges,
                                LabKeeping* keeping) {
  absl::StatusOr<NetNs> node = CreateNode(keeping);
  if (!node.ok()) return node.status();
  absl::StatusOr<Netlink> links = Netlink::Open(*node);
  if (!links.ok()) return links.status();
  Lab lab(*std::move(node), *std::move(links), keeping);
  const std::vector<Pod>& pods = cluster.cluster.pods;
  LAB_RETURN_IF_ERROR(lab.RemoveGonePods(pods));
  for (uint32_t i = 0; i < pods.size(); ++i) {
    absl::Status added = pods[i].host_network ? lab.AddHostPod(i, pods[i])
                                              : lab.AddPod(i, pods[i]);
    if (!added.ok()) {
      return Annotate(added, absl::StrCat(pods[i].ns, "/", pods[i].name));
    }
  }
  LAB_RETURN_IF_ERROR(lab.AddWorld(ranges));
  lab.keeping_ = nullptr;
  return lab;
}

// With their links; also those that have other addresses now.
absl::Status Lab::RemoveGonePods(const std::vector<Pod>& pods) {
  if (keeping_ == nullptr) return absl::OkStatus();
  std::map<std::string, const Pod*> wanted;
  for (const Pod& pod : pods) {
    if (!pod.host_network) wanted[absl::StrCat(pod.ns, "/", pod.name)] = &pod;
  }
  auto& kept = keeping_->state.pods;
  for (auto at = kept.begin(); at != kept.end();) {
    const auto& [name, pod] = *at;
    const auto found = wanted.find(name);
    if (found != wanted.end() && found->second->addresses == pod.addresses) {
      ++at;
      continue;
    }
    absl::Status deleted = links_.DeleteLink(pod.interface);
    if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
    keeping_->places.ForgetNetNs(KeptPlaces::RoleOf(name));
    at = kept.erase(at);
  }
  return absl::OkStatus();
}

std::string Lab::FreeInterface(uint32_t index) const {
  std::set<std::string> taken;
  if (keeping_ != nullptr) {
    for (const auto& [name, pod] : keeping_->state.pods)
      taken.insert(pod.interface);
  }
  while (taken.contains(absl::StrCat("lab", index))) ++index;
  return absl::StrCat("lab", index);
}

absl::StatusOr<bool> Lab::FindPod(uint32_t index, const Pod& pod) {
  const std::string name = absl::StrCat(pod.ns, "/", pod.name);
  if (keeping_ == nullptr || !keeping_->state.pods.contains(name)) return false;
  absl::StatusOr<NetNs> netns = FindNetNs(keeping_, KeptPlaces::RoleOf(name));
  if (!netns.ok()) return netns.status();
  hosts_.push_back({.name = name,
                    .pod = index,
                    .addresses = pod.addresses,
                    .netns = netns->fd(),
                    .interface = keeping_->state.pods.at(name).interface});
  others_.push_back(*std::move(netns));
  return true;
}

absl::Status Lab::AddHostPod(uint32_t index, const Pod& pod) {
  for (const IpAddress& address : pod.addresses) {
    // Pods in the host's network share its addresses.
    LAB_RETURN_IF_ERROR(Unless(links_.AddAddress("lo", address)));
  }
  hosts_.push_back({.name = absl::StrCat(pod.ns, "/", pod.name),
                    .pod = index,
                    .addresses = pod.addresses,
                    .netns = node_.fd(),
                    .interface = ""});
  return absl::OkStatus();
}

absl::Status Lab::AddPod(uint32_t index, const Pod& pod) {
  const absl::StatusOr<bool> found = FindPod(index, pod);
  if (!found.ok() || *found) return found.status();
  const std::string name = absl::StrCat(pod.ns, "/", pod.name);
  absl::StatusOr<NetNs> netns = CreateNetNs(keeping_, KeptPlaces::RoleOf(name));
  if (!netns.ok()) return netns.status();
  // No address of its own making: it would announce itself, be dropped for not
  // being the pod's address, and fill the flows with that.
  LAB_RETURN_IF_ERROR(
      netns->WriteSysctl("net/ipv6/conf/default/addr_gen_mode", "1"));
  absl::StatusOr<Netlink> links = Netlink::Open(*netns);
  if (!links.ok()) return links.status();
  const std::string interface = FreeInterface(index);
  LAB_RETURN_IF_ERROR(
      links_.AddVeth({.name = interface}, {.name = "eth0", .netns = &*netns}));
  LAB_RETURN_IF_ERROR(links_.SetUp(interface));
  LAB_RETURN_IF_ERROR(links->SetUp("eth0"));
  for (const IpAddress& address : pod.addresses) {
    LAB_RETURN_IF_ERROR(links_.AddRoute(
        {.destination = IpPrefix::Of(address), .link = interface}));
    LAB_RETURN_IF_ERROR(AddAddressAndDefaultRoute(
        *links, address, Ip(address.is_v4() ? kPodGateway : kPodGateway6)));
  }
  if (keeping_ != nullptr)
    keeping_->state.pods[name] = {interface, pod.addresses};
  hosts_.push_back({.name = name,
                    .pod = index,
                    .addresses = pod.addresses,
                    .netns = netns->fd(),
                    .interface = interface});
  others_.push_back(*std::move(netns));
  return absl::OkStatus();
}

absl::Status Lab::AddWorld(const std::vector<AddressRange>& ranges) {
  std::set<IpAddress> taken;
  for (const LabHost& host : hosts_) {
    taken.insert(host.addresses.begin(), host.addresses.end());
  }
  absl::StatusOr<NetNs> world = FindNetNs(keeping_, "world");
  const bool is_new = !world.ok();
  if (is_new) world = CreateNetNs(keeping_, "world");
  if (!world.ok()) return world.status();
  absl::StatusOr<Netlink> links = Netlink::Open(*world);
  if (!links.ok()) return links.status();
  if (is_new) {
    LAB_RETURN_IF_ERROR(
        links_.AddVeth({.name = "world"}, {.name = "eth0", .netns = &*world}));
    LAB_RETURN_IF_ERROR(links_.SetUp("world"));
    LAB_RETURN_IF_ERROR(links->SetUp("eth0"));
    LAB_RETURN_IF_ERROR(links_.AddAddress("world", Ip(kWorldGateway)));
    LAB_RETURN_IF_ERROR(links_.AddAddress("world", Ip(kWorldGateway6)));
    LAB_RETURN_IF_ERROR(links->AddAddress("eth0", Ip(kWorldRouter)));
    LAB_RETURN_IF_ERROR(links->AddAddress("eth0", Ip(kWorldRouter6)));
  }
  for (const AddressRange& range : ranges) {
    const std::optional<IpAddress> address = Representative(range, taken);
    if (!address.has_value()) continue;
    LAB_RETURN_IF_ERROR(Unless(links_.AddRoute(
        {.destination = IpPrefix::Of(*address),
         .link = "world",
         .gateway = Ip(address->is_v4() ? kWorldRouter : kWorldRouter6),
         .is_onlink = true})));
    LAB_RETURN_IF_ERROR(AddAddressAndDefaultRoute(
        *links, *address,
        Ip(address->is_v4() ? kWorldGateway : kWorldGateway6)));
    hosts_.push_back({.name = range.ToString(),
                      .pod = std::nullopt,
                      .addresses = {*address},
                      .netns = world->fd(),
                      .interface = ""});
  }
  others_.push_back(*std::move(world));
  return absl::OkStatus();
}

}  // namespace ciliumcore::ccore
