// SPDX-License-Identifier: Apache-2.0

// Compares what two sides judge. The rest of diff.h is in policy_diff.cc.

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/int128.h"
#include "ciliumcore/policy/diff.h"
#include "lib/base/address_number_internal.h"
#include "lib/policy/counterparts_internal.h"
#include "lib/policy/meanings_internal.h"
#include "lib/policy/name_openings_internal.h"
#include "lib/policy/outside_ranges_internal.h"
#include "lib/policy/row_changes_internal.h"

namespace ciliumcore {
namespace {

using Presence = PolicyDiff::Presence;
using Kind = PolicyDiff::Kind;

uint64_t Saturated(absl::uint128 value) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return value > kMost ? kMost : absl::Uint128Low64(value);
}
uint64_t Product(uint64_t a, uint64_t b) {
  return Saturated(absl::uint128(a) * b);
}
uint64_t Sum(uint64_t a, uint64_t b) { return Saturated(absl::uint128(a) + b); }

uint64_t SizeOf(const AddressRange& range) {
  const absl::uint128 distance =
      internal::NumberOf(range.last) - internal::NumberOf(range.first);
  return Sum(Saturated(distance), 1);
}

// One way to be met as a pod, on one side.
struct SideFacet {
  bool is_there = false;
  uint32_t ingress = kNoTable;
  uint32_t egress = kNoTable;
  uint32_t column = 0;
  Family family = Family::kEither;

  friend auto operator<=>(const SideFacet&, const SideFacet&) = default;
};

// The same on both sides. Ways that agree in it are told apart nowhere.
struct Facet {
  SideFacet before;
  SideFacet after;

  friend auto operator<=>(const Facet&, const Facet&) = default;
};

// What a facet stands for: so many pairs' ends, the first of them a pod named
// so.
struct Ends {
  Facet facet;
  uint64_t count = 0;
  std::string example;
};

struct OutsideRange {
  AddressRange range;
  uint32_t before = 0;  // columns
  uint32_t after = 0;
};

// One side's compilation with its meaning.
struct Side {
  Side(const CompiledCluster& of, Meanings& meanings)
      : cluster(of), tables(of.policy, meanings) {}

  // The pod by its address of that index; Counterparts::kNone is not there.
  SideFacet FacetOf(uint32_t pod, uint32_t address) const {
    SideFacet facet;
    if (pod == Counterparts::kNone || address == Counterparts::kNone) {
      return facet;
    }
    const CompiledEndpoint& endpoint = cluster.policy.endpoints[pod];
    const std::vector<IpAddress>& addresses =
        cluster.cluster.pods[pod].addresses;
    facet.is_there = true;
    facet.ingress = endpoint.ingress;
    facet.egress = endpoint.egress;
    facet.column =
        tables.ColumnOf(cluster.policy.peer_map->of_endpoint[pod][address]);
    if (address < addresses.size()) {
      facet.family = FamilyOf(addresses[address]);
    }
    return facet;
  }

  // Without what only matters among pods.
  SideFacet PodFacetOf(uint32_t pod) const {
    SideFacet facet = FacetOf(pod, 0);
    facet.column = 0;
    facet.family = Family::kEither;
    return facet;
  }

  uint32_t ColumnOf(const OutsidePart& part) const {
    return tables.ColumnOf(PeerOf(part, cluster.policy));
  }

  PairRows Between(const SideFacet& source,
                   const SideFacet& destination) const {
    if (!source.is_there || !destination.is_there ||
        !Meet(source.family, destination.family)) {
      return {};
    }
    return {tables.Row(source.egress, destination.column),
            tables.Row(destination.ingress, source.column)};
  }

  PairRows ToOutside(const SideFacet& source, uint32_t column) const {
    if (!source.is_there) return {};
    return {tables.Row(source.egress, column), Meanings::kNobody};
  }

  PairRows FromOutside(uint32_t column, const SideFacet& destination) const {
    if (!destination.is_there) return {};
    return {Meanings::kNobody, tables.Row(destination.ingress, column)};
  }

