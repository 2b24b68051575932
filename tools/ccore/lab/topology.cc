// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/topology.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {
namespace {

// The node's end of every link; endpoints reach it as their gateway.
constexpr char kGateway[] = "169.254.1.1";
constexpr char kGateway6[] = "fe80::1";

// The world's link to the node: addresses that documentation reserves.
constexpr char kWorldLink[] = "192.0.2.254";
constexpr char kWorldLink6[] = "2001:db8:ffff::fe";

#define LAB_RETURN_IF_ERROR(expr)                                     \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

std::string HostRoute(const IpAddress& address) {
  return absl::StrCat(address.ToString(), address.is_v4() ? "/32" : "/128");
}

// An address of the range that a host can have: not of loopback, multicast,
// link-local or "this network".
std::optional<IpAddress> Representative(const AddressRange& range,
                                        const std::set<IpAddress>& taken) {
  const auto parse = [](const char* text) { return *IpPrefix::Parse(text); };
  static const std::vector<IpPrefix> unusable = {
      parse("0.0.0.0/8"),
      parse("127.0.0.0/8"),
      parse("169.254.0.0/16"),
      parse("224.0.0.0/3"),
      parse("::/8"),
      parse("fe80::/10"),
      parse("ff00::/8"),
      parse("192.0.2.254/32"),
      parse("2001:db8:ffff::fe/128")};
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
    candidates.push_back(*IpAddress::Parse(text));
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
                                const std::vector<AddressRange>& ranges) {
  absl::StatusOr<Netns> node = Netns::Create();
  if (!node.ok()) return node.status();
  Lab lab(*std::move(node));
  LAB_RETURN_IF_ERROR(lab.AddNodeBasics());
  for (uint32_t i = 0; i < cluster.cluster.pods.size(); ++i) {
    LAB_RETURN_IF_ERROR(lab.AddPod(i, cluster.cluster.pods[i]));
  }
  std::set<IpAddress> taken;
  for (const LabHost& host : lab.hosts_) {
    taken.insert(host.addresses.begin(), host.addresses.end());
  }
  LAB_RETURN_IF_ERROR(lab.AddWorld(ranges, taken));
  return lab;
}

absl::Status Lab::AddNodeBasics() {
  for (const char* name :
       {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
    LAB_RETURN_IF_ERROR(node_.Sysctl(name, "1"));
  }
  // Router advertisements and duplicate detection have no place here.
  for (const char* scope : {"all", "default"}) {
    const std::string v6 = absl::StrCat("net/ipv6/conf/", scope);
    LAB_RETURN_IF_ERROR(node_.Sysctl(absl::StrCat(v6, "/accept_dad"), "0"));
    LAB_RETURN_IF_ERROR(
        node_.Sysctl(absl::StrCat("net/ipv4/conf/", scope, "/rp_filter"), "0"));
  }
  return absl::OkStatus();
}

absl::Status Lab::AddPod(uint32_t index, const Pod& pod) {
  LabHost host = {.name = absl::StrCat(pod.ns, "/", pod.name),
                  .pod = index,
                  .addresses = pod.addresses,
                  .netns = node_.fd(),
                  .interface = ""};
  if (pod.host_network) {
    std::vector<std::string> commands;
    for (const IpAddress& address : pod.addresses) {
      commands.push_back(
          absl::StrCat("address replace ", HostRoute(address), " dev lo"));
    }
    if (!commands.empty()) LAB_RETURN_IF_ERROR(node_.Ip(commands));
    hosts_.push_back(std::move(host));
    return absl::OkStatus();
  }
  absl::StatusOr<Netns> netns = Netns::Create();
  if (!netns.ok()) return netns.status();
  host.netns = netns->fd();
  host.interface = absl::StrCat("lab", index);
  std::vector<std::string> on_node = {
      absl::StrCat("link add ", host.interface,
                   " type veth peer name eth0 netns ", netns->path()),
      absl::StrCat("link set ", host.interface, " up")};
  std::vector<std::string> in_pod = {"link set eth0 up"};
  for (const IpAddress& address : pod.addresses) {
    const std::string gateway = address.is_v4() ? kGateway : kGateway6;
    on_node.push_back(absl::StrCat("route add ", HostRoute(address), " dev ",
                                   host.interface));
    in_pod.push_back(absl::StrCat("address add ", HostRoute(address),
                                  " dev eth0",
                                  address.is_v4() ? "" : " nodad"));
    in_pod.push_back(
        absl::StrCat("route add ", gateway, " dev eth0 scope link"));
    in_pod.push_back(
        absl::StrCat("route add default via ", gateway, " dev eth0"));
  }
  LAB_RETURN_IF_ERROR(node_.Ip(on_node));
  LAB_RETURN_IF_ERROR(netns->Sysctl("net/ipv6/conf/eth0/accept_dad", "0"));
  LAB_RETURN_IF_ERROR(netns->Ip(in_pod));
  hosts_.push_back(std::move(host));
  others_.push_back(*std::move(netns));
  return absl::OkStatus();
}

absl::Status Lab::AddWorld(const std::vector<AddressRange>& ranges,
                           const std::set<IpAddress>& taken) {
  absl::StatusOr<Netns> world = Netns::Create();
  if (!world.ok()) return world.status();
  LAB_RETURN_IF_ERROR(node_.Ip(
      {absl::StrCat("link add world type veth peer name eth0 netns ",
                    world->path()),
       "link set world up",
       absl::StrCat("address add ", kWorldLink, "/32 dev world"),
       absl::StrCat("address add ", kWorldLink6, "/128 dev world nodad")}));
  std::vector<std::string> in_world = {
      "link set eth0 up",
      absl::StrCat("route add ", kWorldLink, " dev eth0 scope link"),
      absl::StrCat("route add ", kWorldLink6, " dev eth0")};
  std::vector<std::string> on_node;
  std::vector<IpAddress> own[2];
  for (const AddressRange& range : ranges) {
    const std::optional<IpAddress> address = Representative(range, taken);
    if (!address.has_value()) continue;
    own[address->is_v4() ? 0 : 1].push_back(*address);
    in_world.push_back(absl::StrCat("address add ", HostRoute(*address),
                                    " dev eth0",
                                    address->is_v4() ? "" : " nodad"));
    on_node.push_back(
        absl::StrCat("route add ", HostRoute(*address), " dev world"));
    hosts_.push_back({.name = range.ToString(),
                      .pod = std::nullopt,
                      .addresses = {*address},
                      .netns = world->fd(),
                      .interface = ""});
  }
  if (!own[0].empty()) {
    in_world.push_back(absl::StrCat("route add default via ", kWorldLink,
                                    " dev eth0 src ", own[0][0].ToString()));
  }
  if (!own[1].empty()) {
    in_world.push_back(
        absl::StrCat("route add default via ", kWorldLink6, " dev eth0"));
  }
  LAB_RETURN_IF_ERROR(world->Ip(in_world));
  if (!on_node.empty()) LAB_RETURN_IF_ERROR(node_.Ip(on_node));
  others_.push_back(*std::move(world));
  return absl::OkStatus();
}

}  // namespace ciliumcore::ccore
