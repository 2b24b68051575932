// SPDX-License-Identifier: Apache-2.0

// Loads one text as a manifest, for tests.

#ifndef CILIUMCORE_TESTS_POLICY_MANIFEST_TEXT_H_
#define CILIUMCORE_TESTS_POLICY_MANIFEST_TEXT_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore {

inline absl::StatusOr<Cluster> TryLoad(const std::string& text,
                                       const ManifestOptions& options = {}) {
  const ManifestSource source = {.name = "m.yaml", .text = text};
  return LoadManifests({&source, 1}, options);
}

inline Cluster Load(const std::string& text,
                    const ManifestOptions& options = {}) {
  absl::StatusOr<Cluster> cluster = TryLoad(text, options);
  EXPECT_TRUE(cluster.ok()) << cluster.status() << "\n" << text;
  return cluster.ok() ? *std::move(cluster) : Cluster();
}

// What is wrong with `text`: the lines of the message.
inline std::string Wrong(const std::string& text,
                         const ManifestOptions& options = {}) {
  const absl::StatusOr<Cluster> cluster = TryLoad(text, options);
  EXPECT_TRUE(cluster.ok() ||
              cluster.status().code() == absl::StatusCode::kInvalidArgument);
  return std::string(cluster.status().message());
}

// What is wrong, without what a test knows, such as the object's name.
inline std::string Without(absl::string_view known, const std::string& wrong) {
  return absl::StrReplaceAll(wrong, {{known, ""}});
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_POLICY_MANIFEST_TEXT_H_
