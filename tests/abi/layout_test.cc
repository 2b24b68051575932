// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/abi/layout.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "ciliumcore/abi/layouts.h"

namespace ciliumcore::abi {
namespace {

TEST(TilesTest, AcceptsFieldsThatCoverEveryByteInOrder) {
  EXPECT_TRUE(Tiles(
      std::array{Field{"a", 0, 4}, Field{"b", 4, 2}, Field{"c", 6, 2}}, 8));
}

TEST(TilesTest, RefusesAHole) {
  EXPECT_FALSE(Tiles(std::array{Field{"a", 0, 4}, Field{"b", 6, 2}}, 8));
}

TEST(TilesTest, RefusesAnOverlap) {
  EXPECT_FALSE(Tiles(std::array{Field{"a", 0, 4}, Field{"b", 2, 6}}, 8));
}

TEST(TilesTest, RefusesAFieldLeftOutAtTheEnd) {
  EXPECT_FALSE(Tiles(std::array{Field{"a", 0, 4}}, 8));
}

TEST(TilesTest, RefusesAnotherOrder) {
  EXPECT_FALSE(Tiles(std::array{Field{"b", 4, 4}, Field{"a", 0, 4}}, 8));
}

TEST(ShapeTest, OfAnIntegerHasNoFields) {
  EXPECT_EQ(ShapeOf<uint32_t>().name, "__u32");
  EXPECT_EQ(ShapeOf<unsigned long>().name, "__u64");
  EXPECT_EQ(ShapeOf<uint16_t>().size, 2u);
  EXPECT_TRUE(ShapeOf<uint32_t>().fields.empty());
}

TEST(ShapesTest, NameEachStructOnce) {
  std::set<std::string_view> names;
  for (const Shape& shape : kShapes) {
    EXPECT_TRUE(names.insert(shape.name).second) << shape.name;
    EXPECT_EQ(shape.name.substr(0, 3), "cc_");
    EXPECT_FALSE(shape.fields.empty());
  }
}

}  // namespace
}  // namespace ciliumcore::abi
