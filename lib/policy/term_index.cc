// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/term_index_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

using Kind = PeerTerm::Kind;

std::string KeyOf(const NamespaceTerm& term) {
  std::string key;
  if (term.selector.has_value()) {
    absl::StrAppend(&key, term.by_identity_labels, SelectorKey(*term.selector));
  }
  absl::StrAppend(&key, "in ", absl::StrJoin(term.names, " "));
  return key;
}

// Of an API server outside the cluster: it is of the world.
Labels LabelsOfReserved(Identity identity) {
  if (identity != Identity::kKubeApiserver) return ReservedLabels(identity);
  Labels labels = ReservedLabels(Identity::kWorld);
  labels.Set({std::string(kSourceReserved), IdentityName(identity), ""});
  return labels;
}

}  // namespace

bool MeansVariety(const PeerTerm& term, const PeerVariety& variety,
                  bool is_pod) {
  switch (term.kind) {
    case Kind::kWorld:
      return IsOutside(variety.identity);
    case Kind::kCluster:
      return !IsOutside(variety.identity);
    case Kind::kIdentity:
      return variety.identity == term.identity;
    case Kind::kReserved:
      return !is_pod &&
             term.selector.Matches(LabelsOfReserved(variety.identity));
    case Kind::kNamed:
      return std::any_of(term.names.begin(), term.names.end(),
                         [&](const std::string& selector) {
                           return variety.labels.Get(kSourceFqdn, selector) !=
                                  nullptr;
                         });
    default:
      return false;
  }
}

std::string KeyOf(const PodTerm& term) {
  return absl::StrCat(KeyOf(term.namespaces), " pod ", SelectorKey(term.pods));
}

std::string KeyOf(const PeerTerm& term) {
  std::string key = absl::StrCat(static_cast<int>(term.kind), " ",
                                 static_cast<uint32_t>(term.identity), " ");
  switch (term.kind) {
    case Kind::kBlock:
    case Kind::kWorldIn:
      absl::StrAppend(&key, term.cidr.ToString());
      for (const IpPrefix& hole : term.except) {
        absl::StrAppend(&key, " ", hole.ToString());
      }
      break;
    case Kind::kPods:
      absl::StrAppend(&key, KeyOf(term.pods));
      break;
    case Kind::kNamed:
      absl::StrAppend(&key, absl::StrJoin(term.names, " "));
      break;
    default:
      absl::StrAppend(&key, SelectorKey(term.selector));
  }
  return key;
}

NamespaceIndex::NamespaceIndex(const std::vector<Namespace>& namespaces) {
  for (const Namespace& ns : namespaces) Add(ns);
}

void NamespaceIndex::AddUnlisted(const std::string& name) {
  if (!index_.contains(name)) Add({name, {}});
}

void NamespaceIndex::Add(Namespace ns) {
  index_.emplace(ns.name, static_cast<uint32_t>(known_.size()));
  ns.labels.Set(kNamespaceNameLabel, ns.name);
  Labels identity_labels = PodIdentityLabels({}, ns);
  known_.push_back({ns.name, std::move(ns.labels), std::move(identity_labels)});
  for (auto& [key, meant] : meant_) {
    if (Means(meant.term, ns.name)) meant.names.push_back(ns.name);
  }
}

bool NamespaceIndex::Means(const NamespaceTerm& term,
                           const std::string& name) const {
  if (!term.names.empty() && std::find(term.names.begin(), term.names.end(),
                                       name) == term.names.end()) {
    return false;
  }
  if (!term.selector.has_value()) return !term.names.empty();
  const auto at = index_.find(name);
  if (at == index_.end()) return false;
  const Known& known = known_[at->second];
  return term.selector->Matches(term.by_identity_labels ? known.identity_labels
                                                        : known.labels);
}

