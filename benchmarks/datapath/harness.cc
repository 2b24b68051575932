// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/datapath/harness.h"

#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>

namespace ciliumcore::bench {
namespace {

constexpr int kTurns = 11;
constexpr double kDisturbed = 1.1;  // of the least baseline
constexpr auto kPause = std::chrono::milliseconds(50);
constexpr auto kPatience = std::chrono::seconds(20);

cpu_set_t g_other_cpus;  // what PinToLastCpu left

// Everything is measured on the last CPU.
void PinToLastCpu() {
  Require(sched_getaffinity(0, sizeof(g_other_cpus), &g_other_cpus) == 0,
          "CPU affinity");
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &g_other_cpus)) --last;
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(last, &here);
  CPU_CLR(last, &g_other_cpus);
  Require(sched_setaffinity(0, sizeof(here), &here) == 0, "CPU affinity");
}

}  // namespace

void Require(bool ok, absl::string_view what) {
  if (ok) return;
  std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::exit(1);
}

std::vector<double> Turns::LeastOfEach(absl::Span<const Measure> measures) {
  std::vector<double> least(measures.size(),
                            std::numeric_limits<double>::infinity());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (int turns = 0; turns < kTurns;) {
    for (size_t i = 0; i < measures.size(); ++i) {
      const double time = measures[i]();
      least[i] = std::min(least[i], time);
      if (i > 0) continue;
      calm_ = std::min(calm_, time);
      const bool is_calm = time <= calm_ * kDisturbed;
      if (is_calm || std::chrono::steady_clock::now() > until) {
        ++turns;
      } else {
        std::this_thread::sleep_for(kPause);
        break;
      }
    }
  }
  return least;
}

double RunProgram(const TestRun& run, uint32_t* returned) {
  std::vector<uint8_t> out(run.packet.size() + 256);
  __sk_buff context = {};
  context.ifindex = run.ifindex;
  context.ingress_ifindex = run.ingress_ifindex;
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run.packet.data(),
              .data_out = out.data(),
              .data_size_in = static_cast<uint32_t>(run.packet.size()),
              .data_size_out = static_cast<uint32_t>(out.size()),
              .ctx_in = &context, .ctx_size_in = sizeof(context),
              .repeat = static_cast<int>(run.repeat));
  Require(bpf_prog_test_run_opts(run.fd, &options) == 0, "test run");
  if (returned != nullptr) *returned = options.retval;
  return options.duration;
}

void PutEntry(int map, const void* key, const void* value) {
  Require(bpf_map_update_elem(map, key, value, BPF_ANY) == 0, "map update");
}

void LeaveThisCpu() {
  if (CPU_COUNT(&g_other_cpus) == 0) return;
  Require(sched_setaffinity(0, sizeof(g_other_cpus), &g_other_cpus) == 0,
          "CPU affinity");
}

void Shell(const std::string& commands) {
  Require(std::system(("set -e\n" + commands).c_str()) == 0, commands);
}

}  // namespace ciliumcore::bench

int main(int argc, char** argv) {
  using ciliumcore::bench::Require;
  // Interfaces made here vanish with the process.
  Require(unshare(CLONE_NEWNET) == 0, "a network namespace (are you root?)");
  ciliumcore::bench::PinToLastCpu();
  utsname name = {};
  uname(&name);
  benchmark::AddCustomContext("kernel", name.release);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
