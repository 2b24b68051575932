// SPDX-License-Identifier: Apache-2.0

// ccore policy diff: what a change of manifests opens and closes.

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/policy/diff.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/diff_output.h"
#include "tools/ccore/policy.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;
using Change = PolicyDiff::Change;
using Kind = PolicyDiff::Kind;
using Presence = PolicyDiff::Presence;

struct Arguments {
  std::string before;
  std::string after;
  std::vector<std::string> pod_cidrs;
  bool fail_if_opens = false;
  bool with_rules = false;
  Output output = Output::kText;
};

std::string CellText(const PolicyDiff& diff, const Cell& cell) {
  const RuleSet* set = diff.FindRuleSet(cell.rule_set);
  if (set == nullptr) return "not judged";
  return absl::StrCat(VerdictText(cell), ", ", set->ToString());
}

void PrintSide(const PolicyDiff& diff, const char* name, const Change& change,
               Cell PairDecision::*side, std::ostream& out) {
  const auto text = [&](const std::optional<PairDecision>& decision) {
    return decision.has_value() ? CellText(diff, *decision.*side)
                                : std::string("not there");
  };
  const std::string before = text(change.before);
  const std::string after = text(change.after);
  if (before == after) {
    out << "  " << name << " both    " << before << "\n";
    return;
  }
  out << "  " << name << " before  " << before << "\n"
      << "  " << std::string(std::string(name).size(), ' ') << " after   "
      << after << "\n";
}

void PrintNames(const PolicyDiff& diff, std::ostream& out) {
  for (const PolicyDiff::NameOpening& opening : diff.opened_by_names) {
    out << "opens by domain name: " << opening.ToString() << "\n";
  }
  if (!diff.opened_by_names.empty()) out << "\n";
}

void PrintText(const PolicyDiff& diff, const std::vector<const Change*>& shown,
               std::ostream& out) {
  for (Presence side : {Presence::kBefore, Presence::kAfter}) {
    for (const PolicyDiff::LonePod& pod : diff.lone_pods) {
      if (pod.presence != side) continue;
      out << "only " << PresenceName(side) << ": pod " << pod.name << "\n";
    }
  }
  if (!diff.lone_pods.empty()) out << "\n";
  size_t counts[3] = {};
  for (const Change* change : shown) {
    ++counts[static_cast<int>(change->kind)];
    out << ChangeName(change->kind) << ": " << PeerText(diff, change->source)
        << " -> " << PeerText(diff, change->destination) << ", "
        << PortsToString(diff.port_sets[change->ports]) << "\n";
    if (change->pairs != change->of_pairs) {
      out << "  " << change->pairs << " of "
          << Plural(change->of_pairs, "pair", "pairs") << ", such as "
          << change->source_example << " -> " << change->destination_example
          << "\n";
    }
    PrintSide(diff, "egress ", *change, &PairDecision::egress, out);
    PrintSide(diff, "ingress", *change, &PairDecision::ingress, out);
    out << "\n";
  }
  PrintNames(diff, out);
  if (shown.empty() && diff.opened_by_names.empty()) {
    out << "no difference\n";
    return;
  }
  out << "opens: " << counts[0] << ", closes: " << counts[1];
  if (counts[2] != 0) out << ", other rules: " << counts[2];
  if (!diff.opened_by_names.empty()) {
    out << ", by domain names: " << diff.opened_by_names.size();
  }
  out << "\n";
}

Json SideJson(const PolicyDiff& diff,
              const std::optional<PairDecision>& decision) {
  if (!decision.has_value()) return nullptr;
  const auto side = [&diff](const Cell& cell) {
    return CellJson(cell, diff.FindRuleSet(cell.rule_set));
  };
  return {{"egress", side(decision->egress)},
          {"ingress", side(decision->ingress)}};
}

void PrintJson(const PolicyDiff& diff, const std::vector<const Change*>& shown,
               std::ostream& out) {
  Json only_before = Json::array();
  Json only_after = Json::array();
  for (const PolicyDiff::LonePod& pod : diff.lone_pods) {
    (pod.presence == Presence::kBefore ? only_before : only_after)
        .push_back(pod.name);
  }
  Json changes = Json::array();
  for (const Change* change : shown) {
    changes.push_back({{"kind", std::string(ChangeName(change->kind))},
                       {"source", PeerJson(diff, change->source)},
                       {"destination", PeerJson(diff, change->destination)},
                       {"ports", PortsJson(diff.port_sets[change->ports])},
                       {"pairs", change->pairs},
                       {"of_pairs", change->of_pairs},
                       {"example",
                        {{"source", change->source_example},
                         {"destination", change->destination_example}}},
                       {"before", SideJson(diff, change->before)},
                       {"after", SideJson(diff, change->after)}});
  }
  out << Json{{"only_before", std::move(only_before)},
              {"only_after", std::move(only_after)},
              {"changes", std::move(changes)},
              {"opened_by_names", NamesJson(diff)}}
             .dump(2)
      << "\n";
}

