// SPDX-License-Identifier: Apache-2.0

// ccore policy why-not: why a flow is denied, and what would allow it.

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/why_not.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/diff_output.h"
#include "tools/ccore/policy.h"
#include "tools/ccore/policy_flows.h"
#include "tools/ccore/verdict_output.h"
#include "tools/ccore/why_not_json.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kNetworkPolicy[] = "NetworkPolicy";
constexpr absl::string_view kNotTried = "; not tried: ";
constexpr size_t kRulesShown = 3;     // of a side, as text
constexpr size_t kChangesShown = 10;  // of the suggestion, as text

// A flow with its explanation, and if it is denied what would allow it.
struct Answer {
  Flow flow;
  WhyNot why;
  std::optional<AllowingChange> change;  // none if nothing known would
  std::string untried;                   // then what was left out, if anything

  bool is_denied() const { return !why.sides.empty(); }
};

absl::StatusOr<Answer> AnswerTo(const CompiledCluster& cluster,
                                const Flow& flow, const PortProtocol& port) {
  Answer answer;
  answer.flow = flow;
  absl::StatusOr<WhyNot> why =
      ExplainDenial(cluster, flow.source, flow.destination, port);
  if (!why.ok()) return why.status();
  answer.why = *std::move(why);
  if (!answer.is_denied()) return answer;
  absl::StatusOr<AllowingChange> change =
      FindAllowingChange(cluster, flow.source, flow.destination, port);
  if (change.ok()) {
    answer.change = *std::move(change);
  } else if (absl::IsNotFound(change.status())) {
    const absl::string_view message = change.status().message();
    const size_t at = message.find(kNotTried);
    if (at != absl::string_view::npos) {
      answer.untried = std::string(message.substr(at + 2));
    }
  } else {
    return change.status();
  }
  return answer;
}

void PrintDenyingRules(const DeniedSide& side, std::ostream& out) {
  const bool demands = side.reason == RuleSet::Kind::kAuthentication;
  out << (demands ? "    allowed only with authentication by\n"
                  : "    denied by\n");
  for (const RuleRef& rule : side.denied_by) {
    out << "      " << rule.ToString() << "\n";
  }
  if (demands) {
    out << "    nobody authenticates, and no other rule does without\n";
    return;
  }
  switch (side.tier) {
    case DeniedSide::Tier::kAdmin:
      out << "    of the Admin tier, which is asked before all other "
             "policies\n";
      break;
    case DeniedSide::Tier::kNormal:
      out << "    a denial, which prevails over what other rules allow\n";
      break;
    case DeniedSide::Tier::kBaseline:
      out << "    of the Baseline tier, which is asked where no other policy "
             "decides\n";
      break;
  }
}

const NamedEnd& SubjectOf(const Flow& flow, Direction direction) {
  return direction == Direction::kEgress ? flow.source : flow.destination;
}

void PrintDenial(const Flow& flow, const DeniedSide& side, std::ostream& out) {
  out << "\n  " << DirectionName(side.direction) << " of "
      << SubjectOf(flow, side.direction).Name() << ": deny\n";
  if (side.reason != RuleSet::Kind::kDefaultDeny) {
    PrintDenyingRules(side, out);
    return;
  }
  out << "    isolated by\n";
  for (const PolicyRef& policy : side.isolated_by) {
    out << "      " << policy.ToString() << "\n";
  }
  if (side.rules.empty()) {
    const bool all_known = std::all_of(
        side.isolated_by.begin(), side.isolated_by.end(),
        [](const PolicyRef& policy) { return policy.kind == kNetworkPolicy; });
    out << (all_known ? "    these policies have no rule\n"
                      : "    no NetworkPolicy among them has a rule, and no "
                        "rule of the others allows it\n");
    return;
  }
  out << "    nearest rules\n";
  const size_t shown = std::min(kRulesShown, side.rules.size());
  for (size_t i = 0; i < shown; ++i) {
    out << "      " << side.rules[i].rule.ToString() << "\n";
    for (const FailedCondition& failed : side.rules[i].failed) {
      out << "        " << failed.ToString() << "\n";
    }
  }
  if (shown < side.rules.size()) {
    out << "      and " << side.rules.size() - shown << " more\n";
  }
}

