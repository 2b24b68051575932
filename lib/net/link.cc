// SPDX-License-Identifier: Apache-2.0

// The links of a Netlink.

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "ciliumcore/net/netlink.h"
#include "lib/base/status_macros_internal.h"
#include "lib/net/netlink_message_internal.h"

namespace ciliumcore {

using internal::NetlinkAnswer;
using internal::NetlinkAttribute;
using internal::NetlinkRequest;

namespace {

int HexDigit(char digit) {
  return absl::ascii_isdigit(digit) ? digit - '0'
                                    : absl::ascii_tolower(digit) - 'a' + 10;
}

std::string Subject(absl::string_view link) {
  return absl::StrCat("link ", link);
}

absl::Status CheckName(absl::string_view name) {
  if (!name.empty() && name.size() < IFNAMSIZ) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("link \"", name,
                                                 "\": its name must have 1 to ",
                                                 IFNAMSIZ - 1, " characters"));
}

LinkInfo LinkOf(const NetlinkAnswer& answer) {
  const auto head = answer.Head<ifinfomsg>();
  LinkInfo link;
  link.ifindex = static_cast<uint32_t>(head.ifi_index);
  link.is_up = (head.ifi_flags & IFF_UP) != 0;
  answer.ForEach(sizeof(head), [&link](const NetlinkAttribute& attribute) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        link.name = attribute.Text();
        break;
      case IFLA_ADDRESS:
        link.mac = attribute.Value<MacAddress>();
        break;
      case IFLA_MTU:
        link.mtu = attribute.Value<uint32_t>();
        break;
      case IFLA_LINK:
        link.peer_ifindex = attribute.Value<uint32_t>();
        break;
      case IFLA_LINK_NETNSID:
        link.peer_nsid = attribute.Value<int32_t>();
        break;
      case IFLA_LINKINFO:
        internal::ForEachAttribute(attribute.data,
                                   [&link](const NetlinkAttribute& info) {
                                     if (info.type == IFLA_INFO_KIND)
                                       link.kind = info.Text();
                                   });
        break;
      default:
        break;
    }
  });
  // For other kinds it is what the link runs on.
  if (!link.is_pair()) link.peer_ifindex = link.peer_nsid = std::nullopt;
  return link;
}

NetlinkRequest GetLink(uint16_t flags, const ifinfomsg& header = {}) {
  NetlinkRequest request(RTM_GETLINK, flags, header);
  request.AddValue(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_SKIP_STATS});
  return request;
}

void AddEnd(NetlinkRequest& request, const VethEnd& end) {
  request.AddText(IFLA_IFNAME, end.name);
  if (end.netns != nullptr) {
    request.AddValue(IFLA_NET_NS_FD, static_cast<uint32_t>(end.netns->fd()));
  }
  if (end.mac.has_value()) request.AddValue(IFLA_ADDRESS, *end.mac);
  if (end.mtu != 0) request.AddValue(IFLA_MTU, end.mtu);
}

}  // namespace

std::string MacToString(const MacAddress& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                         mac[2], mac[3], mac[4], mac[5]);
}

absl::StatusOr<MacAddress> ParseMac(absl::string_view text) {
  MacAddress mac = {};
  size_t count = 0;
  for (const absl::string_view byte : absl::StrSplit(text, ':')) {
    const bool is_byte = byte.size() == 2 && absl::ascii_isxdigit(byte[0]) &&
                         absl::ascii_isxdigit(byte[1]);
    if (count == mac.size() || !is_byte) {
      count = 0;
      break;
    }
    mac[count++] =
        static_cast<uint8_t>(HexDigit(byte[0]) << 4 | HexDigit(byte[1]));
  }
  if (count == mac.size()) return mac;
  return absl::InvalidArgumentError(
      absl::StrCat("expected a MAC address such as 02:00:00:00:00:01, found \"",
                   text, "\""));
}

absl::StatusOr<LinkInfo> Netlink::FindLink(absl::string_view name) {
  CC_RETURN_IF_ERROR(CheckName(name));
  NetlinkRequest request = GetLink(NLM_F_ACK);
  request.AddText(IFLA_IFNAME, name);
  LinkInfo link;
  CC_RETURN_IF_ERROR(
      Ask(request, Subject(name),
          [&link](const NetlinkAnswer& answer) { link = LinkOf(answer); }));
  return link;
}

