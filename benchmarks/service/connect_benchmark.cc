// SPDX-License-Identifier: Apache-2.0

// connect() of a UDP socket to a service: beside a program that does nothing,
// and beside one that makes a single lookup in a hash of as many entries. And
// how long services take to become true.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/datapath/harness.h"
#include "benchmarks/service/hooks.skel.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/net/cgroup.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kFirstService = 0x0a600001;  // 10.96.0.1
constexpr uint32_t kFirstBackend = 0x7f010001;  // 127.1.0.1, which has a route
constexpr uint16_t kPort = 80;
constexpr uint32_t kConnects = 1 << 14;
constexpr uint32_t kMostServices = 100000;

struct BenchFrontend {
  uint32_t addr[4];
  uint32_t port, protocol;
};

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

class Services {
 public:
  explicit Services(uint32_t count)
      : cgroup_(NewCgroup()), skeleton_(hooks__open_and_load()) {
    Require(skeleton_ != nullptr, "the programs to compare with");
    Shell("ip link set lo up");
    Require(cgroup_.Enter().ok(), "entering the cgroup");
    socket_ = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Require(cgroup_.Leave().ok(), "leaving the cgroup");
    Require(socket_.get() >= 0, "a socket");
    for (uint32_t i = 0; i < count; ++i) {
      services_.push_back(
          {.name = absl::StrCat("s", i),
           .frontend = {.address = IpAddress::FromV4(kFirstService + i),
                        .port = {.protocol = Protocol::kUdp, .port = kPort}}});
      for (uint32_t backend = 0; backend < 3; ++backend) {
        services_.back().backends.push_back(
            {.address =
                 IpAddress::FromV4(kFirstBackend + i % 4096 * 4 + backend),
             .port = kPort});
      }
      Put(bpf_map__fd(skeleton_->maps.bench_frontends),
          BenchFrontend{.addr = {0, 0, 0xffff0000, htonl(kFirstService + i)},
                        .port = htons(kPort),
                        .protocol = IPPROTO_UDP},
          uint64_t{i});
    }
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }
  ~Services() { hooks__destroy(skeleton_); }
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Nanoseconds per connect() with the program attached; -1: with none.
  double ConnectWith(int program) {
    UniqueFd link;
    if (program >= 0) {
      const UniqueFd directory(
          open(cgroup_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      link = UniqueFd(bpf_link_create(program, directory.get(),
                                      BPF_CGROUP_INET4_CONNECT, nullptr));
      Require(link.get() >= 0, "attaching");
    }
    return Connect(/*to_backends=*/true);
  }

  double ConnectToServices() { return Connect(/*to_backends=*/false); }

  // Makes the services true; in how many seconds.
  double Upsert() {
    absl::StatusOr<Datapath> opened =
        Datapath::Open({.name = "bench",
                        .cgroup = cgroup_.path(),
                        .capacity = {.connections = 4096,
                                     .addresses = 1024,
                                     .prefixes = 1024,
                                     .services = 131072,
                                     .backends = 4 * kMostServices}});
    Require(opened.ok(), opened.status().ToString());
    datapath_.emplace(*std::move(opened));
    Transaction change = datapath_->Begin();
    change.SetServices(services_);
    const auto start = std::chrono::steady_clock::now();
    const absl::Status done = change.Commit();
    const double seconds = Seconds(start);
    Require(done.ok(), done.ToString());
    return seconds;
  }
  void Close() { datapath_.reset(); }

  hooks& skeleton() { return *skeleton_; }

 private:
  static Cgroup NewCgroup() {
    absl::StatusOr<Cgroup> cgroup = Cgroup::Create("ciliumcore-bench");
    Require(cgroup.ok(), cgroup.status().ToString());
    return *std::move(cgroup);
  }

  // To each service in turn, in no order; or to addresses that need nothing.
  double Connect(bool to_backends) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPort);
    const auto start = std::chrono::steady_clock::now();
    for (uint32_t i = 0; i < kConnects; ++i) {
      const uint32_t service = order_[next_++ % order_.size()];
      to.sin_addr.s_addr =
          htonl(to_backends ? kFirstBackend + service % 4096 * 4
                            : kFirstService + service);
      Require(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to),
                        sizeof(to)) == 0,
              "connecting");
    }
    return Seconds(start) * 1e9 / kConnects;
  }

  Cgroup cgroup_;
  hooks* skeleton_;
  UniqueFd socket_;
  std::vector<ServiceOptions> services_;
  std::vector<uint32_t> order_;
  std::optional<Datapath> datapath_;
  size_t next_ = 0;
};

void BM_Connect(benchmark::State& state) {
  Services services(static_cast<uint32_t>(state.range(0)));
  const int empty = bpf_program__fd(services.skeleton().progs.bench_empty);
  const int lookup = bpf_program__fd(services.skeleton().progs.bench_lookup);
  // What connects to services cannot be had at the same time as what does not.
  Turns without;
  const std::vector<double> least =
      without.LeastOfEach({[&] { return services.ConnectWith(-1); },
                           [&] { return services.ConnectWith(empty); },
                           [&] { return services.ConnectWith(lookup); }});
  const double upsert = services.Upsert();
  Turns with;
  const double ours =
      with.LeastOfEach({[&] { return services.ConnectToServices(); }})[0];
  services.Close();
  for (auto _ : state) state.SetIterationTime(ours * 1e-9);
  state.counters["none_ns"] = least[0];
  state.counters["hook_ns"] = least[1] - least[0];
  state.counters["lookup_ns"] = least[2] - least[1];
  state.counters["service_ns"] = ours - least[1];
  state.counters["upsert_ms"] = upsert * 1e3;
}
BENCHMARK(BM_Connect)
    ->Arg(10)
    ->Arg(10000)
    ->Arg(kMostServices)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace ciliumcore::bench
