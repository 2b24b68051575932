// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "lib/base/address_number_internal.h"
#include "lib/datapath/address_parts_internal.h"
#include "lib/datapath/map_decoders_internal.h"
#include "lib/datapath/verdict_comparison_internal.h"

namespace ciliumcore::internal {
namespace {

// An address that either side has an entry for.
struct Known {
  const DesiredAddress* wanted = nullptr;
  const LivePlace* live = nullptr;
};

std::string PrefixText(const LivePrefix& prefix) {
  const IpAddress address = abi::FromAddr(prefix.key.addr);
  const bool is_v4 = prefix.key.bits >= 96 && address.is_v4();
  return absl::StrCat(address.ToString(), "/",
                      is_v4 ? prefix.key.bits - 96 : prefix.key.bits);
}

// The lowest address of a part that none of `known`, ascending, is.
std::optional<IpAddress> FirstUnknown(const AddressPart& part,
                                      const std::map<IpAddress, Known>& known) {
  absl::uint128 at = part.first;
  for (auto next = known.lower_bound(AddressOf(at));
       next != known.end() && NumberOf(next->first) == at; ++next) {
    if (at == part.last) return std::nullopt;
    ++at;
  }
  return AddressOf(at);
}

}  // namespace

void VerdictComparison::CompareAddresses(VerifyReport& report) {
  const DesiredNodes& nodes = *wanted_.state.nodes;
  std::map<IpAddress, Known> known;
  for (const auto& [address, wanted] : nodes.addresses)
    known[address].wanted = &wanted;
  for (const auto& [address, place] : live_.addresses)
    known[address].live = &place;
  const std::vector<AddressPart> parts =
      PartsOf(nodes.prefixes, live_.prefixes);
  report.addresses = known.size();
  report.ranges = parts.size();
  std::optional<CounterExample>& found = report.counter_example;
  for (const auto& [address, entries] : known) {
    const AddressPart& part = PartAt(parts, address);
    Place wanted = {.peer = part.wanted_peer, .endpoint = std::nullopt};
    if (entries.wanted != nullptr)
      wanted = {entries.wanted->peer, entries.wanted->endpoint};
    found = entries.live != nullptr
                ? ComparePlace(address, wanted, *entries.live)
                : ComparePlace(address, wanted, PlaceOf(part.live));
    if (!found.has_value()) continue;
    found->addresses = address.ToString();
    AddSteps(entries.live != nullptr ? Step{"cc_addrs", found->addresses, ""}
                                     : StepOf(part.live),
             entries.live != nullptr ? *entries.live : PlaceOf(part.live),
             *found);
    // Where there is to be an entry and none is found, it is the hash.
    if (entries.live == nullptr && entries.wanted != nullptr) {
      found->steps.insert(found->steps.begin(),
                          {"cc_addrs", found->addresses, "no place"});
      found->wrong_step = 0;
    }
    return;
  }
  for (const AddressPart& part : parts) {
    const Place wanted = {.peer = part.wanted_peer, .endpoint = std::nullopt};
    const LivePlace live = PlaceOf(part.live);
    if (IsAlike(wanted, live)) continue;
    const std::optional<IpAddress> first = FirstUnknown(part, known);
    if (!first.has_value()) continue;
    found = ComparePlace(*first, wanted, live);
    if (!found.has_value()) continue;
    found->addresses = absl::StrCat(AddressOf(part.first).ToString(), "-",
                                    AddressOf(part.last).ToString());
    AddSteps(StepOf(part.live), live, *found);
    if (!part.is_of_one_prefix()) found->wrong_step = 0;
    return;
  }
}

LivePlace VerdictComparison::PlaceOf(const LivePrefix* prefix) {
  return prefix == nullptr ? LivePlace() : prefix->place;
}

CounterExample::Step VerdictComparison::StepOf(const LivePrefix* prefix) {
  return {"cc_prefixes", prefix == nullptr ? "no prefix" : PrefixText(*prefix),
          ""};
}

// `how` is the step that finds the place.
void VerdictComparison::AddSteps(Step how, const LivePlace& live,
                                 CounterExample& example) const {
  how.says = live.index == 0 ? "no place" : absl::StrCat("place ", live.index);
  example.steps = {std::move(how)};
  example.wrong_step = 0;
  if (live.index == 0) return;
  example.steps.push_back(
      {"cc_places", absl::StrCat("place ", live.index), example.live});
  // A place is one prefix's, or one address's.
  int users = 0;
  for (const LivePrefix& prefix : live_.prefixes)
    users += prefix.place.index == live.index;
  for (const auto& [address, place] : live_.addresses)
    users += place.index == live.index;
  if (users > 1) return;
  example.wrong_step = 1;
}

bool VerdictComparison::IsAlike(const Place& wanted,
                                const LivePlace& live) const {
  return !wanted.endpoint.has_value() && wanted.peer == live.value.peer &&
         (live.value.where & CC_REMOTE) != 0 && IsShared(wanted.peer);
}

std::optional<CounterExample> VerdictComparison::ComparePlace(
    const IpAddress& address, const Place& wanted, const LivePlace& live) {
  CounterExample example = {.kind = CounterExample::Kind::kAddress};
  if (IsWhereWanted(address, wanted, live)) {
    if (wanted.peer == live.value.peer && IsShared(wanted.peer))
      return std::nullopt;
    std::optional<CounterExample> found =
        ComparePeers(wanted.peer, live.value.peer);
    if (!found.has_value()) return std::nullopt;
    example = *std::move(found);
  } else {
    example.wanted = absl::StrCat(
        PeerText(wanted.peer),
        wanted.endpoint.has_value()
            ? absl::StrCat(" at ", EndpointAt(*wanted.endpoint).name)
            : " elsewhere");
    example.live = absl::StrCat(PeerText(live.value.peer), " ",
                                WhereText(live.value.where));
  }
  return example;
}

// cc_receiver and cc_is_impostor: a packet goes to an endpoint that has its
// address, and comes from the interface of the one that its place names.
bool VerdictComparison::IsWhereWanted(const IpAddress& address,
                                      const Place& wanted,
                                      const LivePlace& live) const {
  const uint16_t where = live.value.where;
  if (!wanted.endpoint.has_value()) return (where & CC_REMOTE) != 0;
  const auto there = live_.endpoints.find(where);
  if (where == 0 || there == live_.endpoints.end()) return false;
  const LiveEndpoint& endpoint = there->second;
  const cc_addr& own = address.is_v4() ? endpoint.v4 : endpoint.v6;
  if (abi::FromAddr(own) != address) return false;
  const LiveEndpoint* at_interface =
      live_.AtInterface(EndpointAt(*wanted.endpoint).ifindex);
  return &endpoint == at_interface ||
         (at_interface != nullptr &&
          endpoint.ifindex == at_interface->ifindex &&
          std::equal(std::begin(endpoint.judge.table),
                     std::end(endpoint.judge.table),
                     std::begin(at_interface->judge.table)));
}

// The first judgement in which it matters for whom an address is taken.
std::optional<CounterExample> VerdictComparison::ComparePeers(uint32_t wanted,
                                                              uint32_t live) {
  for (uint32_t i = 0; i < wanted_.state.nodes->endpoints.size(); ++i) {
    for (const Direction direction : kDirections) {
      const RowResult& result = tables_.ComparePeers(
          WantedTable(i, direction), wanted, LiveTableOf(i, direction), live);
      if (!result.verdict.has_value()) continue;
      const RowDifference& row = *result.verdict;
      return CounterExample{
          .kind = CounterExample::Kind::kAddress,
          .endpoint = EndpointAt(i).name,
          .direction = direction,
          .peer = PeerText(wanted),
          .ports = row.ports,
          .wanted = CellText(OutcomeOf(row.wanted), row.wanted.rule_set),
          .live = absl::StrCat(CellText(OutcomeOf(row.live), row.live.rule_set),
                               ", as of ", PeerText(live))};
    }
  }
  return std::nullopt;
}

bool VerdictComparison::IsShared(uint32_t peer) const {
  return std::binary_search(wanted_.identities.begin(),
                            wanted_.identities.end(), peer);
}

}  // namespace ciliumcore::internal
