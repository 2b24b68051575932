// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/event.h"

#include <cstring>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"

namespace ciliumcore {
namespace {

static_assert(static_cast<int>(FlowKind::kNew) == CC_EVENT_NEW);
static_assert(static_cast<int>(FlowKind::kDrop) == CC_EVENT_DROP);
static_assert(static_cast<int>(FlowKind::kEnd) == CC_EVENT_END);
static_assert(static_cast<int>(FlowKind::kVerdict) == CC_EVENT_VERDICT);

absl::Status TooShort(size_t expected, size_t found) {
  return absl::InvalidArgumentError(absl::StrCat(
      "event: expected at least ", expected, " bytes, found ", found));
}

// The counts behind an end. Its ends become those of the connection.
absl::Status AddCounts(absl::Span<const std::byte> record, FlowEvent& event) {
  cc_event_end end;
  if (record.size() < sizeof(end)) return TooShort(sizeof(end), record.size());
  std::memcpy(&end, record.data(), sizeof(end));
  event.sent = {.packets = end.packets[0], .bytes = end.bytes[0]};
  event.answered = {.packets = end.packets[1], .bytes = end.bytes[1]};
  if (!event.is_reply) return absl::OkStatus();
  std::swap(event.sent, event.answered);
  std::swap(event.source, event.destination);
  std::swap(event.source_port, event.destination_port);
  std::swap(event.source_peer, event.destination_peer);
  event.is_reply = false;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FlowEvent> DecodeEvent(absl::Span<const std::byte> record) {
  cc_event raw;
  if (ABSL_PREDICT_FALSE(record.size() < sizeof(raw)))
    return TooShort(sizeof(raw), record.size());
  std::memcpy(&raw, record.data(), sizeof(raw));
  if (ABSL_PREDICT_FALSE(raw.version != CC_EVENT_VERSION)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "event: expected version ", CC_EVENT_VERSION, ", found ", raw.version));
  }
  if (ABSL_PREDICT_FALSE(raw.kind < CC_EVENT_NEW ||
                         raw.kind > CC_EVENT_VERDICT)) {
    return absl::InvalidArgumentError(
        absl::StrCat("event: unknown kind ", raw.kind));
  }
  const bool is_icmp = raw.protocol == static_cast<uint8_t>(Protocol::kIcmp) ||
                       raw.protocol == static_cast<uint8_t>(Protocol::kIcmpv6);
  FlowEvent event = {.monotonic_ns = static_cast<int64_t>(raw.time),
                     .kind = static_cast<FlowKind>(raw.kind),
                     .reason = raw.reason,
                     .protocol = static_cast<Protocol>(raw.protocol),
                     .tcp_flags = is_icmp ? uint8_t{0} : raw.tcp_flags,
                     .icmp_type = is_icmp ? raw.tcp_flags : uint8_t{0},
                     .is_egress = raw.direction == CC_EGRESS,
                     .is_reply = raw.is_reply != 0,
                     .is_audited = raw.audited != 0,
                     .source = abi::FromAddr(raw.src),
                     .destination = abi::FromAddr(raw.dst),
                     .source_port = abi::FromBe16(raw.sport),
                     .destination_port = abi::FromBe16(raw.dport),
                     .source_peer = raw.src_peer,
                     .destination_peer = raw.dst_peer,
                     .egress_rule_set = raw.rule_set[CC_EGRESS],
                     .ingress_rule_set = raw.rule_set[CC_INGRESS],
                     .generation = raw.epoch,
                     .ifindex = raw.ifindex,
                     .bytes = raw.packet_bytes,
                     .sent = {},
                     .answered = {}};
  if (raw.kind == CC_EVENT_END) {
    if (absl::Status added = AddCounts(record, event); !added.ok())
      return added;
  }
  return event;
}

}  // namespace ciliumcore
