// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/flow.h"

#include "absl/strings/str_cat.h"
#include "ciliumcore/flow/reason.h"

namespace ciliumcore {
namespace {

std::string EndToString(const FlowEnd& end) {
  const std::string address = end.address.ToString();
  std::string text = end.port == 0 ? address
                     : end.address.is_v4()
                         ? absl::StrCat(address, ":", end.port)
                         : absl::StrCat("[", address, "]:", end.port);
  absl::StrAppend(&text, " (",
                  !end.pod.empty()    ? end.pod
                  : !end.name.empty() ? end.name
                                      : IdentityName(end.identity),
                  ")");
  return text;
}

void ResolveEnd(const IpAddress& address, uint16_t port, uint32_t peer,
                const FlowDirectory& directory, FlowEnd& end) {
  const auto party = directory.FindParty(peer, address);
  end.address = address;
  end.port = port;
  end.identity = party->identity;
  end.name = party->name;
  end.pod = party->pod;
  end.labels = party->labels;
}

void ResolveJudgement(uint32_t rule_set, const FlowDirectory& directory,
                      Flow::Judgement& judgement) {
  judgement.rule_set = rule_set;
  judgement.why.clear();
  if (rule_set == 0) return;
  if (const auto why = directory.Explain(rule_set); why != nullptr)
    judgement.why = *why;
}

}  // namespace

absl::string_view FlowEnd::ns() const {
  if (const size_t slash = pod.find('/'); slash != std::string::npos)
    return absl::string_view(pod).substr(0, slash);
  if (labels == nullptr) return "";
  const std::string* ns = labels->Get(kSourceKubernetes, kNamespaceKey);
  return ns == nullptr ? absl::string_view() : absl::string_view(*ns);
}

void ResolveFlow(const FlowEvent& event, const FlowDirectory& directory,
                 Flow& flow) {
  flow.monotonic_ns = event.monotonic_ns;
  flow.kind = event.kind;
  flow.verdict = event.kind != FlowKind::kDrop ? Flow::Verdict::kForwarded
                 : event.is_audited            ? Flow::Verdict::kAudited
                                               : Flow::Verdict::kDropped;
  flow.reason = event.reason;
  ResolveEnd(event.source, event.source_port, event.source_peer, directory,
             flow.source);
  ResolveEnd(event.destination, event.destination_port, event.destination_peer,
             directory, flow.destination);
  flow.protocol = event.protocol;
  flow.tcp_flags = event.tcp_flags;
  flow.icmp_type = event.icmp_type;
  flow.is_egress = event.is_egress;
  flow.is_reply = event.is_reply;
  ResolveJudgement(event.egress_rule_set, directory, flow.egress);
  ResolveJudgement(event.ingress_rule_set, directory, flow.ingress);
  flow.generation = event.generation;
  flow.ifindex = event.ifindex;
  flow.bytes = event.bytes;
  flow.sent = event.sent;
  flow.answered = event.answered;
  const FlowEnd& server = event.is_reply ? flow.source : flow.destination;
  const auto service = directory.FindService(
      server.address, {.protocol = event.protocol, .port = server.port});
  if (service != nullptr) {
    flow.service = *service;
  } else {
    flow.service.clear();
  }
}

absl::StatusOr<Flow> DecodeFlow(absl::Span<const std::byte> record,
                                const FlowDirectory& directory) {
  const absl::StatusOr<FlowEvent> event = DecodeEvent(record);
  if (!event.ok()) return event.status();
  Flow flow;
  ResolveFlow(*event, directory, flow);
  return flow;
}

absl::string_view FlowKindName(FlowKind kind) {
  switch (kind) {
    case FlowKind::kNew:
      return "new";
    case FlowKind::kDrop:
      return "drop";
    case FlowKind::kEnd:
      return "end";
    case FlowKind::kVerdict:
      return "verdict";
  }
  return "unknown";
}

absl::string_view FlowVerdictName(Flow::Verdict verdict) {
  switch (verdict) {
    case Flow::Verdict::kForwarded:
      return "forwarded";
    case Flow::Verdict::kDropped:
      return "dropped";
    case Flow::Verdict::kAudited:
      return "audited";
  }
  return "unknown";
}

std::string Flow::ToString() const {
  const bool is_plain = kind == FlowKind::kNew || kind == FlowKind::kDrop;
  std::string text =
      absl::StrCat(is_plain                 ? FlowVerdictName(verdict)
                   : kind == FlowKind::kEnd ? "ended"
                                            : "judged again",
                   " ", EndToString(source), " -> ", EndToString(destination),
                   " ", ProtocolName(protocol));
  if (!service.empty()) absl::StrAppend(&text, " of ", service);
  if (is_reply) absl::StrAppend(&text, " reply");
  if (reason != 0) {
    const auto known = FindDropReason(reason);
    absl::StrAppend(&text, ": ",
                    known.has_value() ? std::string(known->name)
                                      : absl::StrCat("reason ", reason));
  }
  if (kind == FlowKind::kEnd) {
    absl::StrAppend(&text, ": ", sent.packets, " packets of ", sent.bytes,
                    " bytes, answered by ", answered.packets, " of ",
                    answered.bytes);
  }
  if (!egress.why.empty()) absl::StrAppend(&text, "; egress: ", egress.why);
  if (!ingress.why.empty()) absl::StrAppend(&text, "; ingress: ", ingress.why);
  return text;
}

}  // namespace ciliumcore
