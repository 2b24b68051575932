// SPDX-License-Identifier: Apache-2.0

// Writes verdict tables beside those in use.

#ifndef CILIUMCORE_LIB_DATAPATH_TABLE_WRITER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_TABLE_WRITER_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <list>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/datapath/adoption_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/pools_internal.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

// A table never changes while a packet may read it, but for one kind of change
// that no packet can notice: a class for a peer that no address has yet.
class TableWriter {
 public:
  TableWriter(PublishedMaps* maps, GraceKeeper* grace);

  // Goes on with the tables `in_use` that an earlier process left; before
  // anything is staged. DataLoss if they are not such as a writer leaves.
  absl::Status Adopt(const std::set<uint16_t>& in_use, const Found& found);

  // What Stage would do. Returns the index of each table that stays as it is, 0
  // for a new one.
  std::vector<uint16_t> Plan(absl::Span<const TableRef> wanted,
                             ChangePlan& plan) const;

  // Writes the tables that are not there yet; returns the index of each. Those
  // that are not among `wanted` are retired once the change is published.
  // `is_placed`: whether an address has the peer now.
  absl::StatusOr<std::vector<uint16_t>> Stage(
      absl::Span<const TableRef> wanted,
      absl::FunctionRef<bool(uint32_t peer)> is_placed, uint32_t next,
      Staging& staging);

  size_t live() const { return live_.size(); }

 private:
  struct Live {
    TableRef content;
    uint32_t index = 0, cells = 0;
    std::vector<uint32_t> pages;
    bool is_wanted = false;
  };
  struct Retired {
    uint32_t epoch;
    Live table;
  };

  absl::Status AdoptOne(uint32_t index, const Found& found,
                        std::vector<std::pair<uint32_t, uint32_t>> classes);
  absl::Status AdoptAxis(const cc_table& table, const Found& found, Live& live,
                         std::vector<uint32_t>& bounds);
  absl::Status AdoptPage(uint32_t page, bool is_root, Live& live);
  void DropStrays();

  Live* FindEqual(const TableRef& table) const;
  void Insert(Live& live);
  void Erase(const Live& live);
  // A live table that lacks nothing but classes of peers without an address.
  Live* FindExtensible(const CompiledTable& table,
                       absl::FunctionRef<bool(uint32_t peer)> is_placed);
  absl::Status Extend(Live& live, const TableRef& table, Staging& staging);
  absl::StatusOr<Live*> Write(const TableRef& table, uint32_t next,
                              Staging& staging);
  absl::Status WriteAxis(const CompiledTable& table, cc_table& out, Live& live);
  absl::StatusOr<uint32_t> WriteRoot(const CompiledTable& table,
                                     Protocol protocol, Live& live);
  absl::StatusOr<uint32_t> WritePage(const cc_port_page& page, Live& live);
  absl::Status PutClasses(
      uint32_t index, absl::Span<const std::pair<uint32_t, uint32_t>> classes);
  void EraseClasses(uint32_t index,
                    absl::Span<const std::pair<uint32_t, uint32_t>> classes);

  // Takes room, waiting for retired tables if there is none.
  absl::StatusOr<uint32_t> Take(RangePool& pool, uint32_t count);
  void Collect();
  void Free(const Live& live);

  PublishedMaps* const maps_;
  GraceKeeper* const grace_;
  RangePool indexes_, cells_, pages_;
  std::list<Live> live_;
  // `live_` by its content: the object, and what is in it.
  absl::flat_hash_map<const CompiledTable*, Live*> by_object_;
  std::unordered_multimap<size_t, Live*> by_hash_;
  std::deque<Retired> retired_;
  // Of tables that an earlier process had retired: to go before their indexes
  // are used again.
  std::vector<cc_class_key> strays_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_TABLE_WRITER_INTERNAL_H_