  const CompiledCluster& cluster;
  MeaningTables tables;
};

// The addresses of one family, cut where a table of either side differs.
std::vector<OutsideRange> RangesOf(const Side& before, const Side& after,
                                   bool is_v4) {
  std::vector<OutsideRange> ranges;
  for (const OutsidePart& part :
       OutsideParts({&before.cluster, &after.cluster}, is_v4)) {
    const AddressRange& range = part.range;
    const uint32_t old_column = before.ColumnOf(part);
    const uint32_t new_column = after.ColumnOf(part);
    if (!ranges.empty() && ranges.back().before == old_column &&
        ranges.back().after == new_column) {
      ranges.back().range.last = range.last;
    } else {
      ranges.push_back({range, old_column, new_column});
    }
  }
  return ranges;
}

// Gathers the changes of one pair of peers.
class PairTally {
 public:
  void Add(const std::vector<uint32_t>& changes, uint64_t count,
           const std::string& source, const std::string& destination) {
    of_pairs_ += count;
    for (uint32_t change : changes) {
      const auto at =
          std::find_if(entries_.begin(), entries_.end(),
                       [&](const Entry& e) { return e.change == change; });
      if (at != entries_.end()) {
        at->pairs += count;
      } else {
        entries_.push_back({change, count, &source, &destination});
      }
    }
  }

  // The strings given to Add must still live.
  void MoveTo(uint32_t source, uint32_t destination, const RowChanges& all,
              PolicyDiff& diff) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [&all](const Entry& a, const Entry& b) {
                       return all.change(a.change).kind <
                              all.change(b.change).kind;
                     });
    for (const Entry& entry : entries_) {
      const RowChange& change = all.change(entry.change);
      diff.changes.push_back({source, destination, change.kind, change.ports,
                              change.before, change.after, entry.pairs,
                              of_pairs_, *entry.source, *entry.destination});
    }
    entries_.clear();
    of_pairs_ = 0;
  }

 private:
  struct Entry {
    uint32_t change = 0;
    uint64_t pairs = 0;
    const std::string* source = nullptr;
    const std::string* destination = nullptr;
  };

  std::vector<Entry> entries_;
  uint64_t of_pairs_ = 0;
};

class DiffBuilder {
 public:
  DiffBuilder(const CompiledCluster& before, const CompiledCluster& after)
      : before_(before, meanings_), after_(after, meanings_) {}

  PolicyDiff Build() && {
    for (const WorkloadCounterparts& workload :
         MatchWorkloads(before_.cluster, after_.cluster, diff_.lone_pods)) {
      diff_.workloads.push_back(workload.workload);
      AddMembers(workload.pods);
    }
    for (bool is_v4 : {true, false}) {
      for (OutsideRange& range : RangesOf(before_, after_, is_v4)) {
        diff_.ranges.push_back(range.range);
        outside_.push_back(std::move(range));
        outside_examples_.push_back(diff_.ranges.back().first.ToString());
      }
    }
    const uint32_t workloads = static_cast<uint32_t>(members_.size());
    const uint32_t ranges = static_cast<uint32_t>(outside_.size());
    for (uint32_t source = 0; source < workloads; ++source) {
      for (uint32_t target = 0; target < workloads; ++target) {
        AmongPods(source, target);
      }
      for (uint32_t i = 0; i < ranges; ++i) ToOutside(source, i);
    }
    for (uint32_t i = 0; i < ranges; ++i) {
      for (uint32_t target = 0; target < workloads; ++target) {
        FromOutside(i, target);
      }
    }
    diff_.port_sets = changes_.port_sets();
    diff_.rule_sets = meanings_.rule_sets();
    return std::move(diff_);
  }

 private:
  struct Members {
    std::vector<Ends> ways;  // for flows among pods
    std::vector<Ends> pods;  // for flows with addresses outside
    // Of two places in `ways`, how often they are the same pod's.
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> own;
  };

  // The place in `ends` of the facet, counted once more.
  static uint32_t Count(const Facet& facet, const std::string& example,
                        std::map<Facet, uint32_t>& places,
                        std::vector<Ends>& ends) {
    const auto [at, inserted] =
        places.try_emplace(facet, static_cast<uint32_t>(ends.size()));
    if (inserted) ends.push_back({facet, 0, example});
    ++ends[at->second].count;
    return at->second;
  }

