// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ciliumcore/policy/manifest.h"

namespace ciliumcore {
namespace {

namespace fs = std::filesystem;

class ManifestFilesTest : public testing::Test {
 protected:
  ManifestFilesTest() {
    std::string pattern = testing::TempDir() + "/manifests_XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~ManifestFilesTest() override { fs::remove_all(root_); }

  std::string Path(const std::string& name) const { return root_ / name; }

  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
  }

 private:
  fs::path root_;
};

TEST_F(ManifestFilesTest, ReadsDirectoriesInOrder) {
  Write("b.yml", "b");
  Write("a/z.json", "z");
  Write("a/deep/y.yaml", "y");
  for (const char* name : {"README.md", ".hidden.yaml", ".git/c.yaml",
                           "kustomization.yaml", "c.yaml.bak"}) {
    Write(name, "no manifest");
  }
  const std::string root = Path("");
  const auto sources = ReadManifestFiles({&root, 1});
  ASSERT_TRUE(sources.ok()) << sources.status();
  std::string texts;
  for (const ManifestSource& source : *sources) texts += source.text;
  EXPECT_EQ(texts, "yzb");
  EXPECT_EQ(fs::path((*sources)[0].name).filename(), "y.yaml");
}

TEST_F(ManifestFilesTest, ReadsAFileOfAnyName) {
  Write("policy.txt", "text");
  const std::string path = Path("policy.txt");
  const auto sources = ReadManifestFiles({&path, 1});
  ASSERT_TRUE(sources.ok());
  EXPECT_EQ((*sources)[0].name, path);
  EXPECT_EQ((*sources)[0].text, "text");
}

TEST_F(ManifestFilesTest, SaysWhichPathIsMissing) {
  const std::string path = Path("none.yaml");
  const auto sources = ReadManifestFiles({&path, 1});
  EXPECT_EQ(sources.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(sources.status().message().find(path), std::string::npos);
}

TEST_F(ManifestFilesTest, RefusesADirectoryWithoutManifests) {
  Write("README.md", "");
  const std::string root = Path("");
  const auto sources = ReadManifestFiles({&root, 1});
  EXPECT_EQ(sources.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sources.status().message(),
            root + ": expected a *.yaml, *.yml or *.json, found none");
}

}  // namespace
}  // namespace ciliumcore
