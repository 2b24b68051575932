// SPDX-License-Identifier: Apache-2.0

// Early return on error, for sources of this library only.

#ifndef CILIUMCORE_LIB_BASE_STATUS_MACROS_INTERNAL_H_
#define CILIUMCORE_LIB_BASE_STATUS_MACROS_INTERNAL_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function if `expr`, an absl::Status, is an error.
#define CC_RETURN_IF_ERROR(expr)                              \
  do {                                                        \
    if (absl::Status cc_status_ = (expr); !cc_status_.ok()) { \
      return cc_status_;                                      \
    }                                                         \
  } while (false)

// Assigns the value of `expr`, an absl::StatusOr, to `lhs`, which may declare a
// variable; returns from the enclosing function if it is an error. A type with
// a comma needs a `using` first.
#define CC_ASSIGN_OR_RETURN(lhs, expr) \
  CC_ASSIGN_OR_RETURN_IMPL_(CC_STATUS_NAME_(cc_statusor_, __LINE__), lhs, expr)

#define CC_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                              \
  if (!statusor.ok()) return statusor.status();        \
  lhs = *std::move(statusor)

#define CC_STATUS_NAME_(stem, line) CC_STATUS_NAME_IMPL_(stem, line)
#define CC_STATUS_NAME_IMPL_(stem, line) stem##line

#endif  // CILIUMCORE_LIB_BASE_STATUS_MACROS_INTERNAL_H_
