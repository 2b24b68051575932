// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/flow_output.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/flow/flow_proto.h"
#include "ciliumcore/flow/reason.h"
#include "tools/ccore/command.h"

namespace ciliumcore::ccore {
namespace {

// Whoever denies is the last that was asked.
const std::string& RulesOf(const Flow& flow) {
  return flow.is_egress ? flow.egress.why : flow.ingress.why;
}

std::string NameOf(const FlowEnd& end) {
  return !end.pod.empty()    ? end.pod
         : !end.name.empty() ? end.name
                             : end.address.ToString();
}

}  // namespace

absl::Status FlowArguments::Read() {
  wanted.clear();
  for (const std::string& text : filters) {
    absl::StatusOr<FlowFilter> filter = FlowFilter::Parse(text);
    if (!filter.ok()) return filter.status();
    wanted.push_back(*std::move(filter));
  }
  return absl::OkStatus();
}

void AddFlowOptions(CLI::App& command, FlowArguments& arguments) {
  command
      .add_option("--filter", arguments.filters,
                  "Flows to print: \"pod=shop/web-0 verdict=dropped\". All "
                  "terms must hold; of several --filter, one.")
      ->take_all();
  command
      .add_option_function<std::string>(
          "--flow-output",
          [&arguments](const std::string& form) {
            arguments.as_json = form == "json";
          },
          "compact (a line each) or json (likewise).")
      ->check(CLI::IsMember({"compact", "json"}));
}

void PrintFlow(const FlowArguments& arguments, const Flow& flow) {
  if (!MatchesAny(arguments.wanted, flow)) return;
  if (!arguments.as_json) {
    std::cout << flow.ToString() << "\n" << std::flush;
    return;
  }
  const absl::StatusOr<std::string> json = FlowToJson(flow);
  if (json.ok()) {
    std::cout << *json << "\n" << std::flush;
  } else {
    Note(std::string(json.status().message()));
  }
}

void NoteLosses(uint64_t lost, uint64_t undecodable) {
  if (lost != 0)
    Note(absl::StrCat(lost, " events were lost: the ring was full"));
  if (undecodable != 0) {
    Note(absl::StrCat(undecodable,
                      " events were of another build, and are left out"));
  }
}

void DropTable::Add(const Flow& flow) {
  if (flow.kind != FlowKind::kDrop) return;
  Group& group = groups_[{flow.reason, RulesOf(flow)}];
  if (group.count++ != 0) return;
  group.example = absl::StrCat(
      NameOf(flow.source), " -> ", NameOf(flow.destination), " ",
      PortProtocol{flow.protocol, flow.destination.port}.ToString());
}

std::string DropTable::ToString() const {
  std::vector<std::pair<std::pair<uint8_t, std::string>, Group>> sorted(
      groups_.begin(), groups_.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return a.second.count > b.second.count;
                   });
  if (sorted.empty()) return "no drops\n";
  std::string text;
  for (const auto& [what, group] : sorted) {
    const auto reason = FindDropReason(what.first);
    absl::StrAppend(&text, group.count, " dropped: ",
                    reason.has_value() ? std::string(reason->name)
                                       : absl::StrCat("reason ", what.first),
                    "\n  such as   ", group.example, "\n");
    if (!what.second.empty())
      absl::StrAppend(&text, "  by        ", what.second, "\n");
    if (reason.has_value())
      absl::StrAppend(&text, "  look at   ", std::string(reason->remedy), "\n");
  }
  return text;
}

}  // namespace ciliumcore::ccore