// A pod that got addresses on the other side keeps them, lest all of them move
// when one is added. Where one of them is another's now it keeps none, for a
// pod that has some is given no more.
void KeepAddresses(const Cluster& before, Cluster& after) {
  absl::flat_hash_map<std::string, const Pod*> known;
  for (const Pod& pod : before.pods) known.try_emplace(pod.ToString(), &pod);
  std::set<IpAddress> taken = TakenAddresses(after);
  for (uint32_t i : PodsWithoutAddress(after)) {
    Pod& pod = after.pods[i];
    const auto at = known.find(pod.ToString());
    if (at == known.end()) continue;
    const std::vector<IpAddress>& addresses = at->second->addresses;
    const bool are_free = std::none_of(
        addresses.begin(), addresses.end(),
        [&taken](const IpAddress& address) { return taken.contains(address); });
    if (!are_free) continue;
    taken.insert(addresses.begin(), addresses.end());
    pod.addresses = addresses;
  }
}

int Run(const Arguments& arguments) {
  if (arguments.before == "-" && arguments.after == "-") {
    return BadInput(absl::InvalidArgumentError(
        "OLD and NEW: expected standard input once, found it twice"));
  }
  absl::StatusOr<CompiledCluster> before =
      LoadCluster({{arguments.before}, arguments.pod_cidrs});
  if (!before.ok()) return BadInput(Annotate(before.status(), "OLD"));
  absl::StatusOr<std::vector<ManifestSource>> sources =
      ReadManifestFiles(std::vector<std::string>{arguments.after});
  if (!sources.ok()) return BadInput(Annotate(sources.status(), "NEW"));
  absl::StatusOr<CompiledCluster> after =
      CompileManifests(*sources, arguments.pod_cidrs, [&](Cluster& cluster) {
        if (!arguments.pod_cidrs.empty()) {
          KeepAddresses(before->cluster, cluster);
        }
      });
  if (!after.ok()) return BadInput(Annotate(after.status(), "NEW"));

  const PolicyDiff diff = Diff(*before, *after);
  std::vector<const Change*> shown;
  for (const Change& change : diff.changes) {
    if (change.kind != Kind::kOtherRules || ChangesProxy(change) ||
        arguments.with_rules) {
      shown.push_back(&change);
    }
  }
  if (arguments.output == Output::kJson) {
    PrintJson(diff, shown, std::cout);
  } else {
    PrintText(diff, shown, std::cout);
  }
  const bool opens =
      !diff.opened_by_names.empty() ||
      std::any_of(shown.begin(), shown.end(), [](const Change* change) {
        return change->kind == Kind::kOpens || LeavesProxy(*change);
      });
  return opens && arguments.fail_if_opens ? kCheckFailed : kOk;
}

}  // namespace

void AddPolicyDiff(CLI::App& policy) {
  CLI::App& command = *policy.add_subcommand(
      "diff",
      "What a change of manifests opens and closes, and by which rules");
  command.footer(
      "Compares every pair of pods and every pod with addresses outside, on "
      "every port of\nevery protocol, and tells it by workload. What a new "
      "workload is allowed opens.\nWhat a proxy is told to let pass is not "
      "compared, but "
      "where it comes or goes is told.\nWhat domain names stand for is not "
      "known, but which policies open more by them is told.\nEnds with 0; with "
      "--fail-if-opens with "
      "1 if anything opens, or passes no more by\nthe proxy that judged it; "
      "with 2 if there is no answer.");
  auto arguments = std::make_shared<Arguments>();
  command
      .add_option("OLD", arguments->before,
                  "file or directory of manifests; - is standard input")
      ->required();
  command.add_option("NEW", arguments->after, "the same, changed")->required();
  command.add_flag("--fail-if-opens", arguments->fail_if_opens,
                   "end with 1 if anything opens, or leaves its proxy");
  command.add_flag("--rules", arguments->with_rules,
                   "tell also what stays allowed, but by other rules");
  command
      .add_option("--pod-cidr", arguments->pod_cidrs,
                  "gives pods without an address one from this CIDR, the same "
                  "on both sides")
      ->option_text("CIDR...");
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
