// SPDX-License-Identifier: Apache-2.0

// What changes of services cost where there are ten thousand, each of ten
// backends: all of them at once, one, and one backend of a thousand.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/datapath/harness.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/net/cgroup.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kServices = 10000;
constexpr uint32_t kBackends = 10;
constexpr uint32_t kTogether = 1000;  // services that have one backend
constexpr int kTurns = 51;

void Must(const absl::Status& status) {
  Require(status.ok(), status.ToString());
}

// `replaced`: a backend of its own in place of the first.
ServiceOptions Service(uint32_t number, uint32_t replaced = 0) {
  ServiceOptions service;
  service.name = absl::StrCat("default/service-", number);
  service.frontend = {.address = IpAddress::FromV4(0x0a600000 + number),
                      .port = {.protocol = Protocol::kTcp, .port = 80}};
  for (uint32_t i = 0; i < kBackends; ++i) {
    const bool is_other = i == 0 && replaced != 0;
    service.backends.push_back(
        {.address = IpAddress::FromV4(
             is_other ? 0x0b000000 + replaced
                      : 0x0a000001 + number * kBackends + i),
         .port = 8080});
  }
  return service;
}

double Milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now() - start)
      .count();
}

void Commit(Datapath& datapath, std::vector<ServiceOptions> services) {
  Transaction change = datapath.Begin();
  for (ServiceOptions& service : services)
    change.UpsertService(std::move(service));
  Must(change.Commit());
}

double Median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Until they are in force; the grace period behind them is not measured.
double Changes(Datapath& datapath, uint32_t services, uint32_t& other) {
  std::vector<double> times;
  for (int turn = 0; turn < kTurns; ++turn) {
    std::vector<ServiceOptions> changed;
    ++other;
    for (uint32_t i = 0; i < services; ++i)
      changed.push_back(Service((turn * 37 + i) % kServices, other));
    times.push_back(
        Milliseconds([&] { Commit(datapath, std::move(changed)); }));
    usleep(20000);
  }
  return Median(std::move(times));
}

void BM_Services(benchmark::State& state) {
  auto cgroup = Cgroup::Create("ciliumcore-bench");
  Must(cgroup.status());
  auto datapath = Datapath::Open({.name = "bench",
                                  .cgroup = cgroup->path(),
                                  .capacity = {.services = 16384,
                                               .backends = 262144}});
  Must(datapath.status());
  std::vector<ServiceOptions> all;
  for (uint32_t i = 0; i < kServices; ++i) all.push_back(Service(i));
  double upsert = 0, one = 0, together = 0;
  uint32_t other = 0;
  for (auto _ : state) {
    upsert = Milliseconds([&] { Commit(*datapath, std::move(all)); });
    one = Changes(*datapath, 1, other);
    together = Changes(*datapath, kTogether, other);
    state.SetIterationTime(one * 1e-3);
  }
  state.counters["upsert_ms"] = upsert;
  state.counters["one_ms"] = one;
  state.counters["together_ms"] = together;
}
BENCHMARK(BM_Services)
    ->Name("services")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
