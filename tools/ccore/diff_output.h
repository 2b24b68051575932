// SPDX-License-Identifier: Apache-2.0

// Parts of a PolicyDiff as text and JSON.

#ifndef CILIUMCORE_TOOLS_CCORE_DIFF_OUTPUT_H_
#define CILIUMCORE_TOOLS_CCORE_DIFF_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ciliumcore/policy/diff.h"
#include "nlohmann/json.hpp"

namespace ciliumcore::ccore {

// "both", "before" or "after".
const char* PresenceName(PolicyDiff::Presence presence);

// "shop/web[Deployment] (only before)".
std::string PeerText(const PolicyDiff& diff, uint32_t peer);
nlohmann::ordered_json PeerJson(const PolicyDiff& diff, uint32_t peer);

// PolicyDiff::opened_by_names.
nlohmann::ordered_json NamesJson(const PolicyDiff& diff);

nlohmann::ordered_json PortsJson(const std::vector<PortKeyRange>& ports);

// "1 pair", "2 pairs".
std::string Plural(uint64_t count, const char* one, const char* many);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_DIFF_OUTPUT_H_
