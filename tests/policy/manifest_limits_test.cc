// SPDX-License-Identifier: Apache-2.0

// What goes wrong outside of a manifest's meaning: reading it, and its size.

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore {
namespace {

TEST(ManifestLimitsTest, AReadErrorIsAStatus) {
  // Opens, but has nothing at its first byte.
  const std::string path = "/proc/self/mem";
  const auto sources = ReadManifestFiles({&path, 1});
  EXPECT_EQ(sources.status(), absl::ErrnoToStatus(EIO, path));
}

TEST(ManifestLimitsTest, ADashIsStandardInput) {
  std::istringstream input("kind: List");
  std::streambuf* const before = std::cin.rdbuf(input.rdbuf());
  const std::string path = "-";
  const auto sources = ReadManifestFiles({&path, 1});
  std::cin.rdbuf(before);
  std::cin.clear();
  ASSERT_TRUE(sources.ok()) << sources.status();
  ASSERT_EQ(sources->size(), 1u);
  EXPECT_EQ((*sources)[0].name, "-");
  EXPECT_EQ((*sources)[0].text, "kind: List");
}

TEST(ManifestLimitsTest, StandardInputCannotBeReadTwice) {
  const std::vector<std::string> paths = {"-", "-"};
  EXPECT_EQ(ReadManifestFiles(paths).status(),
            absl::InvalidArgumentError(
                "-: expected standard input once, found it again"));
}

TEST(ManifestLimitsTest, ATextMayBeSoLongAndNoLonger) {
  const ManifestSource source = {
      .name = "a.yaml",
      .text = "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"};
  const size_t size = source.text.size();
  EXPECT_TRUE(LoadManifests({&source, 1}, {.max_bytes = size}).ok());
  EXPECT_EQ(LoadManifests({&source, 1}, {.max_bytes = size - 1}).status(),
            absl::InvalidArgumentError(
                "a.yaml:1:1: expected at most 53 bytes, found 54"));
}

// Where each problem costs a walk of the tree, this takes minutes.
TEST(ManifestLimitsTest, ManyProblemsCostNoMoreThanTheirNumber) {
  std::string text =
      "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, "
      "metadata: {name: a}, spec: {ingress: [{ports: [";
  constexpr int kPorts = 20000;
  for (int i = 0; i < kPorts; ++i) absl::StrAppend(&text, "{port: 0},\n");
  absl::StrAppend(&text, "]}]}}");
  const ManifestSource source = {.name = "a.yaml", .text = text};
  const absl::Status status = LoadManifests({&source, 1}).status();
  EXPECT_TRUE(absl::StartsWith(
      status.message(),
      "a.yaml:1:111: NetworkPolicy default/a: spec.ingress[0].ports[0].port: "
      "expected a port in 1..65535, found 0\n"))
      << status.message();
  EXPECT_TRUE(absl::EndsWith(status.message(), "\nand 19990 more"))
      << status.message();
}

}  // namespace
}  // namespace ciliumcore
