// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/flow.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/flow/reason.h"

namespace ciliumcore {
namespace {

bool IsIcmp(Protocol protocol) {
  return protocol == Protocol::kIcmp || protocol == Protocol::kIcmpv6;
}

std::string EndToString(const FlowEnd& end) {
  const std::string address = end.address.ToString();
  std::string text = end.port == 0 ? address
                     : end.address.is_v4()
                         ? absl::StrCat(address, ":", end.port)
                         : absl::StrCat("[", address, "]:", end.port);
  absl::StrAppend(&text, " (",
                  end.name.empty() ? IdentityName(end.identity) : end.name,
                  ")");
  return text;
}

FlowEnd MakeEnd(const cc_addr& address, __be16 port, uint32_t peer,
                const FlowDirectory& directory) {
  FlowDirectory::PeerName name = directory.FindPeer(peer);
  return {.address = abi::FromAddr(address),
          .port = abi::FromBe16(port),
          .identity = name.identity,
          .name = std::move(name.name)};
}

}  // namespace

absl::StatusOr<Flow> DecodeFlow(absl::Span<const std::byte> record,
                                const FlowDirectory& directory) {
  cc_event event;
  if (record.size() < sizeof(event)) {
    return absl::InvalidArgumentError(
        absl::StrCat("event: expected at least ", sizeof(event),
                     " bytes, found ", record.size()));
  }
  std::memcpy(&event, record.data(), sizeof(event));
  if (event.version != CC_EVENT_VERSION) {
    return absl::InvalidArgumentError(absl::StrCat("event: expected version ",
                                                   CC_EVENT_VERSION, ", found ",
                                                   event.version));
  }
  if (event.kind != CC_EVENT_NEW && event.kind != CC_EVENT_DROP) {
    return absl::InvalidArgumentError(
        absl::StrCat("event: unknown kind ", event.kind));
  }
  Flow flow;
  flow.monotonic_ns = static_cast<int64_t>(event.time);
  flow.verdict = event.kind == CC_EVENT_NEW ? Flow::Verdict::kForwarded
                 : event.audited != 0       ? Flow::Verdict::kAudited
                                            : Flow::Verdict::kDropped;
  flow.reason = event.reason;
  flow.source = MakeEnd(event.src, event.sport, event.src_peer, directory);
  flow.destination = MakeEnd(event.dst, event.dport, event.dst_peer, directory);
  flow.protocol = static_cast<Protocol>(event.protocol);
  (IsIcmp(flow.protocol) ? flow.icmp_type : flow.tcp_flags) = event.tcp_flags;
  flow.is_egress = event.direction == CC_EGRESS;
  flow.is_reply = event.is_reply != 0;
  flow.egress.rule_set = event.rule_set[CC_EGRESS];
  flow.ingress.rule_set = event.rule_set[CC_INGRESS];
  for (Flow::Judgement* side : {&flow.egress, &flow.ingress}) {
    if (side->rule_set != 0) side->why = directory.Explain(side->rule_set);
  }
  flow.generation = event.epoch;
  flow.ifindex = event.ifindex;
  flow.bytes = event.packet_bytes;
  return flow;
}

std::string Flow::ToString() const {
  std::string text = verdict == Verdict::kForwarded ? "forwarded "
                     : verdict == Verdict::kDropped ? "dropped "
                                                    : "audited ";
  absl::StrAppend(&text, EndToString(source), " -> ", EndToString(destination),
                  " ", ProtocolName(protocol));
  if (is_reply) absl::StrAppend(&text, " reply");
  if (reason != 0) {
    const auto known = FindDropReason(reason);
    absl::StrAppend(&text, ": ",
                    known.has_value() ? std::string(known->name)
                                      : absl::StrCat("reason ", reason));
  }
  if (!egress.why.empty()) absl::StrAppend(&text, "; egress: ", egress.why);
  if (!ingress.why.empty()) absl::StrAppend(&text, "; ingress: ", ingress.why);
  return text;
}

}  // namespace ciliumcore
