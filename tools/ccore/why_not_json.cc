// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/why_not_json.h"

#include <string>
#include <utility>

#include "tools/ccore/diff_output.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

Json EditJson(const PolicyEdit& edit) {
  Json json = {{"kind", std::string(EditName(edit.kind))}};
  switch (edit.kind) {
    case PolicyEdit::Kind::kAddPodLabel:
      json["workload"] = {{"kind", edit.owner_kind},
                          {"namespace", edit.ns},
                          {"name", edit.owner_name}};
      break;
    case PolicyEdit::Kind::kAddNamespaceLabel:
      json["namespace"] = edit.ns;
      break;
    default:
      json["rule"] = RuleJson(edit.rule);
  }
  json["yaml"] = edit.Yaml();
  json["text"] = edit.ToString();
  return json;
}

Json TotalJson(const PolicyDiff::Total& total) {
  return {{"pairs", total.pairs}, {"ports", total.ports}};
}

}  // namespace

Json DenialJson(const DeniedSide& side) {
  Json json = {{"direction", std::string(DirectionName(side.direction))},
               {"reason", ReasonName(side.reason)}};
  if (side.reason != RuleSet::Kind::kDefaultDeny) {
    json["denied_by"] = Json::array();
    for (const RuleRef& rule : side.denied_by) {
      json["denied_by"].push_back(RuleJson(rule));
    }
    if (side.tier != DeniedSide::Tier::kNormal) {
      json["tier"] =
          side.tier == DeniedSide::Tier::kAdmin ? "Admin" : "Baseline";
    }
    return json;
  }
  json["isolated_by"] = Json::array();
  json["rules"] = Json::array();
  for (const PolicyRef& policy : side.isolated_by) {
    json["isolated_by"].push_back(PolicyJson(policy));
  }
  for (const NearRule& near : side.rules) {
    Json failed = Json::array();
    for (const FailedCondition& condition : near.failed) {
      Json part = {{"place", condition.place}};
      if (!condition.key.empty()) part["label"] = condition.key;
      part["expected"] = condition.expected;
      part["found"] = condition.found;
      part["text"] = condition.ToString();
      failed.push_back(std::move(part));
    }
    json["rules"].push_back(
        {{"rule", RuleJson(near.rule)}, {"failed", std::move(failed)}});
  }
  return json;
}

Json ProxiedJson(const std::vector<ProxiedSide>& sides) {
  Json all = Json::array();
  for (const ProxiedSide& side : sides) {
    Json rules = Json::array();
    for (const RuleRef& rule : side.rules) rules.push_back(RuleJson(rule));
    all.push_back({{"direction", std::string(DirectionName(side.direction))},
                   {"proxy_port", side.proxy_port},
                   {"rules", std::move(rules)}});
  }
  return all;
}

Json ChangeJson(const AllowingChange& change) {
  Json edits = Json::array();
  for (const PolicyEdit& edit : change.edits) edits.push_back(EditJson(edit));
  Json changes = Json::array();
  for (const PolicyDiff::Change& part : change.diff.changes) {
    if (part.kind == PolicyDiff::Kind::kOtherRules) continue;
    changes.push_back({{"kind", std::string(ChangeName(part.kind))},
                       {"source", PeerJson(change.diff, part.source)},
                       {"destination", PeerJson(change.diff, part.destination)},
                       {"ports", PortsJson(change.diff.port_sets[part.ports])},
                       {"pairs", part.pairs},
                       {"of_pairs", part.of_pairs}});
  }
  Json json = {{"conditions", change.conditions},
               {"edits", std::move(edits)},
               {"opens_beside", TotalJson(change.opened_beside)},
               {"closes", TotalJson(change.closed)},
               {"changes", std::move(changes)},
               {"opened_by_names", NamesJson(change.diff)}};
  if (change.untried_label_sets != 0) {
    json["untried_label_sets"] = change.untried_label_sets;
  }
  if (change.untried_changes != 0) {
    json["untried_changes"] = change.untried_changes;
  }
  if (!change.proxied.empty()) json["proxied"] = ProxiedJson(change.proxied);
  return json;
}

}  // namespace ciliumcore::ccore
