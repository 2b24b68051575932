// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/flow_proto.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "ciliumcore/flow/v1/flow.pb.h"

namespace ciliumcore {
namespace {

namespace wire = flow::v1;

wire::Kind KindOf(FlowKind kind) {
  switch (kind) {
    case FlowKind::kNew:
      return wire::NEW_CONNECTION;
    case FlowKind::kDrop:
      return wire::DROP;
    case FlowKind::kEnd:
      return wire::END_OF_CONNECTION;
    case FlowKind::kVerdict:
      return wire::POLICY_VERDICT;
  }
  return wire::KIND_UNSPECIFIED;
}

wire::Verdict VerdictOf(Flow::Verdict verdict) {
  switch (verdict) {
    case Flow::Verdict::kForwarded:
      return wire::FORWARDED;
    case Flow::Verdict::kDropped:
      return wire::DROPPED;
    case Flow::Verdict::kAudited:
      return wire::AUDIT;
  }
  return wire::VERDICT_UNKNOWN;
}

// Writes over the string that is there. IPv4 is short enough for no other.
void PutAddress(const IpAddress& address, std::string& to) {
  if (!address.is_v4()) {
    to = address.ToString();
    return;
  }
  char text[16];
  char* end = text;
  for (size_t i = 12; i < 16; ++i) {
    const unsigned byte = address.bytes()[i];
    if (byte >= 100) *end++ = static_cast<char>('0' + byte / 100);
    if (byte >= 10) *end++ = static_cast<char>('0' + byte / 10 % 10);
    *end++ = static_cast<char>('0' + byte % 10);
    *end++ = '.';
  }
  to.assign(text, end - 1);
}

void PutEnd(const FlowEnd& end, wire::Endpoint& to) {
  to.set_identity(static_cast<uint32_t>(end.identity));
  const absl::string_view ns = end.ns();
  to.mutable_namespace_()->assign(ns.data(), ns.size());
  const size_t slash = end.pod.find('/');
  to.mutable_pod_name()->assign(
      end.pod, slash == std::string::npos ? 0 : slash + 1, std::string::npos);
  *to.mutable_name() = end.name;
  if (end.labels == nullptr) return;
  for (const Label& label : *end.labels) {
    std::string& text = *to.add_labels();
    text.assign(label.source).append(1, ':').append(label.key);
    if (!label.value.empty()) text.append(1, '=').append(label.value);
  }
}

void PutFlags(uint8_t flags, wire::TCPFlags& to) {
  to.set_fin((flags & 0x01) != 0);
  to.set_syn((flags & 0x02) != 0);
  to.set_rst((flags & 0x04) != 0);
  to.set_psh((flags & 0x08) != 0);
  to.set_ack((flags & 0x10) != 0);
  to.set_urg((flags & 0x20) != 0);
  to.set_ece((flags & 0x40) != 0);
  to.set_cwr((flags & 0x80) != 0);
}

template <typename Ports>
void PutPorts(const Flow& flow, Ports& to) {
  to.set_source_port(flow.source.port);
  to.set_destination_port(flow.destination.port);
}

// Writes over what is there.
void PutLayer4(const Flow& flow, wire::Layer4& to) {
  to.set_other(0);
  switch (flow.protocol) {
    case Protocol::kTcp:
      PutPorts(flow, *to.mutable_tcp());
      PutFlags(flow.tcp_flags, *to.mutable_tcp()->mutable_flags());
      break;
    case Protocol::kUdp:
      PutPorts(flow, *to.mutable_udp());
      break;
    case Protocol::kSctp:
      PutPorts(flow, *to.mutable_sctp());
      break;
    case Protocol::kIcmp:
      to.mutable_icmpv4()->set_type(flow.icmp_type);
      break;
    case Protocol::kIcmpv6:
      to.mutable_icmpv6()->set_type(flow.icmp_type);
      break;
    default:
      to.clear_protocol();
      to.set_other(static_cast<uint32_t>(flow.protocol));
  }
}

void PutJudgement(const Flow::Judgement& judgement, wire::Judgement& to) {
  to.set_rule_set(judgement.rule_set);
  *to.mutable_why() = judgement.why;
}

void PutCounts(const FlowCounts& counts, wire::Counts& to) {
  to.set_packets(counts.packets);
  to.set_bytes(counts.bytes);
}

}  // namespace

void FlowToProto(const Flow& flow, flow::v1::Flow& message) {
  // Clearing would free the protocol's message, and most flows are of one.
  wire::Layer4* const l4 = message.unsafe_arena_release_l4();
  message.Clear();
  if (l4 != nullptr) message.unsafe_arena_set_allocated_l4(l4);
  message.set_monotonic_ns(flow.monotonic_ns);
  message.set_verdict(VerdictOf(flow.verdict));
  message.set_kind(KindOf(flow.kind));
  message.set_drop_reason_desc(static_cast<wire::DropReason>(flow.reason));
  wire::IP& ip = *message.mutable_ip();
  PutAddress(flow.source.address, *ip.mutable_source());
  PutAddress(flow.destination.address, *ip.mutable_destination());
  ip.set_ip_version(flow.source.address.is_v4() ? wire::IPv4 : wire::IPv6);
  PutLayer4(flow, *message.mutable_l4());
  PutEnd(flow.source, *message.mutable_source());
  PutEnd(flow.destination, *message.mutable_destination());
  if (!flow.service.empty()) *message.mutable_service() = flow.service;
  message.set_is_reply(flow.is_reply);
  message.set_traffic_direction(flow.is_egress ? wire::EGRESS : wire::INGRESS);
  if (flow.egress.rule_set != 0)
    PutJudgement(flow.egress, *message.mutable_egress());
  if (flow.ingress.rule_set != 0)
    PutJudgement(flow.ingress, *message.mutable_ingress());
  message.set_generation(flow.generation);
  message.set_interface_index(flow.ifindex);
  message.set_packet_bytes(flow.bytes);
  if (flow.kind == FlowKind::kEnd) {
    PutCounts(flow.sent, *message.mutable_sent());
    PutCounts(flow.answered, *message.mutable_answered());
  }
}

absl::StatusOr<std::string> FlowToJson(const flow::v1::Flow& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (status.ok()) return json;
  return absl::InternalError(absl::StrCat("flow to JSON: ", status.ToString()));
}

absl::StatusOr<std::string> FlowToJson(const Flow& flow) {
  flow::v1::Flow message;
  FlowToProto(flow, message);
  return FlowToJson(message);
}

}  // namespace ciliumcore
