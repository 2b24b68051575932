// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/verdict_comparison_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"

namespace ciliumcore::internal {
namespace {

cc_direction IndexOf(Direction direction) {
  return direction == Direction::kIngress ? CC_INGRESS : CC_EGRESS;
}

std::string SourcesText(const std::optional<IpAddress>& v4,
                        const std::optional<IpAddress>& v6) {
  std::string text;
  for (const auto& address : {v4, v6}) {
    if (address.has_value())
      absl::StrAppend(&text, text.empty() ? "" : ", ", address->ToString());
  }
  return text.empty() ? "no address" : text;
}

// Of an address as the policy has it.
template <typename Sends>
std::optional<IpAddress> Sendable(const std::optional<IpAddress>& own,
                                  Sends sends) {
  return own.has_value() ? sends(abi::ToAddr(*own)) : std::nullopt;
}

}  // namespace

std::vector<uint32_t> WantedVerdicts::interfaces() const {
  std::vector<uint32_t> all;
  for (const DesiredEndpoint& endpoint : state.nodes->endpoints)
    all.push_back(endpoint.ifindex);
  for (const auto& [ifindex, name] : idle_interfaces) all.push_back(ifindex);
  return all;
}

VerdictComparison::VerdictComparison(const WantedVerdicts& wanted,
                                     const LiveVerdicts& live,
                                     const VerdictNames& names)
    : wanted_(wanted),
      live_(live),
      names_(names),
      tables_(wanted.state.tables, wanted.identities, live) {}

VerifyReport VerdictComparison::Run() {
  VerifyReport report;
  report.generation = live_.epoch;
  report.endpoints = wanted_.state.nodes->endpoints.size();
  report.identities = wanted_.identities.size() + 1;
  std::optional<CounterExample>& found = report.counter_example;
  for (uint32_t i = 0; i < report.endpoints && !found.has_value(); ++i) {
    found = CompareInterface(i);
    if (!found.has_value()) found = CompareSources(i);
    if (!found.has_value()) CompareJudgements(i, report);
  }
  if (!found.has_value()) found = CompareIdle();
  if (!found.has_value()) CompareAddresses(report);
  report.rows = tables_.rows();
  return report;
}

std::optional<CounterExample> VerdictComparison::CompareInterface(
    uint32_t endpoint) const {
  const DesiredEndpoint& wanted = EndpointAt(endpoint);
  const LiveEndpoint* live = live_.AtInterface(wanted.ifindex);
  if (live != nullptr && live->ifindex == wanted.ifindex) return std::nullopt;
  CounterExample example = {.kind = CounterExample::Kind::kInterface,
                            .endpoint = wanted.name,
                            .steps = StepsTo(wanted.ifindex)};
  example.wanted = absl::StrCat("interface ", wanted.ifindex, " is judged as ",
                                SourcesText(wanted.v4, wanted.v6));
  example.live =
      live == nullptr
          ? "nobody is there, and everything is dropped"
          : absl::StrCat(
                "interface ", live->ifindex, " is judged as ",
                SourcesText(SendsFromV4(live->v4), SendsFromV6(live->v6)));
  // A slot that is the endpoint's by its addresses is right.
  const bool is_own =
      live != nullptr &&
      SendsFromV4(live->v4) == Sendable(wanted.v4, SendsFromV4) &&
      SendsFromV6(live->v6) == Sendable(wanted.v6, SendsFromV6);
  example.wrong_step = is_own && live->ifindex != wanted.ifindex ? 1 : 0;
  return example;
}

std::optional<CounterExample> VerdictComparison::CompareSources(
    uint32_t endpoint) const {
  const DesiredEndpoint& wanted = EndpointAt(endpoint);
  const LiveEndpoint& live = *live_.AtInterface(wanted.ifindex);
  const auto v4 = Sendable(wanted.v4, SendsFromV4);
  const auto v6 = Sendable(wanted.v6, SendsFromV6);
  const auto live_v4 = SendsFromV4(live.v4), live_v6 = SendsFromV6(live.v6);
  if (v4 == live_v4 && v6 == live_v6) return std::nullopt;
  return CounterExample{
      .kind = CounterExample::Kind::kSource,
      .endpoint = wanted.name,
      .wanted = absl::StrCat("may send from ", SourcesText(v4, v6)),
      .live = absl::StrCat("may send from ", SourcesText(live_v4, live_v6)),
      .steps = StepsTo(wanted.ifindex),
      .wrong_step = 1};
}

void VerdictComparison::CompareJudgements(uint32_t endpoint,
                                          VerifyReport& report) {
  for (const Direction direction : kDirections) {
    const TableResult& result = tables_.CompareTables(
        WantedTable(endpoint, direction), LiveTableOf(endpoint, direction));
    if (result.rules.has_value() && !report.other_rules.has_value())
      report.other_rules = VerdictExample(endpoint, direction, *result.rules);
    if (result.verdict.has_value() && !report.counter_example.has_value())
      report.counter_example =
          VerdictExample(endpoint, direction, *result.verdict);
  }
}

// Programs stay at interfaces that close; whoever judged there would let pass
// what nobody may.
std::optional<CounterExample> VerdictComparison::CompareIdle() const {
  for (const auto& [ifindex, name] : wanted_.idle_interfaces) {
    const LiveEndpoint* live = live_.AtInterface(ifindex);
    if (live == nullptr) continue;
    const uint32_t slot = live_.slots.at(ifindex);
    return CounterExample{
        .kind = CounterExample::Kind::kInterface,
        .endpoint = name,
        .wanted = "nobody is there, and everything is dropped",
        .live = absl::StrCat("judged as ", SourcesText(SendsFromV4(live->v4),
                                                       SendsFromV6(live->v6))),
        .steps = StepsTo(ifindex),
        .wrong_step = slot == 0 ? size_t{1} : size_t{0}};
  }
  return std::nullopt;
}

CounterExample VerdictComparison::VerdictExample(
    uint32_t endpoint, Direction direction,
    const TableDifference& difference) const {
  const RowDifference& row = difference.row;
  CounterExample example = {
      .kind = CounterExample::Kind::kVerdict,
      .endpoint = EndpointAt(endpoint).name,
      .direction = direction,
      .peer = difference.peer.has_value() ? PeerText(*difference.peer)
                                          : "any other identity",
      .ports = row.ports,
      .wanted = CellText(OutcomeOf(row.wanted), row.wanted.rule_set),
      .live = CellText(OutcomeOf(row.live), row.live.rule_set)};
  AddSteps(endpoint, direction, difference, example);
  return example;
}

std::vector<CounterExample::Step> VerdictComparison::StepsTo(
    uint32_t ifindex) const {
  const uint32_t slot = live_.slots.at(ifindex);
  std::vector<Step> steps = {
      {ifindex < CC_IFINDEX_DIRECT ? "cc_ifindex" : "cc_ifindex_far",
       absl::StrCat("interface ", ifindex), absl::StrCat("slot ", slot)}};
  const auto live = live_.endpoints.find(slot);
  const std::string entry = absl::StrCat("slot ", slot);
  steps.push_back(
      live == live_.endpoints.end()
          ? Step{"cc_endpoints", entry, "nobody"}
          : Step{"cc_endpoints", entry,
                 absl::StrCat("interface ", live->second.ifindex, ", ",
                              SourcesText(SendsFromV4(live->second.v4),
                                          SendsFromV6(live->second.v6)),
                              ", subject ", live->second.subject)});
  return steps;
}

void VerdictComparison::AddSteps(uint32_t endpoint, Direction direction,
                                 const TableDifference& difference,
                                 CounterExample& example) const {
  const DesiredEndpoint& judge = EndpointAt(endpoint);
  const LiveEndpoint& live = *live_.AtInterface(judge.ifindex);
  const uint16_t index = LiveTableOf(endpoint, direction);
  const LiveTable& table = tables_.Live(index);
  const CompiledTable& wanted =
      tables_.Wanted(WantedTable(endpoint, direction));
  const bool is_other_identity =
      live.judge.identity != static_cast<uint32_t>(judge.identity);
  std::vector<Step>& steps = example.steps = StepsTo(judge.ifindex);
  steps.push_back({"cc_subjects", absl::StrCat("subject ", live.subject),
                   absl::StrCat("identity ", live.judge.identity, ", ",
                                DirectionName(direction), " table ", index)});
  steps.push_back({"cc_tables", absl::StrCat("table ", index),
                   absl::StrCat(table.entry.interval_count, " intervals, ",
                                table.entry.class_count,
                                " classes, cells from ", table.entry.cells)});
  if (!table.is_there()) {
    example.wrong_step = index != 0 ? 3 : is_other_identity ? 1 : 2;
    return;
  }
  const LiveTable::Span& span = table.axis[difference.row.span];
  const uint32_t peer = difference.peer.value_or(0);
  const uint32_t cls = difference.peer.has_value() ? table.ClassOf(peer) : 0;
  const uint32_t wanted_cls =
      difference.peer.has_value() ? wanted.ClassOf(peer) : 0;
  if (difference.peer.has_value()) {
    steps.push_back({"cc_classes",
                     absl::StrCat("table ", index, ", peer ", peer),
                     absl::StrCat("class ", cls)});
  }
  if (span.page.has_value()) {
    steps.push_back({"cc_port_pages", absl::StrCat("page ", *span.page),
                     absl::StrCat("interval ", span.interval)});
  }
  const uint32_t at = table.CellAt(cls, span.interval);
  steps.push_back({"cc_cells", absl::StrCat("cell ", at), example.live});
  if (IsTableOfOthers(endpoint, direction)) {
    example.wrong_step = is_other_identity ? 1 : 2;
  } else if (table.entry.interval_count != wanted.intervals()) {
    example.wrong_step = 3;
  } else if (cls != wanted_cls) {
    example.wrong_step = 4;
  } else if (span.interval != wanted.IntervalOf(difference.row.ports.first)) {
    example.wrong_step = span.page.has_value() ? steps.size() - 2 : 3;
  } else {
    example.wrong_step = steps.size() - 1;
  }
}

// True if another judgement, which is to be made by another table, is made by
// this one.
bool VerdictComparison::IsTableOfOthers(uint32_t endpoint,
                                        Direction direction) const {
  const std::optional<uint32_t> wanted = WantedTable(endpoint, direction);
  const uint16_t live = LiveTableOf(endpoint, direction);
  for (uint32_t i = 0; i < wanted_.state.nodes->endpoints.size(); ++i) {
    if (live_.AtInterface(EndpointAt(i).ifindex) == nullptr) continue;
    for (const Direction other : kDirections) {
      if (WantedTable(i, other) != wanted && LiveTableOf(i, other) == live)
        return true;
    }
  }
  return false;
}

std::optional<uint32_t> VerdictComparison::WantedTable(
    uint32_t endpoint, Direction direction) const {
  const DesiredVerdicts& verdicts = wanted_.state.verdicts[endpoint];
  return direction == Direction::kIngress ? verdicts.ingress : verdicts.egress;
}

uint16_t VerdictComparison::LiveTableOf(uint32_t endpoint,
                                        Direction direction) const {
  return live_.AtInterface(EndpointAt(endpoint).ifindex)
      ->judge.table[IndexOf(direction)];
}

std::string VerdictComparison::PeerText(uint32_t peer) const {
  const std::string name = names_.peer(peer);
  return name.empty() ? absl::StrCat(peer)
                      : absl::StrCat(peer, " (", name, ")");
}

std::string VerdictComparison::CellText(const CellOutcome& outcome,
                                        uint32_t rule_set) const {
  std::string text(VerdictName(outcome.verdict));
  if (outcome.verdict == Verdict::kRedirect)
    absl::StrAppend(&text, " to proxy port ", outcome.proxy_port);
  if (outcome.authentication != 0)
    absl::StrAppend(&text, " with authentication ", outcome.authentication);
  return absl::StrCat(text, ": ", names_.rules(rule_set));
}

}  // namespace ciliumcore::internal
