// SPDX-License-Identifier: Apache-2.0

// What each writer would do, told and not done.

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/datapath/publisher_internal.h"

namespace ciliumcore::internal {
namespace {

using Action = PlannedChange::Action;

void WantRoom(const RangePool& pool, uint64_t count, ChangePlan& plan) {
  if (count != 0) plan.room.push_back(pool.Plan(count));
}

}  // namespace

void EndpointWriter::Plan(const DesiredState& desired,
                          absl::Span<const uint16_t> kept_tables,
                          ChangePlan& plan) const {
  std::set<std::string> wanted;
  uint64_t slots = 0;
  const auto table_of = [&](const std::optional<uint32_t>& index) {
    return index.has_value() ? kept_tables[*index] : uint16_t{0};
  };
  for (size_t i = 0; i < desired.verdicts.size(); ++i) {
    const DesiredEndpoint& endpoint = desired.nodes->endpoints[i];
    const DesiredVerdicts& verdicts = desired.verdicts[i];
    wanted.insert(endpoint.name);
    const std::string subject = absl::StrCat("endpoint ", endpoint.name);
    const auto live = live_.find(endpoint.name);
    if (live == live_.end()) {
      plan.changes.push_back({Action::kAdd, subject});
      ++slots;
      continue;
    }
    const uint16_t egress = table_of(verdicts.egress),
                   ingress = table_of(verdicts.ingress);
    const bool has_new_table = (verdicts.egress.has_value() && egress == 0) ||
                               (verdicts.ingress.has_value() && ingress == 0);
    if (has_new_table ||
        live->second.subject !=
            SubjectKey(static_cast<uint32_t>(endpoint.identity), egress,
                       ingress)) {
      plan.changes.push_back({Action::kAlter, subject});
    }
  }
  for (const auto& [name, live] : live_) {
    if (!wanted.contains(name))
      plan.changes.push_back({Action::kEnd, absl::StrCat("endpoint ", name)});
  }
  WantRoom(slots_, slots, plan);
}

std::vector<uint16_t> TableWriter::Plan(absl::Span<const TableRef> wanted,
                                        ChangePlan& plan) const {
  std::vector<uint16_t> kept;
  std::set<uint32_t> stays;
  uint64_t tables = 0, cells = 0;
  for (const TableRef& ref : wanted) {
    const CompiledTable& table = *ref;
    const Live* live = FindEqual(ref);
    kept.push_back(live == nullptr ? 0 : static_cast<uint16_t>(live->index));
    if (live != nullptr) {
      stays.insert(live->index);
      continue;
    }
    ++tables;
    cells += table.cells.size();
    plan.changes.push_back(
        {Action::kAdd,
         absl::StrCat("table of ", table.class_count, " classes, ",
                      table.intervals(), " intervals and ",
                      table.classes.size(), " listed peers")});
  }
  for (const Live& live : live_) {
    if (!stays.contains(live.index))
      plan.changes.push_back(
          {Action::kEnd, absl::StrCat("table ", live.index)});
  }
  WantRoom(indexes_, tables, plan);
  WantRoom(cells_, cells, plan);
  return kept;
}

void PlaceWriter::Plan(const PlaceTable& desired, ChangePlan& plan) const {
  uint64_t fresh = 0;
  const auto compare = [&](const char* what, const auto& wanted,
                           const auto& live) {
    // In order: a hash has another each time.
    const std::map sorted(wanted.begin(), wanted.end());
    for (const auto& [key, value] : sorted) {
      const auto known = live.find(key);
      if (known != live.end() && known->second.value == value &&
          current_.Has(key))
        continue;
      if (known == live.end()) ++fresh;
      plan.changes.push_back(
          {known == live.end() ? Action::kAdd : Action::kAlter,
           absl::StrCat(what, key.ToString())});
    }
    for (const auto& [key, entry] : live) {
      if (current_.Has(key) && !desired.Has(key))
        plan.changes.push_back(
            {Action::kEnd, absl::StrCat(what, key.ToString())});
    }
  };
  compare("address ", desired.addresses(), addresses_.live);
  compare("prefix ", desired.prefixes(), prefixes_.live);
  WantRoom(places_, fresh, plan);
}

void ServiceWriter::Plan(const ServiceTable& desired, ChangePlan& plan) const {
  uint64_t entries = 0, backends = 0;
  for (const auto& [frontend, service] : desired) {
    const auto live = live_.find(frontend);
    const bool is_known =
        live != live_.end() && live->second.target != CC_SERVICE_NONE;
    if (is_known && *live->second.options == *service) continue;
    if (live == live_.end()) ++entries;
    if (!is_known) backends += service->backends.size();
    plan.changes.push_back({is_known ? Action::kAlter : Action::kAdd,
                            absl::StrCat("service ", service->ToString())});
  }
  for (const auto& [frontend, live] : live_) {
    if (live.target != CC_SERVICE_NONE && !desired.contains(frontend)) {
      plan.changes.push_back(
          {Action::kEnd, absl::StrCat("service ", live.options->ToString())});
    }
  }
  WantRoom(entries_, entries, plan);
  WantRoom(backends_, backends, plan);
}

// Of an endpoint or a hop that is new: what no address has.
uint16_t Publisher::KnownWhere(const DesiredAddress& address,
                               const DesiredState& desired) const {
  constexpr uint16_t kNew = CC_REMOTE - 1;
  if (address.endpoint.has_value()) {
    return endpoints_.SlotOf(desired.nodes->endpoints[*address.endpoint].name)
        .value_or(kNew);
  }
  if (!address.hop.has_value()) return static_cast<uint16_t>(CC_REMOTE);
  const auto hop = hops_.find(*address.hop);
  return hop == hops_.end() ? kNew
                            : static_cast<uint16_t>(CC_REMOTE | hop->second);
}

ChangePlan Publisher::Plan(const DesiredState& desired) const {
  ChangePlan tables, plan;
  const std::vector<uint16_t> kept = tables_.Plan(desired.tables, tables);
  endpoints_.Plan(desired, kept, plan);
  plan.changes.insert(plan.changes.end(), tables.changes.begin(),
                      tables.changes.end());
  plan.room.insert(plan.room.end(), tables.room.begin(), tables.room.end());
  PlaceTable places;
  for (const auto& [address, owner] : desired.nodes->addresses) {
    places.SetAddress(
        address, {.peer = owner.peer, .where = KnownWhere(owner, desired)});
  }
  AddPrefixes(*desired.nodes, places);
  places_.Plan(places, plan);
  if (services_.has_value()) services_->Plan(desired.services, plan);
  return plan;
}

}  // namespace ciliumcore::internal
