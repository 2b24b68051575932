// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/status.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore {
namespace {

TEST(AnnotateTest, LeadsTheMessageAndKeepsTheCode) {
  const absl::Status status =
      Annotate(absl::NotFoundError("no such key"), "map cc_state");
  EXPECT_EQ(status, absl::NotFoundError("map cc_state: no such key"));
}

TEST(AnnotateTest, KeepsOkAsItIs) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "map").ok());
}

TEST(AnnotateTest, KeepsPayloads) {
  absl::Status status = absl::AbortedError("again");
  status.SetPayload("type", absl::Cord("payload"));
  EXPECT_EQ(Annotate(status, "x").GetPayload("type"), absl::Cord("payload"));
}

absl::StatusOr<std::string> Twice(absl::StatusOr<std::string> text) {
  CC_ASSIGN_OR_RETURN(const std::string once, std::move(text));
  return once + once;
}

absl::Status First(absl::Status first, absl::Status second) {
  CC_RETURN_IF_ERROR(first);
  CC_RETURN_IF_ERROR(second);
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnTheFirstErrorAndGoOnWithoutOne) {
  EXPECT_EQ(*Twice(std::string("ab")), "abab");
  EXPECT_EQ(Twice(absl::AbortedError("no")).status(), absl::AbortedError("no"));
  EXPECT_TRUE(First(absl::OkStatus(), absl::OkStatus()).ok());
  EXPECT_EQ(First(absl::OkStatus(), absl::AbortedError("b")),
            absl::AbortedError("b"));
  EXPECT_EQ(First(absl::AbortedError("a"), absl::AbortedError("b")),
            absl::AbortedError("a"));
}

}  // namespace
}  // namespace ciliumcore