const std::vector<std::string>& NamespaceIndex::MeantBy(
    const NamespaceTerm& term) {
  if (!term.selector.has_value()) return term.names;
  const auto [at, inserted] = meant_.try_emplace(KeyOf(term));
  if (inserted) {
    at->second.term = term;
    for (const Known& known : known_) {
      if (Means(term, known.name)) at->second.names.push_back(known.name);
    }
  }
  return at->second.names;
}

IndexedTerm* TermIndex::Find(const PeerTerm& term) {
  const auto at = terms_.find(KeyOf(term));
  return at == terms_.end() ? nullptr : at->second.get();
}

IndexedTerm& TermIndex::Add(const PeerTerm& term) {
  std::unique_ptr<IndexedTerm>& added = terms_[KeyOf(term)];
  added = std::make_unique<IndexedTerm>(IndexedTerm{term, {}, {}});
  if (Terms* list = ListOf(term)) list->push_back(added.get());
  return *added;
}

void TermIndex::RemoveRule(const PeerTerm& term, uint32_t rule) {
  const auto at = terms_.find(KeyOf(term));
  if (at == terms_.end()) return;
  std::erase(at->second->rules, rule);
  if (!at->second->rules.empty()) return;
  if (Terms* list = ListOf(term)) std::erase(*list, at->second.get());
  terms_.erase(at);
}

TermIndex::Terms* TermIndex::ListOf(const PeerTerm& term) {
  switch (term.kind) {
    case Kind::kPods:
      if (term.pods.pods.match_labels.empty()) return &rest_;
      return &by_label_[PairKey(term.pods.pods.match_labels.front().first,
                                term.pods.pods.match_labels.front().second)];
    case Kind::kEverybody:
    case Kind::kBlock:
    case Kind::kCluster:
    case Kind::kIdentity:
      return &rest_;
    case Kind::kWorld:
    case Kind::kWorldIn:
    case Kind::kReserved:
    case Kind::kNamed:
      return &of_outside_;
    case Kind::kNodes:
      return nullptr;
  }
  return nullptr;
}

std::vector<IndexedTerm*> TermIndex::Meaning(uint32_t peer,
                                             const PeerVariety& variety) const {
  Terms meaning;
  const auto ask = [&](const Terms& terms) {
    for (IndexedTerm* term : terms) {
      if (Means(term->term, peer, variety)) meaning.push_back(term);
    }
  };
  ask(rest_);
  if (!universe_.IsPod(peer)) {
    ask(of_outside_);
    return meaning;
  }
  for (const Label& label : universe_.LabelsOf(universe_.GroupOfPeer(peer))) {
    const auto list = by_label_.find(PairKey(label.key, label.value));
    if (list != by_label_.end()) ask(list->second);
  }
  // Labels of two sources may be one to the index.
  SortUnique(meaning);
  return meaning;
}

bool TermIndex::Means(const PeerTerm& term, uint32_t peer,
                      const PeerVariety& variety) const {
  const uint32_t group = universe_.GroupOfPeer(peer);
  switch (term.kind) {
    case Kind::kEverybody:
      return true;
    case Kind::kPods:
      return group != kNoGroup &&
             namespaces_.Means(term.pods.namespaces,
                               universe_.NamespaceOf(group)) &&
             term.pods.pods.Matches(universe_.LabelsOf(group));
    case Kind::kBlock:
    case Kind::kWorldIn: {
      const uint32_t cover = universe_.CoverOfPeer(peer);
      if (cover == kNoCover) return false;
      if (term.kind == Kind::kWorldIn && !IsOutside(variety.identity)) {
        return false;
      }
      const IpPrefix& prefix = universe_.covers().nodes()[cover].prefix;
      return Covers::IsInside(prefix, term.cidr, term.except);
    }
    case Kind::kWorld:
    case Kind::kCluster:
    case Kind::kIdentity:
    case Kind::kReserved:
    case Kind::kNamed:
      return MeansVariety(term, variety, group != kNoGroup);
    case Kind::kNodes:
      return false;
  }
  return false;
}

}  // namespace ciliumcore
