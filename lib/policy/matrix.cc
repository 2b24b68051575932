// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/matrix.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/outside_ranges_internal.h"
#include "lib/policy/port_sets_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

// One way to be a pod: pods and addresses that agree in it are told apart
// nowhere.
struct Facet {
  uint32_t ingress = kNoTable;
  uint32_t egress = kNoTable;
  uint32_t peer = 0;  // column of Access
  Family family = Family::kEither;

  friend auto operator<=>(const Facet&, const Facet&) = default;
};

// What each table allows each peer, as numbers of port sets.
class Access {
 public:
  explicit Access(const CompiledPolicy& policy) {
    columns_.reserve(policy.peer_map->peers.size());
    for (const auto& [number, peer] : policy.peer_map->peers) {
      columns_.try_emplace(number, static_cast<uint32_t>(columns_.size()));
    }
    for (const TableRef& ref : policy.tables) {
      const CompiledTable& table = *ref;
      std::vector<uint32_t> by_class;
      for (uint32_t cls = 0; cls < table.class_count; ++cls) {
        by_class.push_back(sets_.Of(table, cls));
      }
      std::vector<uint32_t>& row =
          rows_.emplace_back(columns_.size(), by_class[0]);
      for (const auto& [peer, cls] : table.classes) {
        if (auto column = columns_.find(peer); column != columns_.end()) {
          row[column->second] = by_class[cls];
        }
      }
    }
  }

  uint32_t ColumnOf(uint32_t peer) const { return columns_.at(peer); }

  uint32_t Of(uint32_t table, uint32_t column) const {
    return table == kNoTable ? PortSets::kEvery : rows_[table][column];
  }

  // True if no table tells the two peers apart.
  bool AreAlike(uint32_t column, uint32_t other) const {
    return std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) {
      return row[column] == row[other];
    });
  }

  PortSets& sets() { return sets_; }

 private:
  PortSets sets_;
  absl::flat_hash_map<uint32_t, uint32_t> columns_;
  std::vector<std::vector<uint32_t>> rows_;  // by table and column
};

// A range outside with the column of its peer.
struct Outside {
  AddressRange range;
  uint32_t column = 0;
};

// The addresses of one family, cut where `access` differs.
std::vector<Outside> RangesOf(const CompiledCluster& cluster,
                              const Access& access, bool is_v4) {
  std::vector<Outside> ranges;
  for (const OutsidePart& part : OutsideParts({&cluster}, is_v4)) {
    const uint32_t column = access.ColumnOf(PeerOf(part, cluster.policy));
    if (!ranges.empty() && access.AreAlike(ranges.back().column, column)) {
      ranges.back().range.last = part.range.last;
    } else {
      ranges.push_back({part.range, column});
    }
  }
  return ranges;
}

class MatrixBuilder {
 public:
  explicit MatrixBuilder(const CompiledCluster& cluster)
      : cluster_(cluster), access_(cluster.policy) {}

  Matrix Build() && {
    for (const Workload& workload : cluster_.workloads) {
      facets_.push_back(FacetsOf(workload));
    }
    for (bool is_v4 : {true, false}) {
      std::vector<Outside> more = RangesOf(cluster_, access_, is_v4);
      outside_.insert(outside_.end(), more.begin(), more.end());
    }
    const uint32_t workloads = static_cast<uint32_t>(facets_.size());
    const uint32_t ranges = static_cast<uint32_t>(outside_.size());
    for (uint32_t source = 0; source < workloads; ++source) {
      for (uint32_t destination = 0; destination < workloads; ++destination) {
        if (source == destination) continue;
        Add(source, destination,
            Between(facets_[source], facets_[destination]));
      }
      for (uint32_t i = 0; i < ranges; ++i) {
        Add(source, workloads + i, ToOutside(facets_[source], outside_[i]));
      }
    }
    for (uint32_t i = 0; i < ranges; ++i) {
      for (uint32_t destination = 0; destination < workloads; ++destination) {
        Add(workloads + i, destination,
            FromOutside(outside_[i], facets_[destination]));
      }
    }
    for (const Outside& outside : outside_) {
      matrix_.ranges.push_back(outside.range);
    }
    matrix_.workloads = cluster_.workloads;
    matrix_.port_sets = access_.sets().sets();
    return std::move(matrix_);
  }

 private:
  std::vector<Facet> FacetsOf(const Workload& workload) const {
    std::vector<Facet> facets;
    for (uint32_t pod : workload.pods) {
      const CompiledEndpoint& endpoint = cluster_.policy.endpoints[pod];
      const std::vector<IpAddress>& addresses =
          cluster_.cluster.pods[pod].addresses;
      const auto& peers = cluster_.policy.peer_map->of_endpoint[pod];
      for (size_t i = 0; i < peers.size(); ++i) {
        Family family = Family::kEither;
        if (i < addresses.size()) {
          family = FamilyOf(addresses[i]);
        }
        facets.push_back({endpoint.ingress, endpoint.egress,
                          access_.ColumnOf(peers[i]), family});
      }
    }
    SortUnique(facets);
    return facets;
  }

  uint32_t Between(const std::vector<Facet>& sources,
                   const std::vector<Facet>& destinations) {
    PortSets& sets = access_.sets();
    uint32_t allowed = PortSets::kNone;
    for (const Facet& source : sources) {
      for (const Facet& destination : destinations) {
        if (!Meet(source.family, destination.family)) continue;
        allowed = sets.Union(
            allowed,
            sets.Intersection(access_.Of(source.egress, destination.peer),
                              access_.Of(destination.ingress, source.peer)));
      }
    }
    return allowed;
  }

  uint32_t ToOutside(const std::vector<Facet>& sources,
                     const Outside& destination) {
    uint32_t allowed = PortSets::kNone;
    for (const Facet& source : sources) {
      allowed = access_.sets().Union(
          allowed, access_.Of(source.egress, destination.column));
    }
    return allowed;
  }

  uint32_t FromOutside(const Outside& source,
                       const std::vector<Facet>& destinations) {
    uint32_t allowed = PortSets::kNone;
    for (const Facet& destination : destinations) {
      allowed = access_.sets().Union(
          allowed, access_.Of(destination.ingress, source.column));
    }
    return allowed;
  }

  void Add(uint32_t source, uint32_t destination, uint32_t allowed) {
    if (allowed == PortSets::kNone) return;
    matrix_.connections.push_back({source, destination, allowed});
  }

  const CompiledCluster& cluster_;
  Access access_;
  std::vector<std::vector<Facet>> facets_;  // by workload
  std::vector<Outside> outside_;
  Matrix matrix_;
};

}  // namespace

std::string AddressRange::ToString() const {
  return absl::StrCat(first.ToString(), "-", last.ToString());
}

std::string Matrix::PeerName(uint32_t peer) const {
  return peer < workloads.size() ? workloads[peer].ToString()
                                 : ranges[peer - workloads.size()].ToString();
}

Matrix ComputeMatrix(const CompiledCluster& cluster) {
  return MatrixBuilder(cluster).Build();
}

}  // namespace ciliumcore
