// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/label_index_internal.h"

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

std::string PairKey(absl::string_view key, absl::string_view value) {
  std::string pair;
  AppendCounted(pair, key);
  absl::StrAppend(&pair, value);
  return pair;
}

void SortUnique(std::vector<uint32_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

const std::vector<uint32_t>& Posting(
    const absl::flat_hash_map<std::string, std::vector<uint32_t>>& postings,
    const std::string& key) {
  static const auto* const kNone = new std::vector<uint32_t>();
  auto at = postings.find(key);
  return at == postings.end() ? *kNone : at->second;
}

}  // namespace

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

void LabelIndex::Add(const std::string& ns, const Labels& labels) {
  const uint32_t group = static_cast<uint32_t>(groups_.size());
  groups_.push_back({ns, &labels});
  by_ns_[ns].push_back(group);
  for (const Label& label : labels) {
    // A key of two sources counts once.
    std::vector<uint32_t>& keys = by_key_[label.key];
    if (keys.empty() || keys.back() != group) keys.push_back(group);
    std::vector<uint32_t>& pairs = by_pair_[PairKey(label.key, label.value)];
    if (pairs.empty() || pairs.back() != group) pairs.push_back(group);
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
    offer(Posting(by_pair_, PairKey(BareKey(key), value)));
  }
  for (const Requirement& requirement : selector.match_expressions) {
    if (requirement.op == LabelSelector::Operator::kExists) {
      offer(Posting(by_key_, std::string(BareKey(requirement.key))));
    }
    if (requirement.op != LabelSelector::Operator::kIn) continue;
    std::vector<uint32_t> any;
    for (const std::string& value : requirement.values) {
      const auto& one =
          Posting(by_pair_, PairKey(BareKey(requirement.key), value));
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
