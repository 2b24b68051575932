// SPDX-License-Identifier: Apache-2.0

// Parts of a WhyNot and of an AllowingChange as JSON.

#ifndef CILIUMCORE_TOOLS_CCORE_WHY_NOT_JSON_H_
#define CILIUMCORE_TOOLS_CCORE_WHY_NOT_JSON_H_

#include <vector>

#include "ciliumcore/policy/why_not.h"
#include "nlohmann/json.hpp"

namespace ciliumcore::ccore {

nlohmann::ordered_json DenialJson(const DeniedSide& side);
nlohmann::ordered_json ProxiedJson(const std::vector<ProxiedSide>& sides);
nlohmann::ordered_json ChangeJson(const AllowingChange& change);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_WHY_NOT_JSON_H_
