// SPDX-License-Identifier: Apache-2.0

// What one decision and one name cost, against the classic tries, and a
// decision against bare hashes.

#include <benchmark/benchmark.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "benchmarks/datapath/bpf/classic.h"
#include "benchmarks/datapath/harness.h"
#include "benchmarks/datapath/tables.h"
#include "ciliumcore/abi/config.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/ip.h"

// Needs the abi headers above.
#include "benchmarks/datapath/lookups.skel.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kFirstPeer = 1000;
constexpr uint32_t kQuestionsPerRun = 16;  // BENCH_QUESTIONS
constexpr uint32_t kRuns = 1 << 15;
constexpr std::array<uint16_t, 16> kPorts = {22,   80,   443,  1433, 2379, 3306,
                                             4222, 5432, 5672, 6379, 8080, 8443,
                                             9042, 9090, 9200, 27017};

class Lookups {
 public:
  Lookups() : skeleton_(lookups__open_and_load(), lookups__destroy) {
    Require(skeleton_ != nullptr, "the lookup programs");
  }

  lookups& skeleton() { return *skeleton_; }

  // Nanoseconds of each of `programs`, without what asking `nothing` takes.
  std::vector<double> Compare(
      const bpf_program* nothing,
      std::initializer_list<const bpf_program*> programs) {
    std::vector<Measure> measures = {[&] { return Ask(nothing); }};
    for (const bpf_program* program : programs) {
      measures.push_back([this, program] { return Ask(program); });
    }
    const std::vector<double> least = turns_.LeastOfEach(measures);
    std::vector<double> times(least.begin() + 1, least.end());
    for (double& time : times) time -= least.front();
    return times;
  }

 private:
  double Ask(const bpf_program* program) {
    static constexpr std::array<uint8_t, 64> kPacket = {};
    uint32_t returned = 1;
    const double time = RunProgram(
        {.fd = bpf_program__fd(program), .packet = kPacket, .repeat = kRuns},
        &returned);
    errno = 0;
    Require(returned == 0, "a question had no answer");
    return time / kQuestionsPerRun;
  }

  Turns turns_;
  std::unique_ptr<lookups, void (*)(lookups*)> skeleton_;
};

// first..first+count-1 in no order: entries come and go on a node, and what was
// made in the order of its keys would lie in memory as well as it never does.
std::vector<uint32_t> Shuffled(uint32_t first, uint32_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  std::shuffle(numbers.begin(), numbers.end(), std::mt19937(1));
  return numbers;
}

void Report(benchmark::State& state, double ours, double classic) {
  for (auto _ : state) state.SetIterationTime(ours * 1e-9);
  state.counters["classic_ns"] = classic;
  state.counters["times_faster"] = classic / ours;
}

// May a peer reach a port? Peers of 16 kinds, each on 16 ports. A bare lookup
// is one in a hash of as many entries as there are peers; `flows`, in one of
// peers x ports.
void BM_Decision(benchmark::State& state) {
  Lookups lookups;
  auto& maps = lookups.skeleton().maps;
  auto& bss = *lookups.skeleton().bss;
  const std::vector<uint32_t> peers = Shuffled(kFirstPeer, state.range(0));
  WriteTable(
      {.tables = bpf_map__fd(maps.cc_tables),
       .classes = bpf_map__fd(maps.cc_classes),
       .cells = bpf_map__fd(maps.cc_cells),
       .port_pages = bpf_map__fd(maps.cc_port_pages)},
      {.index = 1, .peers = peers, .ports = {kPorts.begin(), kPorts.end()}});
  // By themselves, as those of the table are: neighbours share pages.
  for (const uint32_t peer : peers) {
    Put(bpf_map__fd(maps.bench_peers), cc_class_key{.table = 1, .peer = peer},
        cc_class_value{.check = 0, .cls = 1});
  }
  for (const uint32_t peer : peers) {
    for (const uint16_t port : kPorts) {
      Put(bpf_map__fd(maps.bench_flows),
          classic_flow{.peer = peer, .port = port}, uint64_t{1});
      Put(bpf_map__fd(maps.classic_policy),
          classic_policy_key{.bits = CLASSIC_POLICY_BITS,
                             .identity = peer,
                             .protocol = IPPROTO_TCP,
                             .port = abi::ToBe16(port)},
          classic_policy{.rule = 1});
    }
  }
  bss.peer_count = peers.size();
  std::copy(kPorts.begin(), kPorts.end(), bss.ports);
  auto& progs = lookups.skeleton().progs;
  const std::vector<double> times = lookups.Compare(
      progs.bench_ask_nothing, {progs.bench_ask_table, progs.bench_ask_trie,
                                progs.bench_ask_peers, progs.bench_ask_flows});
  Report(state, times[0], times[1]);
  state.counters["bare_ns"] = times[2];
  state.counters["of_bare"] = times[0] / times[2];
  state.counters["flows_ns"] = times[3];
}
BENCHMARK(BM_Decision)
    ->RangeMultiplier(10)
    ->Range(10, 100000)
    ->UseManualTime()
    ->Iterations(1);

// Whose is an address?
void BM_Identity(benchmark::State& state) {
  Lookups lookups;
  auto& maps = lookups.skeleton().maps;
  auto& bss = *lookups.skeleton().bss;
  const uint32_t first = 10 << 24, count = state.range(0);
  Places places({.state = bpf_map__fd(maps.cc_state),
                 .addrs = bpf_map__fd(maps.cc_addrs),
                 .places = bpf_map__fd(maps.cc_places)});
  for (const uint32_t number : Shuffled(first, count)) {
    const cc_addr address = abi::ToAddr(IpAddress::FromV4(number));
    const uint32_t peer = kFirstPeer + number % 4096;
    places.Write(address, peer, CC_REMOTE);
    Put(bpf_map__fd(maps.classic_identities),
        cc_prefix_key{.bits = 128, .addr = address}, peer);
  }
  bss.address_count = count;
  bss.first_address = abi::ToAddr(IpAddress::FromV4(first));
  auto& progs = lookups.skeleton().progs;
  const std::vector<double> times =
      lookups.Compare(progs.bench_name_nothing,
                      {progs.bench_name_place, progs.bench_name_trie});
  Report(state, times[0], times[1]);
}
BENCHMARK(BM_Identity)
    ->Arg(1 << 14)
    ->Arg(1 << 18)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
