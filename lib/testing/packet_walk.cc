// SPDX-License-Identifier: Apache-2.0
#include "lib/testing/packet_walk_internal.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/conntrack.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/reason.h"
#include "lib/datapath/map_walk_internal.h"

namespace ciliumcore::internal {
namespace {

using testing::PacketTrace;

constexpr cc_place_value kUnknownPlace = {
    .peer = CC_IDENTITY_WORLD, .where = CC_REMOTE, .pad = 0};

// One packet's way. Each step that ends it returns.
class Walker {
 public:
  explicit Walker(const PacketWalkInput& input)
      : in_(input), maps_(input.maps), probe_(input.probe) {}

  PacketWalk Walk() {
    PacketTrace& trace = walk_.trace;
    trace.generation = probe_.epoch;
    trace.is_egress = in_.is_egress;
    trace.interface = in_.interface_of(in_.ifindex);
    DescribePacket();
    const uint16_t slot = SlotOf(in_.ifindex);
    if (slot == 0) {
      Drop(CC_REASON_NO_ENDPOINT);
    } else if (probe_.is_arp) {
      LeaveToLink();
    } else if (probe_.is_refused) {
      Drop(probe_.reason);
    } else if (in_.is_egress) {
      FromEndpoint(slot);
    } else {
      ToEndpoint(slot);
    }
    return std::move(walk_);
  }

 private:
  void DescribePacket() {
    PacketTrace& trace = walk_.trace;
    trace.parsed = probe_.is_arp       ? PacketTrace::Parsed::kLink
                   : probe_.is_refused ? PacketTrace::Parsed::kRefused
                                       : PacketTrace::Parsed::kIp;
    trace.protocol = static_cast<Protocol>(probe_.protocol);
    trace.tcp_flags = probe_.tcp_flags;
    trace.icmp_type = probe_.icmp_type;
    trace.icmp_code = probe_.icmp_code;
    trace.is_error = probe_.is_error != 0;
    trace.source.address = abi::FromAddr(probe_.src);
    trace.source.port = abi::FromBe16(probe_.sport);
    trace.destination.address = abi::FromAddr(probe_.dst);
    trace.destination.port = abi::FromBe16(probe_.dport);
  }

  void FromEndpoint(uint16_t me) {
    if (probe_.is_link_control) return LeaveToLink();
    if (!OwnsSource(me)) return Drop(CC_REASON_INVALID_SOURCE_IP);
    NameEnds();
    const cc_direction mine = probe_.is_reply ? CC_INGRESS : CC_EGRESS;
    const cc_direction theirs = probe_.is_reply ? CC_EGRESS : CC_INGRESS;
    if (probe_.is_known) {
      NoteConnection();
      const uint16_t to = ReceiverAt(probe_.where_dst);
      const bool remote = (probe_.where_dst & CC_REMOTE) != 0;
      if ((to != 0 || remote) &&
          IsJudged(remote ? FlagOf(mine) : uint8_t{CC_CT_JUDGED})) {
        walk_.trace.is_current = true;
        return Deliver(to, probe_.where_dst);
      }
    } else if (probe_.is_error) {
      return Drop(CC_REASON_NOT_RELATED);
    }
    NoteConnection();
    const uint16_t to = ReceiverAt(dst_.where);
    if (to == 0 && (dst_.where & CC_REMOTE) == 0) {
      return Drop(CC_REASON_HOST_UNREACHABLE);
    }
    const bool allowed =
        Judge(me, mine, dst_.peer) && (to == 0 || Judge(to, theirs, src_.peer));
    if (!Accept(allowed)) return;
    Deliver(to, dst_.where);
  }

  void ToEndpoint(uint16_t me) {
    if (probe_.is_link_control && probe_.ttl == 255) return LeaveToLink();
    NameEnds();
    const cc_direction mine = probe_.is_reply ? CC_EGRESS : CC_INGRESS;
    if (probe_.is_known) {
      NoteConnection();
      if (IsJudged(FlagOf(mine)) && probe_.where_src != 0 &&
          !IsImpostor(probe_.where_src)) {
        walk_.trace.is_current = true;
        return;
      }
    } else if (probe_.is_error) {
      return Drop(CC_REASON_NOT_RELATED);
    }
    NoteConnection();
    if (IsImpostor(src_.where)) return Drop(CC_REASON_INVALID_SOURCE_IP);
    Accept(Judge(me, mine, src_.peer));
  }

  // Policy has spoken. False if the packet ends here.
  bool Accept(bool allowed) {
    if (allowed) {
      if (probe_.is_tracked && !probe_.is_known) Tell(CC_EVENT_NEW, 0);
      return true;
    }
    // The last side that was asked is the one that refuses.
    const uint8_t reason =
        walk_.trace.sides.back().cell.verdict == Verdict::kRedirect
            ? CC_REASON_NO_PROXY
            : CC_REASON_POLICY_DENIED;
    Tell(CC_EVENT_DROP, reason);
    walk_.trace.audited = in_.audit_only;
    if (!in_.audit_only) walk_.trace.reason = reason;
    return in_.audit_only;
  }

