// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/diff_output.h"

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {

using Presence = PolicyDiff::Presence;

const char* PresenceName(PolicyDiff::Presence presence) {
  switch (presence) {
    case Presence::kBoth:
      return "both";
    case Presence::kBefore:
      return "before";
    case Presence::kAfter:
      return "after";
  }
  return "";
}

std::string PeerText(const PolicyDiff& diff, uint32_t peer) {
  const Presence presence = diff.PresenceOf(peer);
  return absl::StrCat(
      diff.PeerName(peer),
      presence == Presence::kBoth
          ? ""
          : absl::StrCat(" (only ", PresenceName(presence), ")"));
}

nlohmann::ordered_json NamesJson(const PolicyDiff& diff) {
  auto all = nlohmann::ordered_json::array();
  for (const PolicyDiff::NameOpening& opening : diff.opened_by_names) {
    const bool is_known = !opening.name.empty();
    nlohmann::ordered_json& json = all.emplace_back();
    json["policy"] = opening.policy.ToString();
    json["name"] = nullptr;
    json["source_example"] = nullptr;
    if (!is_known) continue;
    json["name"] = opening.name;
    json["source_example"] = opening.source_example;
  }
  return all;
}

std::string Plural(uint64_t count, const char* one, const char* many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

nlohmann::ordered_json PeerJson(const PolicyDiff& diff, uint32_t peer) {
  nlohmann::ordered_json json = {{"name", diff.PeerName(peer)}};
  if (diff.PresenceOf(peer) != Presence::kBoth) {
    json["only"] = PresenceName(diff.PresenceOf(peer));
  }
  return json;
}

nlohmann::ordered_json PortsJson(const std::vector<PortKeyRange>& ports) {
  auto all = nlohmann::ordered_json::array();
  for (const PortKeyRange& part : CutByProtocol(ports)) {
    const uint32_t first = part.first >> 16;
    const uint32_t last = part.last >> 16;
    if (first != last) {
      all.push_back({{"first_protocol", first}, {"last_protocol", last}});
    } else {
      all.push_back({{"protocol", ProtocolName(static_cast<Protocol>(first))},
                     {"from", part.first & 0xffff},
                     {"to", part.last & 0xffff}});
    }
  }
  return all;
}

}  // namespace ciliumcore::ccore
