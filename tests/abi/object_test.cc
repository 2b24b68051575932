// SPDX-License-Identifier: Apache-2.0

// Each compiled program file, given on the command line, lays out its structs
// as C++ does.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ciliumcore/abi/btf_check.h"
#include "ciliumcore/abi/layouts.h"

namespace ciliumcore::abi {
namespace {

std::vector<std::string> objects;

TEST(ObjectsTest, LayOutEveryStructAsCppDoes) {
  ASSERT_FALSE(objects.empty()) << "no object was given";
  for (const std::string& path : objects) {
    const absl::Status status = CheckObjectLayouts(path, kShapes);
    EXPECT_TRUE(status.ok()) << status;
  }
}

}  // namespace
}  // namespace ciliumcore::abi

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ciliumcore::abi::objects.assign(argv + 1, argv + argc);
  return RUN_ALL_TESTS();
}
