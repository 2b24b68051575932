// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/packet_judgement.h"

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/reason.h"
#include "tests/oracle/reproduction.h"

namespace ciliumcore::testing {
namespace {

using Step = PublishedNode::Step;

// The judgement of one side that an event tells, against the expected one.
std::string DifferenceOfSide(const char* side, const CompiledPolicy& compiled,
                             uint32_t rule_set,
                             const std::optional<Judgement>& expected) {
  const RuleSet* told = compiled.FindRuleSet(rule_set);
  if (!expected.has_value()) {
    return rule_set == 0 ? "" : absl::StrCat(side, ": judged needlessly\n");
  }
  if (told != nullptr && *told == expected->why) return "";
  return absl::StrCat(side, ": expected ", Describe(*expected), "\n", side,
                      ": the event tells ", rule_set, ", ",
                      told == nullptr ? "which is nothing" : told->ToString(),
                      "\n");
}

std::string DifferenceOfFate(const Expected& expected,
                             const ProgramOutput& output) {
  if ((output.action != Action::kDrop) == expected.is_allowed) return "";
  std::string difference = absl::StrCat(
      "the packet was ", expected.is_allowed ? "dropped" : "let pass");
  for (const cc_event& event : output.events) {
    absl::StrAppend(&difference, ", event ", event.kind, " with reason ",
                    event.reason);
  }
  for (const auto& side : {expected.egress, expected.ingress}) {
    if (side.has_value()) {
      absl::StrAppend(&difference, "\n  expected ", Describe(*side));
    }
  }
  return difference + "\n";
}

// There is no proxy: what one should judge is dropped.
cc_reason ReasonOf(const Expected& expected) {
  if (expected.is_allowed) return CC_REASON_FORWARDED;
  return expected.needs_proxy() ? CC_REASON_NO_PROXY : CC_REASON_POLICY_DENIED;
}

std::string DifferenceOfEvent(const CompiledPolicy& compiled,
                              const Expected& expected,
                              const ProgramOutput& output) {
  if (output.events.size() != 1) {
    return absl::StrCat(output.events.size(), " events instead of one\n");
  }
  const cc_event& event = output.events[0];
  std::string difference;
  if (event.kind != (expected.is_allowed ? CC_EVENT_NEW : CC_EVENT_DROP) ||
      event.reason != ReasonOf(expected)) {
    absl::StrAppend(&difference, "the event is ", event.kind, " with reason ",
                    event.reason, "\n");
  }
  difference += DifferenceOfSide("egress", compiled, event.rule_set[CC_EGRESS],
                                 expected.egress);
  difference += DifferenceOfSide("ingress", compiled,
                                 event.rule_set[CC_INGRESS], expected.ingress);
  return difference;
}

}  // namespace

Expected ExpectedOf(const Oracle& oracle,
                    const PublishedNode::Crossing& crossing, const Flow& flow) {
  const auto& [protocol, port] = flow.target;
  Expected expected;
  if (crossing.judges_egress) {
    expected.egress =
        oracle.Egress(flow.source, flow.destination, protocol, port);
    expected.is_allowed = expected.egress->verdict == Verdict::kAllow;
  }
  if (crossing.judges_ingress && expected.is_allowed) {
    expected.ingress =
        oracle.Ingress(flow.source, flow.destination, protocol, port);
    expected.is_allowed = expected.ingress->verdict == Verdict::kAllow;
  }
  return expected;
}

PortProtocol SentTo(const PortProtocol& target) {
  switch (target.protocol) {
    case Protocol::kIcmp:
      return {target.protocol, IcmpPort(8)};
    case Protocol::kIcmpv6:
      return {target.protocol, IcmpPort(128)};
    default:
      return target;
  }
}

std::string Difference(const Expected& expected, const CompiledPolicy& compiled,
                       PublishedNode& node, const Connection& connection) {
  const absl::StatusOr<ProgramOutput> output =
      node.Send(connection, Step::kOpen);
  if (!output.ok()) return output.status().ToString();
  std::string difference = DifferenceOfFate(expected, *output);
  if (!difference.empty()) return difference;
  difference = DifferenceOfEvent(compiled, expected, *output);
  if (!expected.is_allowed) return difference;
  for (Step step : {Step::kReply, Step::kContinue}) {
    const absl::StatusOr<ProgramOutput> next = node.Send(connection, step);
    if (!next.ok()) return next.status().ToString();
    if (next->action == Action::kDrop || !next->events.empty()) {
      absl::StrAppend(&difference, "the connection's ",
                      step == Step::kReply ? "reply" : "next packet",
                      " was not just let pass\n");
    }
  }
  return difference;
}

std::string DifferenceOfOpen(const Expected& expected,
                             const CompiledPolicy& compiled,
                             PublishedNode& node,
                             const Connection& connection) {
  std::string difference;
  // Whichever comes first is judged; what follows may trust the record.
  const bool reply_first = connection.port % 2 == 0;
  for (Step step : {reply_first ? Step::kReply : Step::kContinue,
                    reply_first ? Step::kContinue : Step::kReply}) {
    const absl::StatusOr<ProgramOutput> output = node.Send(connection, step);
    if (!output.ok()) return output.status().ToString();
    std::string step_difference = DifferenceOfFate(expected, *output);
    if (step_difference.empty()) {
      if (expected.is_allowed) {
        if (!output->events.empty()) step_difference = "an event\n";
      } else if (step == Step::kContinue) {
        step_difference = DifferenceOfEvent(compiled, expected, *output);
      }
    }
    if (step_difference.empty()) continue;
    absl::StrAppend(
        &difference,
        step == Step::kReply ? "reply: " : "next packet: ", step_difference);
  }
  return difference;
}

bool IsRefused(const absl::Status& published) {
  return absl::IsResourceExhausted(published);
}

absl::StatusOr<CompiledPolicy> Publish(const PolicyInput& input,
                                       const std::vector<uint32_t>& pods,
                                       PublishedNode& node, PeerRegistry& peers,
                                       RuleSetTable& rule_sets) {
  absl::StatusOr<CompiledPolicy> compiled = Compile(input, peers, rule_sets);
  if (!compiled.ok()) return compiled;
  absl::Status published = node.Publish(input, pods, *compiled);
  if (!published.ok()) return published;
  return compiled;
}

std::string PublishAndCompare(const PolicyInput& input, const Flow& flow) {
  PeerRegistry peers;
  RuleSetTable rule_sets;
  auto node = PublishedNode::Native();
  if (!node.ok()) return node.status().ToString();
  std::vector<uint32_t> pods;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) pods.push_back(3 * i);
  const auto compiled = Publish(input, pods, **node, peers, rule_sets);
  if (!compiled.ok()) return compiled.status().ToString();
  const auto crossing = (*node)->CrossingOf(flow);
  if (!crossing.has_value()) return "";
  return Difference(ExpectedOf(Oracle(input), *crossing, flow), *compiled,
                    **node, {flow, 50000});
}

}  // namespace ciliumcore::testing
