// SPDX-License-Identifier: Apache-2.0

#include <algorithm>

#include "lib/policy/yaml_anchors_internal.h"

namespace ciliumcore::internal {

YamlExtent ExtentOf(const YamlNode& node) {
  YamlExtent all = {.bytes = node.text.size()};
  for (const YamlKey& key : node.keys) all.bytes += key.text.size();
  for (const YamlNode& item : node.items) {
    const YamlExtent one = ExtentOf(item);
    all.nodes += one.nodes;
    all.bytes += one.bytes;
    all.depth = std::max(all.depth, one.depth + 1);
  }
  return all;
}

bool YamlCopies::Add(const YamlExtent& extent) {
  nodes_ += extent.nodes;
  bytes_ += extent.bytes;
  return nodes_ <= kMaxAliasNodes && bytes_ <= kMaxAliasBytes;
}

YamlAnchor YamlAnchors::Begin(absl::string_view name) {
  if (name.empty()) return {};
  const YamlAnchor anchor = {.name = std::string(name), .number = ++begun_};
  last_[anchor.name] = {.number = anchor.number};
  return anchor;
}

bool YamlAnchors::IsLast(const YamlAnchor& anchor) const {
  const auto found = last_.find(anchor.name);
  return found != last_.end() && found->second.number == anchor.number;
}

void YamlAnchors::Complete(const YamlAnchor& anchor, const YamlNode& node) {
  last_[anchor.name].node = node;
}

const std::optional<YamlNode>* YamlAnchors::Find(absl::string_view name) const {
  const auto found = last_.find(std::string(name));
  return found == last_.end() ? nullptr : &found->second.node;
}

}  // namespace ciliumcore::internal
