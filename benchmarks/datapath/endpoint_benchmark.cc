// SPDX-License-Identifier: Apache-2.0

// What a packet costs in the endpoint programs, with policy, connections,
// counters and events: net of the driver, beside the classic programs measured
// in turn with them and beside recorded figures of Cilium.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/datapath/harness.h"
#include "benchmarks/datapath/node.h"
#include "benchmarks/datapath/traffic.h"

namespace ciliumcore::bench {
namespace {

// What programs return.
constexpr uint32_t kPass = 0, kDrop = 2, kRedirect = 7;

constexpr uint32_t kCapacity = 524288;    // of the connection tables
constexpr uint32_t kManyFlows = 1 << 22;  // forgotten before they come again

// Cilium 1.20-dev's bpf_lxc, driven in the same way on the same kind of machine
// (2 vCPUs, Linux 6.18), IPv4: recorded, not measured here. Net nanoseconds per
// packet with 1, 1,024, 65,536 and 262,144 flows, and with a new flow in every
// packet.
struct Recorded {
  double established[4];
  double fresh;
};
constexpr Recorded kRecordedRemote = {{517, 522, 906, 1038}, 1726};
constexpr Recorded kRecordedLocal = {{697, 793, 1755, 2062}, 3796};
constexpr Recorded kRecordedToEndpoint = {{338, 354, 946, 1020}, 1885};
constexpr double kRecordedDrop = 299;  // to 325
constexpr double kRecordedDropWithReader = 11100;

constexpr uint32_t kFlows[] = {1, 1024, 65536, 262144};

struct Case {
  std::string name;
  Target target = Target::kLocal;
  bool is_v4 = true;
  uint32_t flows = 1;
  uint16_t port = 443;
  uint32_t expected = kRedirect;
  double recorded = 0;  // 0: there is none
};

struct Bench {
  Driver driver;
  Turns turns;
  std::unique_ptr<Node> ours = MakeNode();
  std::unique_ptr<Node> classic = MakeClassicNode();

  Bench() {
    // A node that has been up for a while: the free records of its connection
    // table are scattered over all of the table's memory.
    for (Node* node : {ours.get(), classic.get()}) {
      driver.Begin(TrafficTo(Target::kRemoteByRoute, true), kManyFlows);
      driver.Send(node->from_endpoint(), 2 * kCapacity, kRedirect);
      node->ClearConnections();
      node->DiscardEvents();
    }
  }

  static Bench& Get() {
    static Bench bench;
    return bench;
  }
};

int ProgramOf(const Node& node, const Case& c) {
  return c.target == Target::kFromRemote ? node.to_endpoint()
                                         : node.from_endpoint();
}

void Report(benchmark::State& state, const Case& c,
            const std::vector<double>& least) {
  const double ours = least[1] - least[0], classic = least[2] - least[0];
  for (auto _ : state) state.SetIterationTime(ours * 1e-9);
  state.counters["driver_ns"] = least[0];
  state.counters["classic_ns"] = classic;
  state.counters["of_classic"] = ours / classic;
  if (c.recorded == 0) return;
  state.counters["recorded_ns"] = c.recorded;
  state.counters["of_recorded"] = ours / c.recorded;
}

void BM_Packet(benchmark::State& state, const Case& c) {
  Bench& bench = Bench::Get();
  TrafficSpec traffic = TrafficTo(c.target, c.is_v4);
  traffic.destination_port = c.port;
  bench.driver.Begin(traffic, c.flows);
  const auto send = [&](Node& node, uint32_t packets) {
    return bench.driver.Send(ProgramOf(node, c), packets, c.expected,
                             [&node] { node.DiscardEvents(); });
  };
  const uint32_t before =
      c.flows == kManyFlows ? kCapacity * 3 / 2 : 2 * c.flows;
  send(*bench.ours, before);
  send(*bench.classic, before);
  const uint32_t packets = std::clamp(c.flows, 1u << 17, 1u << 18);
  Report(state, c,
         bench.turns.LeastOfEach(
             {[&] { return bench.driver.SendNowhere(packets); },
              [&] { return send(*bench.ours, packets); },
              [&] { return send(*bench.classic, packets); }}));
  bench.ours->ClearConnections();
  bench.classic->ClearConnections();
}

// The same while a thread on another CPU reads the events.
double SendWhileRead(Bench& bench, Node& node, const Case& c,
                     uint32_t packets) {
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    LeaveThisCpu();
    node.ReadEvents(stop);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double time =
      bench.driver.Send(ProgramOf(node, c), packets, c.expected);
  stop = true;
  reader.join();
  return time;
}

void BM_PacketRead(benchmark::State& state, const Case& c) {
  constexpr uint32_t kPackets = 1 << 17;
  Bench& bench = Bench::Get();
  TrafficSpec traffic = TrafficTo(c.target, c.is_v4);
  traffic.destination_port = c.port;
  bench.driver.Begin(traffic, c.flows);
  Report(
      state, c,
      bench.turns.LeastOfEach(
          {[&] { return bench.driver.SendNowhere(kPackets); },
           [&] { return SendWhileRead(bench, *bench.ours, c, kPackets); },
           [&] { return SendWhileRead(bench, *bench.classic, c, kPackets); }}));
}

void Register(Case c, void (*run)(benchmark::State&, const Case&)) {
  c.name += c.is_v4 ? "/ipv4" : "/ipv6";
  if (c.flows > 1) {
    c.name += c.flows == kManyFlows ? "/new" : "/" + std::to_string(c.flows);
  }
  benchmark::RegisterBenchmark(
      c.name.c_str(), [c, run](benchmark::State& state) { run(state, c); })
      ->UseManualTime()
      ->Iterations(1);
}

void RegisterForwarding(const char* name, Target target,
                        const Recorded& recorded) {
  const uint32_t expected = target == Target::kFromRemote ? kPass : kRedirect;
  for (const bool is_v4 : {true, false}) {
    for (size_t i = 0; i < std::size(kFlows); ++i) {
      Register({.name = name,
                .target = target,
                .is_v4 = is_v4,
                .flows = kFlows[i],
                .expected = expected,
                .recorded = is_v4 ? recorded.established[i] : 0},
               BM_Packet);
    }
    Register({.name = name,
              .target = target,
              .is_v4 = is_v4,
              .flows = kManyFlows,
              .expected = expected,
              .recorded = is_v4 ? recorded.fresh : 0},
             BM_Packet);
  }
}

const bool kRegistered = [] {
  RegisterForwarding("remote_by_route", Target::kRemoteByRoute,
                     kRecordedRemote);
  RegisterForwarding("remote_by_hop", Target::kRemoteByHop, kRecordedRemote);
  RegisterForwarding("local", Target::kLocal, kRecordedLocal);
  RegisterForwarding("to_endpoint", Target::kFromRemote, kRecordedToEndpoint);
  for (const bool is_v4 : {true, false}) {
    const Case drop = {.name = "drop",
                       .target = Target::kRemoteByRoute,
                       .is_v4 = is_v4,
                       .port = kDeniedPort,
                       .expected = kDrop,
                       .recorded = is_v4 ? kRecordedDrop : 0};
    Register(drop, BM_Packet);
    Case read = drop;
    read.name = "drop_while_read";
    read.recorded = is_v4 ? kRecordedDropWithReader : 0;
    Register(read, BM_PacketRead);
  }
  return true;
}();

}  // namespace
}  // namespace ciliumcore::bench