  void AddMembers(const std::vector<Counterparts>& pods) {
    Members& members = members_.emplace_back();
    std::map<Facet, uint32_t> ways, whole;
    for (const Counterparts& pod : pods) {
      const bool was = pod.before != Counterparts::kNone;
      const bool is = pod.after != Counterparts::kNone;
      const Pod* const old_pod =
          was ? &before_.cluster.cluster.pods[pod.before] : nullptr;
      const Pod* const new_pod =
          is ? &after_.cluster.cluster.pods[pod.after] : nullptr;
      // The name that is there after, where the two differ.
      const std::string name = (is ? new_pod : old_pod)->ToString();
      std::vector<uint32_t> own;
      // Where a pod is not there, one address would count as several.
      for (const Counterparts& way :
           MatchAddresses(was ? old_pod->addresses : new_pod->addresses,
                          is ? new_pod->addresses : old_pod->addresses)) {
        own.push_back(Count({before_.FacetOf(pod.before, way.before),
                             after_.FacetOf(pod.after, way.after)},
                            name, ways, members.ways));
      }
      for (uint32_t a : own) {
        for (uint32_t b : own) ++members.own[{a, b}];
      }
      Count({before_.PodFacetOf(pod.before), after_.PodFacetOf(pod.after)},
            name, whole, members.pods);
    }
  }

  void AmongPods(uint32_t source, uint32_t destination) {
    const Members& from = members_[source];
    const Members& to = members_[destination];
    for (uint32_t i = 0; i < from.ways.size(); ++i) {
      for (uint32_t j = 0; j < to.ways.size(); ++j) {
        uint64_t count = from.ways[i].count * to.ways[j].count;
        // A pod and itself are no pair.
        if (source == destination) {
          const auto own = from.own.find({i, j});
          if (own != from.own.end()) count -= own->second;
        }
        if (count == 0) continue;
        Add(before_.Between(from.ways[i].facet.before, to.ways[j].facet.before),
            after_.Between(from.ways[i].facet.after, to.ways[j].facet.after),
            count, from.ways[i].example, to.ways[j].example);
      }
    }
    tally_.MoveTo(source, destination, changes_, diff_);
  }

  void ToOutside(uint32_t source, uint32_t range) {
    const OutsideRange& to = outside_[range];
    for (const Ends& from : members_[source].pods) {
      Add(before_.ToOutside(from.facet.before, to.before),
          after_.ToOutside(from.facet.after, to.after), from.count,
          from.example, outside_examples_[range], SizeOf(to.range));
    }
    tally_.MoveTo(source, NumberOf(range), changes_, diff_);
  }

  void FromOutside(uint32_t range, uint32_t destination) {
    const OutsideRange& from = outside_[range];
    for (const Ends& to : members_[destination].pods) {
      Add(before_.FromOutside(from.before, to.facet.before),
          after_.FromOutside(from.after, to.facet.after), to.count,
          outside_examples_[range], to.example, SizeOf(from.range));
    }
    tally_.MoveTo(NumberOf(range), destination, changes_, diff_);
  }

  uint32_t NumberOf(uint32_t range) const {
    return static_cast<uint32_t>(members_.size()) + range;
  }

  void Add(const PairRows& before, const PairRows& after, uint64_t count,
           const std::string& source, const std::string& destination,
           uint64_t addresses = 1) {
    if (before == PairRows() && after == PairRows()) return;
    const std::vector<uint32_t>& changes = changes_.Between(before, after);
    tally_.Add(changes, count, source, destination);
    const uint64_t all = Product(count, addresses);
    bool opens = false;
    bool closes = false;
    for (uint32_t number : changes) {
      const RowChange& change = changes_.change(number);
      if (change.kind == Kind::kOtherRules) continue;
      const bool is_opening = change.kind == Kind::kOpens;
      (is_opening ? opens : closes) = true;
      PolicyDiff::Total& total = is_opening ? diff_.opened : diff_.closed;
      total.ports = Sum(total.ports, Product(all, change.port_count));
    }
    if (opens) diff_.opened.pairs = Sum(diff_.opened.pairs, all);
    if (closes) diff_.closed.pairs = Sum(diff_.closed.pairs, all);
  }

  Meanings meanings_;
  const Side before_;
  const Side after_;
  RowChanges changes_{meanings_};
  PairTally tally_;
  std::vector<Members> members_;  // by workload
  std::vector<OutsideRange> outside_;
  std::vector<std::string> outside_examples_;
  PolicyDiff diff_;
};

}  // namespace

PolicyDiff DiffWithoutNames(const CompiledCluster& before,
                            const CompiledCluster& after) {
  return DiffBuilder(before, after).Build();
}

}  // namespace ciliumcore
