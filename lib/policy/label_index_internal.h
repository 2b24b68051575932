// SPDX-License-Identifier: Apache-2.0

// Finds the label sets that selectors match without asking every set.

#ifndef CILIUMCORE_LIB_POLICY_LABEL_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_LABEL_INDEX_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"

namespace ciliumcore {

// A selector as text: equal text means equal selectors.
std::string SelectorKey(const LabelSelector& selector);

// Text of which no two labels, but for their source, have the same; `key` may
// have the source that a selector asks for.
std::string PairKey(absl::string_view key, absl::string_view value);

// Posting lists of label sets ("groups") by label and by namespace. The labels
// must outlive the index.
class LabelIndex {
 public:
  // Adds a group under a number that none has.
  void Set(uint32_t group, const std::string& ns, const Labels& labels);
  void Remove(uint32_t group);

  // Those with a group, ascending.
  std::vector<std::string> Namespaces() const;

  // The groups of `namespaces` (distinct) that `selector` matches, ascending.
  std::vector<uint32_t> Find(const LabelSelector& selector,
                             const std::vector<std::string>& namespaces) const;

 private:
  using Postings = absl::flat_hash_map<std::string, std::vector<uint32_t>>;

  struct Group {
    std::string ns;
    const Labels* labels = nullptr;
  };

  // A superset of what `selector` matches in any namespace, or null where the
  // index cannot narrow it; `scratch` may hold it.
  const std::vector<uint32_t>* Candidates(const LabelSelector& selector,
                                          std::vector<uint32_t>& scratch) const;

  // Calls `visit` with each list that the group belongs in, by kind and key.
  template <typename Visit>
  void VisitPostings(const Group& group, Visit visit);

  std::vector<Group> groups_;  // by number
  Postings by_ns_;
  Postings by_key_;
  Postings by_pair_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_LABEL_INDEX_INTERNAL_H_
