// SPDX-License-Identifier: Apache-2.0

// The filters of a Netlink.

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <string>
#include <utility>
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

NetlinkRequest Dump(uint16_t type, uint32_t ifindex, uint32_t parent) {
  tcmsg header = {};
  header.tcm_ifindex = static_cast<int>(ifindex);
  header.tcm_parent = parent;
  return NetlinkRequest(type, NLM_F_DUMP, header);
}

std::string KindOf(const NetlinkAnswer& answer) {
  std::string kind;
  answer.ForEach(sizeof(tcmsg), [&kind](const NetlinkAttribute& attribute) {
    if (attribute.type == TCA_KIND) kind = attribute.Text();
  });
  return kind;
}

// A classifier is told once by itself, without options, and then filter by
// filter: true for a filter.
bool ReadFilter(const NetlinkAnswer& answer, TrafficFilter& filter) {
  const auto head = answer.Head<tcmsg>();
  filter.priority = static_cast<uint16_t>(head.tcm_info >> 16);
  filter.handle = head.tcm_handle;
  filter.kind = KindOf(answer);
  bool has_options = false;
  answer.ForEach(sizeof(head), [&](const NetlinkAttribute& attribute) {
    if (attribute.type != TCA_OPTIONS) return;
    has_options = true;
    if (filter.kind != "bpf") return;
    internal::ForEachAttribute(attribute.data,
                               [&filter](const NetlinkAttribute& option) {
                                 if (option.type == TCA_BPF_ID)
                                   filter.program = option.Value<uint32_t>();
                               });
  });
  return has_options;
}

}  // namespace

absl::StatusOr<std::vector<TrafficFilter>> Netlink::Filters(
    absl::string_view link) {
  const std::string subject = absl::StrCat("filters of link ", link);
  CC_ASSIGN_OR_RETURN(const uint32_t ifindex, IndexOf(link));
  // Of an ingress qdisc, whatever side is asked for is its one.
  bool has_egress = false;
  NetlinkRequest qdiscs = Dump(RTM_GETQDISC, ifindex, 0);
  CC_RETURN_IF_ERROR(Ask(qdiscs, subject, [&](const NetlinkAnswer& answer) {
    has_egress = has_egress || (answer.Head<tcmsg>().tcm_ifindex ==
                                    static_cast<int>(ifindex) &&
                                KindOf(answer) == "clsact");
  }));
  std::vector<TrafficFilter> filters;
  for (const bool is_egress : {false, true}) {
    if (is_egress && !has_egress) continue;
    NetlinkRequest request = Dump(
        RTM_GETTFILTER, ifindex,
        TC_H_MAKE(TC_H_CLSACT, is_egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS));
    CC_RETURN_IF_ERROR(Ask(request, subject, [&](const NetlinkAnswer& answer) {
      TrafficFilter filter = {.is_egress = is_egress};
      if (ReadFilter(answer, filter)) filters.push_back(std::move(filter));
    }));
  }
  return filters;
}

}  // namespace ciliumcore
