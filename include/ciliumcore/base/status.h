// SPDX-License-Identifier: Apache-2.0

// Small helpers for absl::Status, the error type of every layer.

#ifndef CILIUMCORE_BASE_STATUS_H_
#define CILIUMCORE_BASE_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

// `status` with its message led by "prefix: "; code and payloads stay. OK stays
// OK.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_STATUS_H_
