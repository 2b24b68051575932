// SPDX-License-Identifier: Apache-2.0

// The addresses, routes and neighbours of a Netlink.

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/net/netlink.h"
#include "lib/base/status_macros_internal.h"
#include "lib/net/netlink_message_internal.h"

namespace ciliumcore {

using internal::NetlinkAnswer;
using internal::NetlinkAttribute;
using internal::NetlinkRequest;

namespace {

constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

uint8_t FamilyOf(bool is_v4) { return is_v4 ? AF_INET : AF_INET6; }

absl::Status CheckFamilies(const Route& route, absl::string_view subject) {
  for (const std::optional<IpAddress>& other : {route.gateway, route.source}) {
    if (other.has_value() && other->is_v4() != route.destination.is_v4()) {
      return absl::InvalidArgumentError(
          absl::StrCat(subject, ": ", other->ToString(),
                       " is of another family than the destination"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Netlink::AddAddress(absl::string_view link,
                                 const IpAddress& address,
                                 std::optional<int> prefix_length) {
  const int bits = address.is_v4() ? 32 : 128;
  const int length = prefix_length.value_or(bits);
  const std::string subject = absl::StrCat("address ", address.ToString(), "/",
                                           length, " of link ", link);
  if (length < 0 || length > bits) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, ": expected a length of 0 to ", bits));
  }
  ifaddrmsg header = {};
  header.ifa_family = FamilyOf(address.is_v4());
  header.ifa_prefixlen = static_cast<uint8_t>(length);
  header.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  CC_ASSIGN_OR_RETURN(header.ifa_index, IndexOf(link));
  NetlinkRequest request(RTM_NEWADDR, kCreate, header);
  request.AddAddress(IFA_LOCAL, address);
  request.AddAddress(IFA_ADDRESS, address);
  return Ask(request, subject);
}

absl::StatusOr<std::vector<InterfaceAddress>> Netlink::Addresses() {
  const ifaddrmsg any = {};
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, any);
  std::vector<InterfaceAddress> addresses;
  CC_RETURN_IF_ERROR(
      Ask(request, "addresses", [&addresses](const NetlinkAnswer& answer) {
        const auto head = answer.Head<ifaddrmsg>();
        // Where IFA_LOCAL is there it is ours; IFA_ADDRESS is the other end's.
        std::optional<IpAddress> local, address;
        answer.ForEach(sizeof(head), [&](const NetlinkAttribute& attribute) {
          if (attribute.type == IFA_LOCAL) local = attribute.Address();
          if (attribute.type == IFA_ADDRESS) address = attribute.Address();
        });
        if (!local.has_value()) local = address;
        if (!local.has_value()) return;
        addresses.push_back({.ifindex = head.ifa_index,
                             .address = *local,
                             .prefix_length = head.ifa_prefixlen});
      }));
  return addresses;
}

absl::Status Netlink::AddRoute(const Route& route) {
  const std::string subject = absl::StrCat(
      "route ", route.destination.ToString(),
      route.gateway.has_value() ? " via " + route.gateway->ToString() : "",
      " on link ", route.link);
  CC_RETURN_IF_ERROR(CheckFamilies(route, subject));
  rtmsg header = {};
  header.rtm_family = FamilyOf(route.destination.is_v4());
  header.rtm_dst_len = static_cast<uint8_t>(route.destination.length());
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope =
      route.gateway.has_value() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  if (route.is_onlink) header.rtm_flags = RTNH_F_ONLINK;
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(route.link));
  NetlinkRequest request(RTM_NEWROUTE, kCreate, header);
  if (route.destination.length() > 0) {
    request.AddAddress(RTA_DST, route.destination.address());
  }
  request.AddValue(RTA_OIF, ifindex);
  if (route.gateway.has_value()) {
    request.AddAddress(RTA_GATEWAY, *route.gateway);
  }
  if (route.source.has_value()) request.AddAddress(RTA_PREFSRC, *route.source);
  return Ask(request, subject);
}

absl::Status Netlink::SetNeighbor(absl::string_view link,
                                  const IpAddress& address,
                                  const MacAddress& mac) {
  ndmsg header = {};
  header.ndm_family = FamilyOf(address.is_v4());
  header.ndm_state = NUD_PERMANENT;
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(link));
  header.ndm_ifindex = static_cast<int>(ifindex);
  NetlinkRequest request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                         header);
  request.AddAddress(NDA_DST, address);
  request.AddValue(NDA_LLADDR, mac);
  return Ask(request,
             absl::StrCat("neighbour ", address.ToString(), " of link ", link));
}

}  // namespace ciliumcore
