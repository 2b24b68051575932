// SPDX-License-Identifier: Apache-2.0

// Builds verdict tables once for all subjects that the same policies select,
// and keeps them from one compilation to the next.

#ifndef CILIUMCORE_LIB_POLICY_TABLE_CACHE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_TABLE_CACHE_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/policy/cell_decision_internal.h"
#include "lib/policy/policy_unit_internal.h"
#include "lib/policy/table_builder_internal.h"
#include "lib/policy/table_rows_internal.h"

namespace ciliumcore {

// Rule sets by ascending id.
using RuleSetList = std::shared_ptr<const std::vector<RuleSetRef>>;

// A table and what explains its cells.
struct BuiltTable {
  TableRef table;
  RuleSetList rule_sets;
};

// Those of `rule_sets` that cells of the table have.
RuleSetList NeededBy(const CompiledTable& table,
                     std::vector<RuleSetRef> rule_sets);

// Thread-compatible.
class TableCache {
 public:
  // `rule_sets` must outlive the cache.
  explicit TableCache(RuleSetTable* rule_sets) : rule_sets_(*rule_sets) {}

  // Forgets all tables: who there is has changed. All must live until the next
  // Reset.
  void Reset(const Universe& universe, const PolicyUnits& units,
             const ProxyPorts& proxies);

  // Tables that are not asked for between this and Sweep are forgotten then.
  void Begin() { ++round_; }
  void Sweep();

  // The table of subjects that `units` select for `direction`, with `ports` of
  // those that the units name (of ingress). Equal tables are one object. The
  // result is valid until Sweep. ResourceExhausted if numbers run out;
  // InvalidArgument if rules want different proxies for one flow.
  absl::StatusOr<const BuiltTable*> Get(Direction direction,
                                        const SubjectUnits& units,
                                        std::vector<NamedPort> ports);

  // Brings the tables, under the addresses that Get gave, to peers that came or
  // went; the units are there already. As Get; after an error the tables are of
  // no use.
  absl::Status Change(const PeerChanges& changes,
                      const std::vector<MatchedPeer>& matched);

 private:
  using Key = std::tuple<Direction, absl::InlinedVector<uint32_t, 4>,
                         std::vector<NamedPort>>;
  struct Entry {
    uint64_t number = 0;  // in the order of their making
    BuiltTable built;
    uint64_t used = 0;  // the last round
    Direction direction = Direction::kIngress;
    SubjectUnits units;
    std::vector<NamedPort> ports;
    std::vector<const PolicyUnit::Rule*> every;  // those for every peer
  };
  struct ByNumber {
    bool operator()(const Entry* a, const Entry* b) const {
      return a->number < b->number;
    }
  };
  // By peer number: the rules that match it, if it is there.
  using ChangedPeers = std::map<uint32_t, const MatchedPeer*>;

  // By what is in them.
  struct ContentHash {
    size_t operator()(const TableRef& table) const;
  };
  struct ContentEqual {
    bool operator()(const TableRef& a, const TableRef& b) const {
      return *a == *b;
    }
  };

  void SweepContents();
  absl::Status Build(Entry& entry);
  absl::Status ChangePeers(const ChangedPeers& changed, Entry& entry);
  PeerRow RowOf(const MatchedPeer& peer, const Entry& entry,
                CellDecision& cells) const;
  // The one object that is equal to `table`.
  TableRef Interned(CompiledTable table);

  RuleSetTable& rule_sets_;
  const Universe* universe_ = nullptr;
  const PolicyUnits* units_ = nullptr;
  const ProxyPorts* proxies_ = nullptr;
  RuleTrie trie_;
  std::optional<TableBuilder> builder_;
  absl::flat_hash_map<Key, std::unique_ptr<Entry>> entries_;
  absl::flat_hash_map<uint32_t, std::vector<Entry*>> entries_of_unit_;
  absl::flat_hash_set<TableRef, ContentHash, ContentEqual> contents_;
  uint64_t made_ = 0;  // entries
  uint64_t round_ = 0;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_TABLE_CACHE_INTERNAL_H_
