// SPDX-License-Identifier: Apache-2.0

// What a reader of events can keep up with, on one core. The bounds to hold:
// at least 2 M events a second read, without an allocation; at least 1 M flows
// a second to protobuf.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

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

// More records than the first-level cache holds, of all kinds.
constexpr size_t kRecords = 4096;

std::vector<std::string> Records() {
  std::vector<std::string> records;
  for (size_t i = 0; i < kRecords; ++i) {
    if (i % 4 == 3) {
      const cc_event_end end = EndRecord();
      records.emplace_back(reinterpret_cast<const char*>(&end), sizeof(end));
      continue;
    }
    cc_event record = Record(i % 4 == 0 ? CC_EVENT_NEW : CC_EVENT_DROP,
                             i % 8 < 4 ? "10.0.1.10" : "fd00:1::10",
                             i % 8 < 4 ? "10.0.1.20" : "fd00:1::20");
    record.sport = static_cast<__be16>(i);
    records.emplace_back(reinterpret_cast<const char*>(&record),
                         sizeof(record));
  }
  return records;
}

absl::Span<const std::byte> Bytes(const std::string& record) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(record.data()),
                             record.size());
}

void Report(benchmark::State& state, size_t allocated) {
  const auto events = static_cast<int64_t>(state.iterations() * kRecords);
  state.SetItemsProcessed(events);
  state.counters["allocations_per_event"] =
      static_cast<double>(allocated) / static_cast<double>(events);
}

void BM_Decode(benchmark::State& state) {
  const std::vector<std::string> records = Records();
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    for (const std::string& record : records)
      benchmark::DoNotOptimize(DecodeEvent(Bytes(record)));
  }
  Report(state, testing::Allocations() - before);
}
BENCHMARK(BM_Decode);

// With the names, labels and rules of a directory that knows them already.
void BM_DecodeAndResolve(benchmark::State& state) {
  const std::vector<std::string> records = Records();
  const testing::TwoPods directory;
  Flow flow;
  for (const std::string& record : records)
    ResolveFlow(*DecodeEvent(Bytes(record)), directory, flow);
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    for (const std::string& record : records) {
      ResolveFlow(*DecodeEvent(Bytes(record)), directory, flow);
      benchmark::DoNotOptimize(flow);
    }
  }
  Report(state, testing::Allocations() - before);
}
BENCHMARK(BM_DecodeAndResolve);

// Five labels at each end, and two sentences on rules.
void BM_FlowToProto(benchmark::State& state) {
  const testing::TwoPods directory;
  const Flow flow = *DecodeFlow(BytesOf(Record(CC_EVENT_DROP)), directory);
  flow::v1::Flow message;
  FlowToProto(flow, message);
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    for (size_t i = 0; i < kRecords; ++i) {
      FlowToProto(flow, message);
      benchmark::DoNotOptimize(message);
    }
  }
  Report(state, testing::Allocations() - before);
}
BENCHMARK(BM_FlowToProto);

// From the record to bytes on a wire.
void BM_RecordToWire(benchmark::State& state) {
  const std::vector<std::string> records = Records();
  const testing::TwoPods directory;
  Flow flow;
  flow::v1::Flow message;
  std::string wire;
  const auto all = [&] {
    for (const std::string& record : records) {
      ResolveFlow(*DecodeEvent(Bytes(record)), directory, flow);
      FlowToProto(flow, message);
      wire.clear();
      message.AppendToString(&wire);
      benchmark::DoNotOptimize(wire);
    }
  };
  all();
  const size_t before = testing::Allocations();
  for (auto _ : state) all();
  Report(state, testing::Allocations() - before);
}
BENCHMARK(BM_RecordToWire);

void BM_Filter(benchmark::State& state) {
  const testing::TwoPods directory;
  const Flow flow = *DecodeFlow(BytesOf(Record(CC_EVENT_DROP)), directory);
  const FlowFilter filter = *FlowFilter::Parse(
      "from-pod=shop/web-* label=app=db dport=5432 verdict=dropped "
      "rule=shop/db");
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    for (size_t i = 0; i < kRecords; ++i)
      benchmark::DoNotOptimize(filter.Matches(flow));
  }
  Report(state, testing::Allocations() - before);
}
BENCHMARK(BM_Filter);

}  // namespace
}  // namespace ciliumcore
