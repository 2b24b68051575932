// SPDX-License-Identifier: Apache-2.0

// What goes wrong outside of a manifest's meaning: reading it, and its size.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore {
namespace {

TEST(ManifestLimitsTest, AReadErrorIsAStatus) {
  // Opens, but has nothing at its first byte.
  const std::string path = "/proc/self/mem";
  const auto sources = ReadManifestFiles({&path, 1});
  EXPECT_EQ(sources.status(), absl::ErrnoToStatus(EIO, path));
}

}  // namespace
}  // namespace ciliumcore
