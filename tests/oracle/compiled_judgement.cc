// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/compiled_judgement.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "tests/oracle/reproduction.h"

namespace ciliumcore::testing {
namespace {

Party PartyOf(const PolicyInput& input, const CompiledPolicy& compiled,
              const FlowEnd& end) {
  if (end.endpoint == kNoEndpoint) return compiled.PartyOf(*end.address);
  const auto& addresses = input.endpoints[end.endpoint].addresses;
  if (!end.address.has_value()) return compiled.PartyOf(end.endpoint);
  const auto at = std::find(addresses.begin(), addresses.end(), *end.address);
  return compiled.PartyOf(end.endpoint,
                          static_cast<size_t>(at - addresses.begin()));
}

Judgement JudgementOf(const CompiledPolicy& compiled, const Cell& cell) {
  Judgement found;
  found.allowed = cell.verdict != Verdict::kDeny;
  found.verdict = cell.verdict;
  found.proxy_port = cell.proxy_port;
  if (const RuleSet* why = compiled.FindRuleSet(cell.rule_set)) {
    found.why = *why;
  }
  return found;
}

std::string Difference(const char* side, const CompiledPolicy& compiled,
                       const Cell& cell, const Judgement& expected) {
  const Judgement found = JudgementOf(compiled, cell);
  const bool is_explained = found.why.has_value() == (cell.rule_set != 0);
  if (is_explained && found.allowed == expected.allowed &&
      found.verdict == expected.verdict && found.why == expected.why &&
      found.proxy_port == expected.proxy_port) {
    return "";
  }
  return absl::StrCat(side, ": expected ", Describe(expected), "\n", side,
                      ": compiled ", Describe(found), "\n");
}

}  // namespace

Judgement JudgementOf(const PolicyInput& input, const CompiledPolicy& compiled,
                      const Flow& flow, Direction direction) {
  const PairDecision decision =
      compiled.DecidePair(PartyOf(input, compiled, flow.source),
                          PartyOf(input, compiled, flow.destination),
                          flow.target.protocol, flow.target.port);
  return JudgementOf(compiled, decision.of(direction));
}

std::string Difference(const PolicyInput& input, const CompiledPolicy& compiled,
                       const Flow& flow) {
  return Difference(Oracle(input), compiled, flow);
}

std::string Difference(const Oracle& oracle, const CompiledPolicy& compiled,
                       const Flow& flow) {
  const PolicyInput& input = oracle.input();
  const auto& [protocol, port] = flow.target;
  const Party destination = PartyOf(input, compiled, flow.destination);
  const PairDecision decision = compiled.DecidePair(
      PartyOf(input, compiled, flow.source), destination, protocol, port);
  std::string difference =
      Difference("egress", compiled, decision.egress,
                 oracle.Egress(flow.source, flow.destination, protocol, port));
  difference +=
      Difference("ingress", compiled, decision.ingress,
                 oracle.Ingress(flow.source, flow.destination, protocol, port));
  if (flow.destination.endpoint != kNoEndpoint &&
      flow.destination.address.has_value() &&
      !input.endpoints[flow.destination.endpoint].host_network) {
    const Party by_address = compiled.PartyOf(*flow.destination.address);
    if (by_address.endpoint != destination.endpoint ||
        by_address.peer != destination.peer) {
      absl::StrAppend(&difference, "address ",
                      flow.destination.address->ToString(),
                      " is another party than its pod\n");
    }
  }
  return difference;
}

std::string CompileAndCompare(const PolicyInput& input, const Flow& flow) {
  PeerRegistry peers;
  RuleSetTable rule_sets;
  const absl::StatusOr<CompiledPolicy> compiled =
      Compile(input, peers, rule_sets);
  if (!compiled.ok()) return std::string(compiled.status().message());
  return Difference(input, *compiled, flow);
}

}  // namespace ciliumcore::testing
