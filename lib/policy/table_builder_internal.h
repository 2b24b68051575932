// SPDX-License-Identifier: Apache-2.0

// Builds one verdict table from the rules that apply to a subject.

#ifndef CILIUMCORE_LIB_POLICY_TABLE_BUILDER_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_TABLE_BUILDER_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/policy/port_ranges_internal.h"

namespace ciliumcore {

// Interns sets of rule numbers. A set is a node; 0 is the empty one. Rules are
// added in ascending order, so that a set has one node whatever it came from.
class RuleTrie {
 public:
  RuleTrie() : nodes_(1) {}

  // `set` and `rule`, which is no less than any in it.
  uint32_t With(uint32_t set, uint32_t rule);

  // Ascending.
  std::vector<uint32_t> Rules(uint32_t set) const;

  // Sets that were ever made.
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    uint32_t parent = 0;
    uint32_t rule = 0;
  };
  std::vector<Node> nodes_;
  absl::flat_hash_map<uint64_t, uint32_t> next_;
};

// A rule as one subject meets it: on which ports it speaks of which peers.
struct AppliedRule {
  uint32_t rule = 0;  // number for the RuleTrie
  const std::vector<PortKeyRange>* ranges = nullptr;
  const std::vector<uint32_t>* peers = nullptr;  // indices; null is every peer
};

// Thread-compatible. Reuses its memory from table to table.
class TableBuilder {
 public:
  // `trie` names the sets that Build asks cells for. It must outlive the
  // builder.
  explicit TableBuilder(RuleTrie& trie) : trie_(trie) {}

  // The number of the peer with that index.
  void SetNumber(uint32_t peer, uint32_t number);

  // The table of `rules`, ascending by rule; one rule may come several times.
  // `cell_of` gives the cell of a set in the trie, the same for the same set.
  // `own_node` is the cell of the host, whatever the rules say.
  CompiledTable Build(const std::vector<AppliedRule>& rules,
                      absl::FunctionRef<Cell(uint32_t)> cell_of,
                      const Cell& own_node);

 private:
  // Splits the peers into those that the same rules match: class_of_ and
  // touched_, and for each class the positions in `rules`, ascending.
  std::vector<std::vector<uint32_t>> Classify(
      const std::vector<AppliedRule>& rules);

  std::vector<uint32_t> numbers_;  // by peer index
  RuleTrie& trie_;
  std::vector<uint32_t> class_of_;  // by peer index; all 0 between two tables
  std::vector<uint32_t> touched_;   // peers whose class may be other than 0
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_TABLE_BUILDER_INTERNAL_H_
