// SPDX-License-Identifier: Apache-2.0

// The terms that rules speak of peers in, each once, and which of them mean a
// peer without asking every term.

#ifndef CILIUMCORE_LIB_POLICY_TERM_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_TERM_INDEX_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/cluster.h"
#include "lib/policy/lowered_policy_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {

// Text of which no two terms have the same.
std::string KeyOf(const PodTerm& term);
std::string KeyOf(const PeerTerm& term);

// No pod, no node. An API server's address is one that has a name.
inline bool IsOutside(Identity identity) {
  return identity == Identity::kWorld || identity == Identity::kKubeApiserver;
}

// Whether a term that asks for nothing else than what a variety says means it:
// kWorld, kCluster, kIdentity, kReserved or kNamed.
bool MeansVariety(const PeerTerm& term, const PeerVariety& variety,
                  bool is_pod);

// The namespaces, and which of them terms mean. Thread-compatible.
class NamespaceIndex {
 public:
  // A namespace that is not listed has the label that is its name.
  explicit NamespaceIndex(const std::vector<Namespace>& namespaces);
  void AddUnlisted(const std::string& name);

  bool Means(const NamespaceTerm& term, const std::string& name) const;
  // Cached; valid until the next call.
  const std::vector<std::string>& MeantBy(const NamespaceTerm& term);

 private:
  struct Known {
    std::string name;
    Labels labels;           // as Kubernetes has them
    Labels identity_labels;  // as identities have them
  };
  struct Meant {
    NamespaceTerm term;
    std::vector<std::string> names;
  };

  void Add(Namespace ns);

  std::vector<Known> known_;
  absl::flat_hash_map<std::string, uint32_t> index_;  // in known_, by name
  absl::flat_hash_map<std::string, Meant> meant_;
};

// A term of some rules.
struct IndexedTerm {
  PeerTerm term;
  std::vector<uint32_t> peers;  // ascending; not of kEverybody
  std::vector<uint32_t> rules;  // ascending numbers
};

// Thread-compatible.
class TermIndex {
 public:
  // Both must outlive the index.
  TermIndex(const Universe& universe, const NamespaceIndex& namespaces)
      : universe_(universe), namespaces_(namespaces) {}

  // Null if no rule uses the term.
  IndexedTerm* Find(const PeerTerm& term);
  IndexedTerm& Add(const PeerTerm& term);
  // Ends with its last rule.
  void RemoveRule(const PeerTerm& term, uint32_t rule);

  // The terms that mean a peer of that variety which is no node, those for
  // everybody among them.
  std::vector<IndexedTerm*> Meaning(uint32_t peer,
                                    const PeerVariety& variety) const;

 private:
  using Terms = std::vector<IndexedTerm*>;

  // Where a peer that the term means is sure to look; null if it means none but
  // nodes.
  Terms* ListOf(const PeerTerm& term);
  bool Means(const PeerTerm& term, uint32_t peer,
             const PeerVariety& variety) const;

  const Universe& universe_;
  const NamespaceIndex& namespaces_;
  absl::flat_hash_map<std::string, std::unique_ptr<IndexedTerm>> terms_;
  absl::flat_hash_map<std::string, Terms> by_label_;  // by PairKey
  Terms of_outside_;                                  // those that mean no pod
  Terms rest_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_TERM_INDEX_INTERNAL_H_