// Of a flow that the other end denies.
void PrintProxied(const Flow& flow, const ProxiedSide& side,
                  std::ostream& out) {
  out << "\n  " << DirectionName(side.direction) << " of "
      << SubjectOf(flow, side.direction).Name() << ": redirect to proxy port "
      << side.proxy_port << "\n    left to a proxy by\n";
  for (const RuleRef& rule : side.rules) {
    out << "      " << rule.ToString() << "\n";
  }
}

// Of a flow that is denied: what either end has against it, egress first.
void PrintEnds(const Answer& answer, std::ostream& out) {
  for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
    for (const DeniedSide& side : answer.why.sides) {
      if (side.direction == direction) PrintDenial(answer.flow, side, out);
    }
    for (const ProxiedSide& side : answer.why.proxied) {
      if (side.direction == direction) PrintProxied(answer.flow, side, out);
    }
  }
}

void PrintAllowed(const CompiledPolicy& policy, const char* name,
                  const Cell& cell, std::ostream& out) {
  const RuleSet* set = policy.FindRuleSet(cell.rule_set);
  out << "  " << name << ": ";
  if (set == nullptr) {
    out << "not judged\n";
    return;
  }
  // What a proxy would let pass of it is not known; without one, nothing.
  if (cell.verdict == Verdict::kRedirect) out << VerdictText(cell) << ", ";
  out << set->ToString() << "\n";
}

// Of a PolicyDiff::Total.
std::string PairsText(uint64_t pairs) {
  if (pairs == std::numeric_limits<uint64_t>::max())
    return "2^64 pairs or more";
  return Plural(pairs, "pair", "pairs");
}

void PrintChange(const AllowingChange& change, std::ostream& out) {
  out << "\n  smallest change that "
      << (change.proxied.empty() ? "allows it" : "leaves it to a proxy") << " ("
      << Plural(change.conditions, "condition", "conditions") << ")\n";
  for (const PolicyEdit& edit : change.edits) {
    out << "    " << edit.ToString() << "\n";
  }
  for (const ProxiedSide& side : change.proxied) {
    out << "    then " << DirectionName(side.direction)
        << ": redirect to proxy port " << side.proxy_port << ", by "
        << NamesOf(side.rules) << "\n";
  }
  if (!change.proxied.empty()) {
    out << "    there is no proxy, so it does not pass then either\n";
  }
  const uint64_t pairs = change.opened_beside.pairs;
  const uint64_t ports = change.opened_beside.ports;
  if (ports == 0) {
    if (change.diff.opened_by_names.empty()) {
      out << "    opens nothing else\n";
    }
  } else if (pairs == 0) {
    out << "    opens more of this pair\n";
  } else {
    out << "    opens beside it " << PairsText(pairs) << "\n";
  }
  if (change.closed.pairs != 0) {
    out << "    closes " << PairsText(change.closed.pairs) << "\n";
  }
  for (const PolicyDiff::NameOpening& opening : change.diff.opened_by_names) {
    out << "    opens by domain name " << opening.ToString() << "\n";
  }
  if (change.untried_label_sets != 0) {
    out << "    not tried: " << change.untried_label_sets
        << " more sets of labels, of which one might need fewer conditions\n";
  }
  if (change.untried_changes != 0) {
    out << "    not tried: " << change.untried_changes
        << " more changes of as many conditions, of which one might open "
           "less\n";
  }
  size_t count = 0;
  for (const PolicyDiff::Change& part : change.diff.changes) {
    if (part.kind == PolicyDiff::Kind::kOtherRules) continue;
    if (++count > kChangesShown) continue;
    out << "      " << ChangeName(part.kind) << ": "
        << PeerText(change.diff, part.source) << " -> "
        << PeerText(change.diff, part.destination) << ", "
        << PortsToString(change.diff.port_sets[part.ports]);
    if (part.pairs != part.of_pairs) {
      out << " (" << part.pairs << " of "
          << Plural(part.of_pairs, "pair", "pairs") << ")";
    }
    out << "\n";
  }
  if (count > kChangesShown) {
    out << "      and " << count - kChangesShown << " more\n";
  }
}

