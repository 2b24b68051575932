// SPDX-License-Identifier: Apache-2.0

// ccore policy trace: may this flow pass, and which rules say so?

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/named_end.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/policy.h"
#include "tools/ccore/policy_flows.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

// One end's judgement in words.
struct Judgement {
  std::string headline;
  std::vector<std::string> lines;
};

void AddRules(absl::string_view how, const RuleSet& set,
              std::vector<std::string>& lines) {
  lines.emplace_back(how);
  for (const RuleRef& rule : set.rules) lines.push_back("  " + rule.ToString());
}

// Who it is that no policy judges.
std::string Unjudged(const CompiledPolicy& policy, const NamedEnd& end) {
  if (end.pod.has_value()) {
    return "in its node's network, where no policy applies";
  }
  const PeerRef* peer = policy.peer_map->peers.Find(end.party.peer);
  const Identity identity =
      peer == nullptr ? Identity::kWorld : (*peer)->variety.identity;
  switch (identity) {
    case Identity::kHost:
      return "an address of the pods' own node, where no policy applies";
    case Identity::kRemoteNode:
      return "an address of a node, where no policy applies";
    case Identity::kHealth:
    case Identity::kIngress:
      return absl::StrCat("an address of Cilium's ", IdentityName(identity),
                          ", where no policy applies");
    default:
      return "no pod of these manifests has this address";
  }
}

Judgement Describe(const CompiledPolicy& policy, const NamedEnd& subject,
                   Direction direction, const Cell& cell) {
  Judgement judgement;
  const RuleSet* set = policy.FindRuleSet(cell.rule_set);
  judgement.headline =
      absl::StrCat(DirectionName(direction), " of ", subject.Name(), ": ",
                   set == nullptr ? "not judged" : VerdictText(cell));
  if (set == nullptr) {
    judgement.lines = {Unjudged(policy, subject)};
    return judgement;
  }
  switch (set->kind) {
    case RuleSet::Kind::kRules:
      if (cell.verdict == Verdict::kRedirect) {
        AddRules("left to a proxy by", *set, judgement.lines);
        judgement.lines.push_back("there is no proxy, so it does not pass");
      } else {
        AddRules("allowed by", *set, judgement.lines);
      }
      break;
    case RuleSet::Kind::kDenied:
      AddRules("denied by", *set, judgement.lines);
      break;
    case RuleSet::Kind::kAuthentication:
      AddRules("not authenticated, as demanded by", *set, judgement.lines);
      break;
    case RuleSet::Kind::kDefaultDeny:
      judgement.lines.push_back("isolated by");
      for (const PolicyRef& isolating : set->policies) {
        judgement.lines.push_back("  " + isolating.ToString());
      }
      judgement.lines.push_back(
          "no rule of these policies that isolate it allows this");
      break;
    default:
      judgement.lines.push_back(set->ToString());
  }
  return judgement;
}

void PrintText(const AskedFlows& asked, std::ostream& out) {
  const CompiledPolicy& policy = asked.cluster.policy;
  const char* separator = "";
  for (const Flow& flow : asked.flows) {
    out << separator << HeadlineOf(flow, asked.port) << "\n";
    separator = "\n";
    if (flow.is_to_itself()) {
      out << "\n  a pod always reaches itself\n";
      continue;
    }
    for (const Judgement& judgement :
         {Describe(policy, flow.source, Direction::kEgress,
                   flow.decision.egress),
          Describe(policy, flow.destination, Direction::kIngress,
                   flow.decision.ingress)}) {
      out << "\n  " << judgement.headline << "\n";
      for (const std::string& line : judgement.lines) {
        out << "    " << line << "\n";
      }
    }
  }
}

void PrintJson(const AskedFlows& asked, std::ostream& out) {
  Json all = Json::array();
  for (const Flow& flow : asked.flows) {
    Json json = FlowJson(flow, asked.port);
    AddSides(asked.cluster.policy, flow, json);
    all.push_back(std::move(json));
  }
  out << Json{{"flows", std::move(all)}}.dump(2) << "\n";
}

int Run(const PolicyFlowArguments& arguments) {
  const absl::StatusOr<AskedFlows> asked = FindFlows(arguments);
  if (!asked.ok()) return BadInput(asked.status());
  if (arguments.output == Output::kJson) {
    PrintJson(*asked, std::cout);
  } else {
    PrintText(*asked, std::cout);
  }
  NoteIfDifferent(asked->flows);
  return ExitCodeOf(asked->flows);
}

}  // namespace

void AddPolicyTrace(CLI::App& policy) {
  CLI::App& command = *policy.add_subcommand(
      "trace", "Whether a flow may pass, and the rules that decide it");
  command.footer(
      "SRC and DST are an address or namespace/name of a pod or of the "
      "workload that\nowns pods. Ends with 0 if the flow is allowed, with 1 if "
      "it is denied, or if the\npods of a workload fare differently and one is "
      "denied.");
  auto arguments = std::make_shared<PolicyFlowArguments>();
  arguments->source.name = "--src";
  arguments->destination.name = "--dst";
  arguments->port.name = "--dport";
  command
      .add_option("--src", arguments->source.text, "where the flow comes from")
      ->required()
      ->option_text("SRC");
  command.add_option("--dst", arguments->destination.text, "where it goes")
      ->required()
      ->option_text("DST");
  command
      .add_option("--dport", arguments->port.text,
                  "port and protocol: 8080/TCP; of ICMP the type: 8/ICMP")
      ->required()
      ->option_text("PORT");
  AddManifestOptions(command, arguments->manifests);
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
