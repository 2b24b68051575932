// SPDX-License-Identifier: Apache-2.0

// Reading, naming, filtering and encoding flows allocates nothing. Sanitizers
// bring an operator new of their own.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "ciliumcore/flow/filter.h"
#include "ciliumcore/flow/flow_proto.h"
#include "ciliumcore/flow/v1/flow.pb.h"
#include "tests/flow/allocations.h"
#include "tests/flow/records.h"

namespace ciliumcore {
namespace {

using testing::BytesOf;
using testing::EndRecord;
using testing::Record;

constexpr int kEvents = 1000;

TEST(AllocationTest, TheCounterCounts) {
  const size_t before = testing::Allocations();
  const auto text = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(testing::Allocations(), before + 2);
}

TEST(AllocationTest, DecodingAllocatesNothing) {
  const cc_event record = Record(CC_EVENT_DROP);
  const cc_event_end end = EndRecord();
  uint64_t sum = 0;
  const size_t before = testing::Allocations();
  for (int i = 0; i < kEvents; ++i) {
    sum += DecodeEvent(BytesOf(record))->bytes;
    sum += DecodeEvent(BytesOf(end))->sent.packets;
  }
  EXPECT_EQ(testing::Allocations(), before);
  EXPECT_EQ(sum, kEvents * (74u + 3u));
}

TEST(AllocationTest, AFlowThatIsUsedAgainAllocatesNothing) {
  const testing::TwoPods directory;
  const auto drop = DecodeEvent(BytesOf(Record(CC_EVENT_DROP)));
  const auto end = DecodeEvent(BytesOf(EndRecord()));
  const auto filter = FlowFilter::Parse(
      "from-pod=shop/web-* label=app=db port=5432 rule=shop/db ip=10.0.0.0/8");
  ASSERT_TRUE(filter.ok()) << filter.status();
  Flow flow;
  flow::v1::Flow message;
  for (const auto* event : {&*drop, &*end}) {
    ResolveFlow(*event, directory, flow);
    FlowToProto(flow, message);
  }
  int matches = 0;
  const size_t before = testing::Allocations();
  for (int i = 0; i < kEvents; ++i) {
    ResolveFlow(*drop, directory, flow);
    matches += filter->Matches(flow);
    FlowToProto(flow, message);
  }
  EXPECT_EQ(testing::Allocations(), before);
  EXPECT_EQ(matches, kEvents);
  EXPECT_EQ(message.source().labels_size(), 5);
}

}  // namespace
}  // namespace ciliumcore