void PrintNoChange(const CompiledPolicy& policy, const Answer& answer,
                   std::ostream& out) {
  const WhyNot& why = answer.why;
  out << "\n  no edit of these NetworkPolicies, and no label added, allows "
         "it\n";
  for (const DeniedSide& side : why.sides) {
    const RuleSet* set =
        policy.FindRuleSet(why.decision.of(side.direction).rule_set);
    if (set == nullptr) continue;
    out << "    " << DirectionName(side.direction) << ": " << set->ToString()
        << "\n";
  }
  if (!answer.untried.empty()) out << "    " << answer.untried << "\n";
}

void PrintText(const CompiledPolicy& policy, const PortProtocol& port,
               const std::vector<Answer>& answers, std::ostream& out) {
  const char* separator = "";
  for (const Answer& answer : answers) {
    const Flow& flow = answer.flow;
    out << separator << HeadlineOf(flow, port) << "\n";
    separator = "\n";
    if (answer.is_denied()) PrintEnds(answer, out);
    if (answer.change.has_value()) {
      PrintChange(*answer.change, out);
    } else if (answer.is_denied()) {
      PrintNoChange(policy, answer, out);
    } else if (flow.is_to_itself()) {
      out << "  a pod always reaches itself\n";
    } else {
      PrintAllowed(policy, "egress", answer.why.decision.egress, out);
      PrintAllowed(policy, "ingress", answer.why.decision.ingress, out);
    }
  }
}

Json AnswerJson(const CompiledPolicy& policy, const PortProtocol& port,
                const Answer& answer) {
  Json json = FlowJson(answer.flow, port);
  if (!answer.is_denied()) {
    AddSides(policy, answer.flow, json);
    return json;
  }
  for (const DeniedSide& side : answer.why.sides) {
    json["denied"].push_back(DenialJson(side));
  }
  if (!answer.why.proxied.empty()) {
    json["proxied"] = ProxiedJson(answer.why.proxied);
  }
  json["change"] =
      answer.change.has_value() ? ChangeJson(*answer.change) : Json();
  if (!answer.untried.empty()) json["no_change"] = answer.untried;
  return json;
}

int Run(const PolicyFlowArguments& arguments) {
  const absl::StatusOr<AskedFlows> asked = FindFlows(arguments);
  if (!asked.ok()) return BadInput(asked.status());
  const auto& [cluster, port, flows] = *asked;
  std::vector<Answer> answers;
  for (const Flow& flow : flows) {
    absl::StatusOr<Answer> answer = AnswerTo(cluster, flow, port);
    if (!answer.ok()) return BadInput(answer.status());
    answers.push_back(*std::move(answer));
  }
  if (arguments.output == Output::kJson) {
    Json all = Json::array();
    for (const Answer& answer : answers) {
      all.push_back(AnswerJson(cluster.policy, port, answer));
    }
    std::cout << Json{{"flows", std::move(all)}}.dump(2) << "\n";
  } else {
    PrintText(cluster.policy, port, answers, std::cout);
  }
  NoteIfDifferent(flows);
  return ExitCodeOf(flows);
}

}  // namespace

void AddPolicyWhyNot(CLI::App& policy) {
  CLI::App& command = *policy.add_subcommand(
      "why-not", "Why a flow is denied, and the smallest change to allow it");
  command.footer(
      "SOURCE and DESTINATION are as of trace. Says which policies isolate, "
      "what each of\ntheir rules nearest to the flow asks for, and the change "
      "with the fewest conditions\nthat opens least beside it, tried on the "
      "manifests. Ends with 0 if the flow is\nallowed, with 1 if it is denied, "
      "with 2 if there is no answer.");
  auto arguments = std::make_shared<PolicyFlowArguments>();
  arguments->source.name = "SOURCE";
  arguments->destination.name = "DESTINATION";
  arguments->port.name = "PORT";
  command
      .add_option("SOURCE", arguments->source.text, "where the flow comes from")
      ->required();
  command
      .add_option("DESTINATION", arguments->destination.text, "where it goes")
      ->required();
  command
      .add_option("PORT", arguments->port.text,
                  "port and protocol: 8080/TCP; of ICMP the type: 8/ICMP")
      ->required();
  AddManifestOptions(command, arguments->manifests);
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