absl::StatusOr<std::vector<LinkInfo>> Netlink::Links() {
  NetlinkRequest request = GetLink(NLM_F_DUMP);
  std::vector<LinkInfo> links;
  CC_RETURN_IF_ERROR(
      Ask(request, "links", [&links](const NetlinkAnswer& answer) {
        links.push_back(LinkOf(answer));
      }));
  return links;
}

absl::StatusOr<LinkInfo> Netlink::FindPeer(const LinkInfo& link) {
  const std::string subject = absl::StrCat("the other end of link ", link.name);
  if (!link.is_pair() || !link.peer_ifindex.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, ": it is no veth or netkit"));
  }
  if (link.peer_nsid.has_value() && *link.peer_nsid < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(subject, ": its namespace cannot be seen from this one"));
  }
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(*link.peer_ifindex);
  NetlinkRequest request = GetLink(NLM_F_ACK, header);
  if (link.peer_nsid.has_value()) {
    request.AddValue(IFLA_TARGET_NETNSID, *link.peer_nsid);
  }
  LinkInfo peer;
  CC_RETURN_IF_ERROR(
      Ask(request, subject,
          [&peer](const NetlinkAnswer& answer) { peer = LinkOf(answer); }));
  return peer;
}

absl::Status Netlink::AddVeth(const VethEnd& end, const VethEnd& other) {
  CC_RETURN_IF_ERROR(CheckName(end.name));
  CC_RETURN_IF_ERROR(CheckName(other.name));
  const ifinfomsg header = {};
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                         header);
  AddEnd(request, end);
  request.AddNested(IFLA_LINKINFO, [&] {
    request.AddText(IFLA_INFO_KIND, "veth");
    request.AddNested(IFLA_INFO_DATA, [&] {
      request.AddNested(VETH_INFO_PEER, [&] {
        request.AppendHeader(header);
        AddEnd(request, other);
      });
    });
  });
  return Ask(request, absl::StrCat("veth ", end.name, " - ", other.name));
}

absl::StatusOr<uint32_t> Netlink::IndexOf(absl::string_view link) {
  CC_ASSIGN_OR_RETURN(const LinkInfo info, FindLink(link));
  return info.ifindex;
}

absl::Status Netlink::DeleteLink(absl::string_view link) {
  ifinfomsg header = {};
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(link));
  header.ifi_index = static_cast<int>(ifindex);
  NetlinkRequest request(RTM_DELLINK, NLM_F_ACK, header);
  return Ask(request, Subject(link));
}

absl::Status Netlink::SetUp(absl::string_view link, bool up) {
  ifinfomsg header = {};
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(link));
  header.ifi_index = static_cast<int>(ifindex);
  header.ifi_change = IFF_UP;
  header.ifi_flags = up ? IFF_UP : 0;
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK, header);
  return Ask(request, Subject(link));
}

absl::Status Netlink::Change(absl::string_view link,
                             const std::function<void(NetlinkRequest&)>& to) {
  ifinfomsg header = {};
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(link));
  header.ifi_index = static_cast<int>(ifindex);
  NetlinkRequest request(RTM_SETLINK, NLM_F_ACK, header);
  to(request);
  return Ask(request, Subject(link));
}

absl::Status Netlink::SetMac(absl::string_view link, const MacAddress& mac) {
  return Change(link, [&](NetlinkRequest& request) {
    request.AddValue(IFLA_ADDRESS, mac);
  });
}

absl::Status Netlink::SetMtu(absl::string_view link, uint32_t mtu) {
  return Change(
      link, [&](NetlinkRequest& request) { request.AddValue(IFLA_MTU, mtu); });
}

absl::Status Netlink::Rename(absl::string_view link, absl::string_view name) {
  CC_RETURN_IF_ERROR(CheckName(name));
  return Change(link, [&](NetlinkRequest& request) {
    request.AddText(IFLA_IFNAME, name);
  });
}

}  // namespace ciliumcore
