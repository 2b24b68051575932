// SPDX-License-Identifier: Apache-2.0

// What telling of a drop costs the packet while somebody reads: the bound to
// hold is 60 ns above a drop of which nothing is told, and no event lost in 5
// million at full speed.

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "benchmarks/datapath/harness.h"
#include "benchmarks/datapath/node.h"
#include "benchmarks/datapath/traffic.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kDrop = 2;

struct Bench {
  Driver driver;
  Turns turns;
  std::unique_ptr<EventNode> silent = MakeNode(false);
  std::unique_ptr<EventNode> telling = MakeNode(true);

  static Bench& Get() {
    static Bench bench;
    return bench;
  }

  void BeginDrops(bool is_v4) {
    TrafficSpec traffic = TrafficTo(Target::kRemoteByRoute, is_v4);
    traffic.destination_port = kDeniedPort;
    driver.Begin(traffic, 1);
  }

  // Sends while a thread on another CPU decodes; adds what it read to `read`.
  double SendWhileRead(uint32_t packets, uint64_t& read) {
    std::atomic<bool> stop = false;
    std::thread reader([&] {
      LeaveThisCpu();
      read += telling->DecodeEvents(stop);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double time = driver.Send(telling->from_endpoint(), packets, kDrop);
    stop = true;
    reader.join();
    return time;
  }
};

void BM_DropWhileRead(benchmark::State& state) {
  constexpr uint32_t kPackets = 1 << 17;
  Bench& bench = Bench::Get();
  bench.BeginDrops(state.range(0) == 4);
  uint64_t read = 0;
  const std::vector<double> least = bench.turns.LeastOfEach(
      {[&] { return bench.driver.SendNowhere(kPackets); },
       [&] {
         return bench.driver.Send(bench.silent->from_endpoint(), kPackets,
                                  kDrop);
       },
       [&] { return bench.SendWhileRead(kPackets, read); }});
  for (auto _ : state) state.SetIterationTime((least[2] - least[0]) * 1e-9);
  state.counters["driver_ns"] = least[0];
  state.counters["silent_ns"] = least[1] - least[0];
  state.counters["above_silent_ns"] = least[2] - least[1];
}
BENCHMARK(BM_DropWhileRead)->Arg(4)->Arg(6)->UseManualTime()->Iterations(1);

void BM_FiveMillionDrops(benchmark::State& state) {
  constexpr uint32_t kPackets = 5'000'000;
  Bench& bench = Bench::Get();
  bench.BeginDrops(true);
  bench.telling->DiscardEvents();
  const uint64_t lost_before = bench.telling->LostEvents();
  uint64_t read = 0;
  double time = 0;
  for (auto _ : state) {
    time = bench.SendWhileRead(kPackets, read);
    state.SetIterationTime(time * 1e-9 * kPackets);
  }
  state.counters["ns_per_packet"] = time;
  state.counters["read"] = static_cast<double>(read);
  state.counters["lost"] =
      static_cast<double>(bench.telling->LostEvents() - lost_before);
}
BENCHMARK(BM_FiveMillionDrops)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
