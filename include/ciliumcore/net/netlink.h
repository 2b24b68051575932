// SPDX-License-Identifier: Apache-2.0

// Netlink: the links, addresses, routes, neighbours and filters of one network
// namespace.

#ifndef CILIUMCORE_NET_NETLINK_H_
#define CILIUMCORE_NET_NETLINK_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/net/netns.h"

namespace ciliumcore {

namespace internal {
class NetlinkRequest;
struct NetlinkAnswer;
}  // namespace internal

using MacAddress = std::array<uint8_t, 6>;

// "02:00:00:00:00:01".
std::string MacToString(const MacAddress& mac);

// Reads what MacToString writes, in either case. InvalidArgument otherwise.
absl::StatusOr<MacAddress> ParseMac(absl::string_view text);

struct LinkInfo {
  uint32_t ifindex = 0;
  std::string name;
  std::string kind;  // "veth"; empty for loopback and hardware
  MacAddress mac = {};
  uint32_t mtu = 0;
  bool is_up = false;  // as set; a link that is up may still have no carrier

  // Of the other end, if this is one of a veth or netkit pair; in the namespace
  // that has this number here, or in the same one without a number.
  std::optional<uint32_t> peer_ifindex;
  std::optional<int32_t> peer_nsid;

  bool is_pair() const { return kind == "veth" || kind == "netkit"; }
};

// One end of a veth to be made.
struct VethEnd {
  std::string name = {};
  const NetNs* netns = nullptr;        // null: the namespace of the Netlink
  std::optional<MacAddress> mac = {};  // none: the kernel makes one up
  uint32_t mtu = 0;                    // 0: the kernel's default
};

struct InterfaceAddress {
  uint32_t ifindex = 0;
  IpAddress address;
  int prefix_length = 0;  // of the network it is in: 0..32 or 0..128
};

struct Route {
  IpPrefix destination = {};  // 0.0.0.0/0 or ::/0: the default route
  std::string link = {};
  std::optional<IpAddress> gateway = {};  // none: destinations are on the link
  // The gateway is on the link though no route says so.
  bool is_onlink = false;
  // What the node's own packets come from.
  std::optional<IpAddress> source = {};
};

// A filter of a link's clsact or ingress qdisc.
struct TrafficFilter {
  bool is_egress = false;  // of what leaves by the link; else of what comes
  uint16_t priority = 0;   // the lower one is asked first
  uint32_t handle = 0;
  std::string kind = {};  // "bpf", "flower"
  uint32_t program = 0;   // with "bpf": its id
};

// A socket of rtnetlink. Stays in the namespace it was opened in, wherever its
// user's thread goes. Move-only, thread-compatible.
//
// Errors name the subject and carry the kernel's own explanation where it gives
// one: "link veth-web: No such device". NotFound: there is no such link (or
// what is asked for); AlreadyExists; PermissionDenied without CAP_NET_ADMIN;
// InvalidArgument, also for a link's name that is not 1 to 15 characters long.
class Netlink {
 public:
  static absl::StatusOr<Netlink> Open(const NetNs& netns);
  // In the calling thread's namespace.
  static absl::StatusOr<Netlink> Open();

  absl::StatusOr<LinkInfo> FindLink(absl::string_view name);
  absl::StatusOr<std::vector<LinkInfo>> Links();

  // The other end of a pair. InvalidArgument if `link` is none;
  // FailedPrecondition if the other end's namespace cannot be seen from here.
  absl::StatusOr<LinkInfo> FindPeer(const LinkInfo& link);

  // Makes a pair, each end in its namespace at once, both down.
  absl::Status AddVeth(const VethEnd& end, const VethEnd& other);
  // A pair goes with either end.
  absl::Status DeleteLink(absl::string_view link);

  absl::Status SetUp(absl::string_view link, bool up = true);
  absl::Status SetMac(absl::string_view link, const MacAddress& mac);
  absl::Status SetMtu(absl::string_view link, uint32_t mtu);
  // The link must be down.
  absl::Status Rename(absl::string_view link, absl::string_view name);

  // Adds an address of a network of that length; by default of itself alone.
  // It is usable at once: an IPv6 address is not looked for on the link first.
  absl::Status AddAddress(absl::string_view link, const IpAddress& address,
                          std::optional<int> prefix_length = std::nullopt);
  absl::StatusOr<std::vector<InterfaceAddress>> Addresses();

  // To the main table. AlreadyExists if the destination has a route.
  absl::Status AddRoute(const Route& route);

  // Says once and for all where an address on the link is; replaces what was
  // known.
  absl::Status SetNeighbor(absl::string_view link, const IpAddress& address,
                           const MacAddress& mac);

  // In the order in which they are asked, those of ingress first; none if the
  // link has no such qdisc.
  absl::StatusOr<std::vector<TrafficFilter>> Filters(absl::string_view link);

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}

  // Sends `request` and shows `visit` what comes back but acknowledgements.
  // Errors begin with `subject`.
  absl::Status Ask(
      internal::NetlinkRequest& request, absl::string_view subject,
      const std::function<void(const internal::NetlinkAnswer&)>& visit = {});
  absl::StatusOr<uint32_t> IndexOf(absl::string_view link);
  absl::Status Change(absl::string_view link,
                      const std::function<void(internal::NetlinkRequest&)>& to);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

// Tells when links of a namespace, or their addresses, may have changed.
// Move-only, thread-compatible.
class LinkWatch {
 public:
  static absl::StatusOr<LinkWatch> Open(const NetNs& netns);

  // Whether any was added, altered or removed since the last call, or since
  // Open. One system call for each change.
  bool HasChanged();

 private:
  explicit LinkWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_NET_NETLINK_H_
