// SPDX-License-Identifier: Apache-2.0

// connect() of a UDP socket to a service: beside a program that does nothing,
// and beside one that makes a single lookup, and finds, in a hash of as many
// entries. And how long services take to become true.

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
#include <numeric>
#include <optional>
#include <random>
#include <string>
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
constexpr uint32_t kFirstElement = 0x7f020001;  // 127.2.0.1: in the bare hash
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

hooks* LoadHooks(uint32_t elements) {
  hooks* skeleton = hooks::open();
  Require(skeleton != nullptr, "opening the programs to compare with");
  bpf_map__set_max_entries(skeleton->maps.bench_frontends, elements);
  Require(hooks::load(skeleton) == 0, "loading the programs to compare with");
  return skeleton;
}

Cgroup NewCgroup(const std::string& prefix) {
  absl::StatusOr<Cgroup> cgroup = Cgroup::Create(prefix);
  Require(cgroup.ok(), cgroup.status().ToString());
  return *std::move(cgroup);
}

UniqueFd SocketIn(Cgroup& cgroup) {
  Require(cgroup.Enter().ok(), "entering the cgroup");
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Require(cgroup.Leave().ok(), "leaving the cgroup");
  Require(fd.get() >= 0, "a socket");
  return fd;
}

// A socket whose calls the programs to compare with see, and one that the
// datapath serves.
class Services {
 public:
  explicit Services(uint32_t count)
      : bare_cgroup_(NewCgroup("ciliumcore-bare")),
        cgroup_(NewCgroup("ciliumcore-bench")),
        skeleton_(LoadHooks(count)),
        bare_socket_(SocketIn(bare_cgroup_)),
        socket_(SocketIn(cgroup_)) {
    Shell("ip link set lo up");
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
          BenchFrontend{.addr = {0, 0, htonl(0xffff), htonl(kFirstElement + i)},
                        .port = htons(kPort),
                        .protocol = IPPROTO_UDP},
          uint64_t{i});
    }
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }
  ~Services() { hooks::destroy(skeleton_); }
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Nanoseconds per connect() with the program attached; -1: with none.
  double ConnectWith(int program) {
    UniqueFd link;
    if (program >= 0) {
      const UniqueFd directory(open(bare_cgroup_.path().c_str(),
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      link = UniqueFd(bpf_link_create(program, directory.get(),
                                      BPF_CGROUP_INET4_CONNECT, nullptr));
      Require(link.get() >= 0, "attaching");
    }
    return Connect(bare_socket_.get(), kFirstElement);
  }

  double ConnectToServices() { return Connect(socket_.get(), kFirstService); }

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

  hooks& skeleton() { return *skeleton_; }

 private:
  // To as many addresses from `first` on, each in turn, in no order. What fits
  // into the caches is there: the first pass does not count.
  double Connect(int fd, uint32_t first) {
    Pass(fd, first);
    const auto start = std::chrono::steady_clock::now();
    Pass(fd, first);
    return Seconds(start) * 1e9 / kConnects;
  }

  void Pass(int fd, uint32_t first) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPort);
    for (uint32_t i = 0; i < kConnects; ++i) {
      to.sin_addr.s_addr = htonl(first + order_[next_++ % order_.size()]);
      Require(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0,
              "connecting");
    }
  }

  Cgroup bare_cgroup_, cgroup_;
  hooks* skeleton_;
  UniqueFd bare_socket_, socket_;
  std::vector<ServiceOptions> services_;
  std::vector<uint32_t> order_;
  std::optional<Datapath> datapath_;
  size_t next_ = 0;
};

void BM_Connect(benchmark::State& state) {
  Services services(static_cast<uint32_t>(state.range(0)));
  const int empty = bpf_program__fd(services.skeleton().progs.bench_empty);
  const int lookup = bpf_program__fd(services.skeleton().progs.bench_lookup);
  // As soon as any cgroup has such a program, every connect() pays for the
  // hook.
  Turns before;
  const std::vector<double> hook =
      before.LeastOfEach({[&] { return services.ConnectWith(-1); },
                          [&] { return services.ConnectWith(empty); }});
  const double upsert = services.Upsert();
  Turns turns;
  const std::vector<double> least =
      turns.LeastOfEach({[&] { return services.ConnectWith(empty); },
                         [&] { return services.ConnectWith(lookup); },
                         [&] { return services.ConnectToServices(); }});
  const double ours = least[2];
  for (auto _ : state) state.SetIterationTime(ours * 1e-9);
  state.counters["none_ns"] = hook[0];
  state.counters["hook_ns"] = hook[1] - hook[0];
  state.counters["lookup_ns"] = least[1] - least[0];
  state.counters["service_ns"] = ours - least[0];
  state.counters["of_lookup"] = ours / least[1];
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
