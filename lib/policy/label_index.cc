// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/label_index_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

using Requirement = LabelSelector::Requirement;

// Text of which no two lists are the same.
void AppendCounted(std::string& out, absl::string_view text) {
  absl::StrAppend(&out, text.size(), ":", text);
}

// Without the source that a selector asks for.
absl::string_view BareKey(absl::string_view key) {
  const size_t colon = key.find(':');
  return colon == absl::string_view::npos ? key : key.substr(colon + 1);
}

const std::vector<uint32_t>& Posting(
    const absl::flat_hash_map<std::string, std::vector<uint32_t>>& postings,
    const std::string& key) {
  static const auto* const kNone = new std::vector<uint32_t>();
  auto at = postings.find(key);
  return at == postings.end() ? *kNone : at->second;
}

}  // namespace

std::string PairKey(absl::string_view key, absl::string_view value) {
  std::string pair;
  AppendCounted(pair, BareKey(key));
  absl::StrAppend(&pair, value);
  return pair;
}

std::string SelectorKey(const LabelSelector& selector) {
  std::string text;
  for (const auto& [key, value] : selector.match_labels) {
    text += '=';
    AppendCounted(text, key);
    AppendCounted(text, value);
  }
  for (const Requirement& requirement : selector.match_expressions) {
    absl::StrAppend(&text, "?", static_cast<int>(requirement.op), ",");
    AppendCounted(text, requirement.key);
    for (const std::string& value : requirement.values) {
      text += '|';
      AppendCounted(text, value);
    }
  }
  return text;
}

void LabelIndex::Set(uint32_t group, const std::string& ns,
                     const Labels& labels) {
  if (group >= groups_.size()) groups_.resize(group + 1);
  groups_[group] = {ns, &labels};
  VisitPostings(groups_[group], [group](Postings& postings, std::string key) {
    // A key or a pair of two sources counts once.
    InsertSorted(postings[std::move(key)], group);
  });
}

void LabelIndex::Remove(uint32_t group) {
  VisitPostings(groups_[group], [group](Postings& postings, std::string key) {
    const auto posting = postings.find(key);
    if (posting == postings.end()) return;
    EraseSorted(posting->second, group);
    if (posting->second.empty()) postings.erase(posting);
  });
  groups_[group] = {};
}

template <typename Visit>
void LabelIndex::VisitPostings(const Group& group, Visit visit) {
  visit(by_ns_, group.ns);
  for (const Label& label : *group.labels) {
    visit(by_key_, label.key);
    visit(by_pair_, PairKey(label.key, label.value));
  }
}

std::vector<std::string> LabelIndex::Namespaces() const {
  std::vector<std::string> names;
  for (const auto& [ns, groups] : by_ns_) names.push_back(ns);
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<uint32_t>* LabelIndex::Candidates(
    const LabelSelector& selector, std::vector<uint32_t>& scratch) const {
  const std::vector<uint32_t>* best = nullptr;
  const auto offer = [&best](const std::vector<uint32_t>& posting) {
    if (best == nullptr || posting.size() < best->size()) best = &posting;
  };
  for (const auto& [key, value] : selector.match_labels) {
    offer(Posting(by_pair_, PairKey(key, value)));
  }
  for (const Requirement& requirement : selector.match_expressions) {
    if (requirement.op == LabelSelector::Operator::kExists) {
      offer(Posting(by_key_, std::string(BareKey(requirement.key))));
    }
    if (requirement.op != LabelSelector::Operator::kIn) continue;
    std::vector<uint32_t> any;
    for (const std::string& value : requirement.values) {
      const auto& one = Posting(by_pair_, PairKey(requirement.key, value));
      any.insert(any.end(), one.begin(), one.end());
    }
    SortUnique(any);
    if (best == nullptr || any.size() < best->size()) {
      scratch = std::move(any);
      best = &scratch;
    }
  }
  return best;
}

std::vector<uint32_t> LabelIndex::Find(
    const LabelSelector& selector,
    const std::vector<std::string>& namespaces) const {
  std::vector<uint32_t> scratch;
  const std::vector<uint32_t>* by_label = Candidates(selector, scratch);
  size_t in_namespaces = 0;
  for (const std::string& ns : namespaces) {
    in_namespaces += Posting(by_ns_, ns).size();
  }

  std::vector<uint32_t> found;
  if (by_label != nullptr && by_label->size() < in_namespaces) {
    const absl::flat_hash_set<absl::string_view> allowed(namespaces.begin(),
                                                         namespaces.end());
    std::copy_if(by_label->begin(), by_label->end(), std::back_inserter(found),
                 [&](uint32_t group) {
                   return allowed.contains(groups_[group].ns) &&
                          selector.Matches(*groups_[group].labels);
                 });
    return found;
  }
  for (const std::string& ns : namespaces) {
    const std::vector<uint32_t>& members = Posting(by_ns_, ns);
    std::copy_if(members.begin(), members.end(), std::back_inserter(found),
                 [&](uint32_t group) {
                   return selector.Matches(*groups_[group].labels);
                 });
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace ciliumcore