  bool Judge(uint16_t slot, cc_direction direction, uint32_t peer) {
    const PortProtocol port = {static_cast<Protocol>(probe_.protocol),
                               probe_.policy_port};
    const JudgementWalk walk =
        WalkJudgement(maps_, slot, direction, peer, port);
    PacketTrace::Side side;
    side.direction =
        direction == CC_EGRESS ? Direction::kEgress : Direction::kIngress;
    side.interface = in_.interface_of(maps_.endpoints[slot].ifindex);
    side.port = port.port;
    side.table = walk.table;
    side.cls = walk.cls;
    side.interval = walk.interval;
    if (walk.cell != nullptr) {
      side.cell = {.verdict = static_cast<Verdict>(walk.cell->verdict),
                   .proxy_port = walk.cell->proxy_port,
                   .rule_set = walk.cell->rule_set};
      rule_set_[direction] = walk.cell->rule_set;
    }
    const RuleSetRef rules = in_.planner.FindRuleSet(side.cell.rule_set);
    if (rules != nullptr) side.rules = rules->set;
    const bool allowed = side.cell.verdict == Verdict::kAllow;
    walk_.trace.sides.push_back(std::move(side));
    return allowed;
  }

  // The router's part.
  void Deliver(uint16_t to, uint16_t where) {
    const bool routed = to != 0 || (where & (CC_REMOTE - 1)) != 0;
    if (routed && probe_.ttl <= 1) Drop(CC_REASON_TTL_EXCEEDED);
  }

  void NameEnds() {
    src_ = PlaceOf(maps_, walk_.trace.source.address).value_or(kUnknownPlace);
    dst_ =
        PlaceOf(maps_, walk_.trace.destination.address).value_or(kUnknownPlace);
    NameEnd(src_, walk_.trace.source);
    NameEnd(dst_, walk_.trace.destination);
  }

  void NameEnd(const cc_place_value& place, PacketTrace::End& end) {
    const auto party = in_.planner.FindParty(place.peer, end.address);
    end.peer = place.peer;
    end.identity = party->identity;
    end.name = party->name;
    if ((place.where & CC_REMOTE) == 0) {
      end.where = place.where == 0
                      ? "nowhere known"
                      : in_.interface_of(maps_.endpoints[place.where].ifindex);
    } else if (const uint32_t at = place.where & (CC_REMOTE - 1); at != 0) {
      const cc_hop& hop = maps_.hops[at];
      end.where = absl::StrCat("through ", in_.interface_of(hop.ifindex));
      if (hop.family != 0) {
        absl::StrAppend(&end.where, " by ",
                        abi::FromAddr(hop.gateway).ToString());
      }
    } else {
      end.where = "by the node's routes";
    }
  }

  void NoteConnection() {
    using Connection = PacketTrace::Connection;
    walk_.trace.connection = !probe_.is_tracked ? Connection::kUntracked
                             : !probe_.is_known ? Connection::kNew
                             : probe_.is_reply  ? Connection::kReply
                                                : Connection::kEstablished;
  }

  uint16_t SlotOf(uint32_t ifindex) const {
    const absl::StatusOr<uint32_t> slot =
        ifindex < CC_IFINDEX_DIRECT ? maps_.ifindex.Lookup(ifindex)
                                    : maps_.ifindex_far.Lookup(ifindex);
    if (!slot.ok() || maps_.endpoints[*slot].ifindex == 0) return 0;
    return static_cast<uint16_t>(*slot);
  }

  // The slot of the local endpoint at `where`, if the destination is its own.
  uint16_t ReceiverAt(uint16_t where) const {
    if (where == 0 || (where & CC_REMOTE) != 0) return 0;
    const cc_endpoint& to = maps_.endpoints[where];
    if (to.ifindex == 0) return 0;
    const cc_addr& own = probe_.is_v6 ? to.v6 : to.v4;
    return abi::FromAddr(own) == walk_.trace.destination.address ? where : 0;
  }

  bool OwnsSource(uint16_t me) const {
    const cc_endpoint& endpoint = maps_.endpoints[me];
    const cc_addr& own = probe_.is_v6 ? endpoint.v6 : endpoint.v4;
    if (own.w[2] == 0 && own.w[3] == 0) return false;
    const IpAddress address = abi::FromAddr(own);
    return address == walk_.trace.source.address &&
           (!probe_.is_error || address == abi::FromAddr(probe_.error_from));
  }

  bool IsImpostor(uint16_t where) const {
    if (where == 0 || (where & CC_REMOTE) != 0 || in_.ingress_ifindex == 0) {
      return false;
    }
    const uint32_t ifindex = maps_.endpoints[where].ifindex;
    return ifindex != 0 && ifindex != in_.ingress_ifindex;
  }

  static uint8_t FlagOf(cc_direction side) {
    return side == CC_EGRESS ? CC_CT_EGRESS_JUDGED : CC_CT_INGRESS_JUDGED;
  }
  bool IsJudged(uint8_t sides) const {
    return (probe_.judged & sides) == sides;
  }

  void LeaveToLink() {
    walk_.trace.parsed = PacketTrace::Parsed::kLink;
    walk_.is_foretold = false;
  }

  void Drop(uint8_t reason) {
    walk_.trace.reason = reason;
    Tell(CC_EVENT_DROP, reason);
  }

  void Tell(uint8_t kind, uint8_t reason) {
    walk_.events.push_back({.kind = kind,
                            .reason = reason,
                            .rule_set = {rule_set_[0], rule_set_[1]}});
  }

  const PacketWalkInput& in_;
  PublishedMaps& maps_;
  const cc_probe& probe_;
  PacketWalk walk_;
  cc_place_value src_ = kUnknownPlace, dst_ = kUnknownPlace;
  uint32_t rule_set_[CC_DIRECTION_COUNT] = {0, 0};
};

}  // namespace

PacketWalk WalkPacket(const PacketWalkInput& input) {
  return Walker(input).Walk();
}

}  // namespace ciliumcore::internal
