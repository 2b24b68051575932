// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/abi/btf_check.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace ciliumcore::abi {
namespace {

constexpr Field kFields[] = {
    {"identity", 0, 4}, {"verdict", 4, 1}, {"pad", 5, 3}};
constexpr Shape kThing = {"cc_thing", 8, kFields};

struct Member {
  const char* name;
  uint32_t offset;
  int type;
};

// Writes types as a file that CheckObjectLayouts reads. A check against a live
// map is in tests/maps, with the maps.
class ObjectTest : public ::testing::Test {
 protected:
  ObjectTest() : types_(btf__new_empty()) {
    word_ = btf__add_int(types_, "__u32", 4, 0);
    byte_ = btf__add_int(types_, "__u8", 1, 0);
    three_bytes_ = btf__add_array(types_, word_, byte_, 3);
  }
  ~ObjectTest() override { btf__free(types_); }

  int AddStruct(const char* name, uint32_t size,
                const std::vector<Member>& members) {
    const int id = btf__add_struct(types_, name, size);
    for (const Member& member : members) {
      EXPECT_EQ(btf__add_field(types_, member.name, member.type,
                               member.offset * 8, 0),
                0);
    }
    return id;
  }

  void AddGlobal(int type) {
    const int variable =
        btf__add_var(types_, "cc_global", BTF_VAR_GLOBAL_ALLOCATED, type);
    EXPECT_GT(btf__add_datasec(types_, ".data", 8), 0);
    EXPECT_EQ(btf__add_datasec_var_info(types_, variable, 0, 8), 0);
  }

  // The message of the check, with the path taken off; empty if it passed.
  std::string Check(absl::Span<const Shape> shapes) {
    const char* temporary = std::getenv("TEST_TMPDIR");
    const std::string path =
        std::string(temporary != nullptr ? temporary : "/tmp") + "/types.btf";
    uint32_t size;
    const void* data = btf__raw_data(types_, &size);
    std::ofstream(path, std::ios::binary)
        .write(static_cast<const char*>(data), size);
    const absl::Status status = CheckObjectLayouts(path, shapes);
    if (status.ok()) return "";
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    return std::string(status.message().substr(path.size() + 2));
  }

  btf* types_;
  int word_, byte_, three_bytes_;
};

TEST_F(ObjectTest, AgreesWithTheSameFields) {
  AddGlobal(AddStruct("cc_thing", 8,
                      {{"identity", 0, word_},
                       {"verdict", 4, byte_},
                       {"pad", 5, three_bytes_}}));
  EXPECT_EQ(Check({kThing}), "");
}

TEST_F(ObjectTest, ListsEveryFieldThatDiffers) {
  AddStruct("cc_thing", 8,
            {{"verdict", 0, byte_},
             {"pad", 1, three_bytes_},
             {"identity", 4, word_}});
  EXPECT_EQ(Check({kThing}),
            "cc_thing: identity [0,+4) here, verdict [0,+1) in the object; "
            "cc_thing: verdict [4,+1) here, pad [1,+3) in the object; "
            "cc_thing: pad [5,+3) here, identity [4,+4) in the object");
}

TEST_F(ObjectTest, ListsFieldsThatOneSideLacks) {
  AddStruct("cc_thing", 4, {{"identity", 0, word_}});
  EXPECT_EQ(Check({kThing}),
            "cc_thing: 8 bytes here, 4 in the object; "
            "cc_thing: verdict [4,+1) here, nothing in the object; "
            "cc_thing: pad [5,+3) here, nothing in the object");
}

TEST_F(ObjectTest, ListsGlobalStructsWithoutALayout) {
  const int inner = AddStruct("cc_inner", 4, {{"a", 0, word_}});
  AddGlobal(AddStruct("cc_outer", 4, {{"inner", 0, inner}}));
  AddStruct("cc_private", 4, {{"a", 0, word_}});
  EXPECT_EQ(Check({kThing}),
            "cc_outer: has no layout; cc_inner: has no layout");
}

TEST_F(ObjectTest, FollowsTheKeyAndTheValueOfAMap) {
  const int key = AddStruct("cc_key", 4, {{"a", 0, word_}});
  const int pointer = btf__add_ptr(types_, key);
  AddGlobal(AddStruct("", 8, {{"key", 0, pointer}}));
  EXPECT_EQ(Check({kThing}), "cc_key: has no layout");
}

TEST(CheckObjectLayoutsTest, RefusesAFileThatIsNotThere) {
  EXPECT_EQ(CheckObjectLayouts("/nowhere.o", {}).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ciliumcore::abi
