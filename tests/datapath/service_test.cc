// SPDX-License-Identifier: Apache-2.0

// Services at real sockets: pods in namespaces, programs on a cgroup of the
// test's own.

#include "ciliumcore/service/service.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/abi/reason.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/features.h"
#include "ciliumcore/datapath/service_check.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/maps/mapped_array.h"
#include "ciliumcore/net/cgroup.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::RunInNetns;
using testing::TestNode;
using testing::TestSocket;

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

// An address as the kernel's calls take it; `v6` mapped if it is an IPv4 one.
struct SockAddr {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  static SockAddr Of(const IpAddress& address, uint16_t port, bool v6) {
    SockAddr out;
    if (v6) {
      auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
      in6->sin6_family = AF_INET6;
      in6->sin6_port = htons(port);
      const std::string text =
          address.is_v4() ? "::ffff:" + address.ToString() : address.ToString();
      inet_pton(AF_INET6, text.c_str(), &in6->sin6_addr);
      out.size = sizeof(*in6);
    } else {
      auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
      in->sin_family = AF_INET;
      in->sin_port = htons(port);
      inet_pton(AF_INET, address.ToString().c_str(), &in->sin_addr);
      out.size = sizeof(*in);
    }
    return out;
  }

  std::string ToString() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET6) {
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&storage);
      inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
      return absl::StrCat("[", text, "]:", ntohs(in6->sin6_port));
    }
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    return absl::StrCat(text, ":", ntohs(in->sin_port));
  }
};

class ServiceTest : public ::testing::Test {
 protected:
  static constexpr PortProtocol kHttp = {.protocol = Protocol::kTcp,
                                         .port = 80};
  static constexpr PortProtocol kDns = {.protocol = Protocol::kUdp, .port = 53};

  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    auto cgroup = Cgroup::Create("ciliumcore-test");
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    cgroup_.emplace(*std::move(cgroup));
    ASSERT_EQ(cgroup_->Enter(), absl::OkStatus());
    node_.emplace();
    for (int i = 0; i < 4; ++i) {
      const std::string name = i == 0 ? "web" : absl::StrCat("db", i);
      node_->AddPod(name, V4(i).ToString(), V6(i).ToString());
    }
    Open();
    Transaction change = datapath_->Begin();
    AttachPods(change);
    ASSERT_EQ(change.Commit(), absl::OkStatus());
    for (int i = 1; i < 4; ++i) {
      for (const IpAddress& address : {V4(i), V6(i)}) {
        const int netns = node_->netns(absl::StrCat("db", i));
        listeners_.push_back(TestSocket::Listen(
            netns, address, {.protocol = Protocol::kTcp, .port = 8080}));
        udp_[address] = TestSocket::Listen(
            netns, address, {.protocol = Protocol::kUdp, .port = 5353});
      }
    }
  }

  void Open(Lifetime lifetime = Lifetime::kProcess,
            const std::string& bpffs = "/sys/fs/bpf", bool serves = true) {
    datapath_.reset();
    auto datapath = Datapath::Open({.name = "test",
                                    .lifetime = lifetime,
                                    .bpffs = bpffs,
                                    .cgroup = serves ? cgroup_->path() : "",
                                    .capacity = {.connections = 4096,
                                                 .addresses = 1024,
                                                 .prefixes = 1024,
                                                 .services = 256,
                                                 .backends = 1024}});
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
  }

  void AttachPods(Transaction& change) {
    for (int i = 0; i < 4; ++i) {
      const std::string name = i == 0 ? "web" : absl::StrCat("db", i);
      change.AttachEndpoint(
          {.interface = "veth-" + name,
           .addresses = {V4(i), V6(i)},
           .identity = identities_.Allocate({{"app", name}})});
    }
  }

  static IpAddress V4(int i) { return Ip(absl::StrCat("10.0.1.", i + 1)); }
  static IpAddress V6(int i) { return Ip(absl::StrCat("fd00:1::", i + 1)); }
  static IpAddress Vip(bool v6) { return Ip(v6 ? "fd00:96::1" : "10.96.0.1"); }

  static ServiceOptions Service(bool v6, PortProtocol port,
                                std::vector<int> backends) {
    ServiceOptions service;
    service.name = "shop/db";
    service.frontend = {.address = Vip(v6), .port = port};
    const uint16_t target = port.protocol == Protocol::kTcp ? 8080 : 5353;
    for (const int i : backends)
      service.backends.push_back(
          {.address = v6 ? V6(i) : V4(i), .port = target});
    return service;
  }

  void Set(std::vector<ServiceOptions> services) {
    Transaction change = datapath_->Begin();
    change.SetServices(std::move(services));
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
  }

  // From web: a socket of the family, as connected.
  struct Connected {
    UniqueFd fd;
    int error = 0;
    std::string peer;  // as getpeername says
    std::string real;  // as the backend's listener sees it
  };
  Connected Connect(const IpAddress& address, PortProtocol port, bool v6) {
    Connected out;
    RunInNetns(node_->netns("web"), [&] {
      const int type =
          port.protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
      out.fd = UniqueFd(socket(v6 ? AF_INET6 : AF_INET, type, 0));
      timeval limit = {.tv_sec = 1, .tv_usec = 0};
      setsockopt(out.fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
      SockAddr to = SockAddr::Of(address, port.port, v6);
      if (connect(out.fd.get(), to.get(), to.size) != 0) out.error = errno;
      SockAddr peer;
      if (getpeername(out.fd.get(), peer.get(), &peer.size) == 0)
        out.peer = peer.ToString();
    });
    return out;
  }

  // Which backend a TCP connection went to, 0 if none.
  int BackendOf() {
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (listeners_[i].Accept(0).connected())
        return static_cast<int>(i / 2) + 1;
    }
    return 0;
  }
  int ConnectedBackend(const IpAddress& address, bool v6) {
    const Connected connection = Connect(address, kHttp, v6);
    if (connection.error != 0) return -connection.error;
    return BackendOf();
  }

  // Declared first: goes last.
  std::optional<Cgroup> cgroup_;
  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::optional<Datapath> datapath_;
  std::vector<TestSocket> listeners_;
  std::map<IpAddress, TestSocket> udp_;
};

TEST_F(ServiceTest, ConnectsToABackendAndNamesTheFrontend) {
  Set({Service(false, kHttp, {1}), Service(true, kHttp, {2})});
  const Connected v4 = Connect(Vip(false), kHttp, false);
  EXPECT_EQ(v4.error, 0) << std::strerror(v4.error);
  EXPECT_EQ(v4.peer, "10.96.0.1:80");
  EXPECT_EQ(BackendOf(), 1);
  const Connected v6 = Connect(Vip(true), kHttp, true);
  EXPECT_EQ(v6.error, 0) << std::strerror(v6.error);
  EXPECT_EQ(v6.peer, "[fd00:96::1]:80");
  EXPECT_EQ(BackendOf(), 2);
  const Connected mapped = Connect(Vip(false), kHttp, true);
  EXPECT_EQ(mapped.error, 0) << std::strerror(mapped.error);
  EXPECT_EQ(mapped.peer, "[::ffff:10.96.0.1]:80");
  EXPECT_EQ(BackendOf(), 1);
}

TEST_F(ServiceTest, LeavesEverythingElseAlone) {
  Set({Service(false, kHttp, {1})});
  const Connected direct =
      Connect(V4(2), {.protocol = Protocol::kTcp, .port = 8080}, false);
  EXPECT_EQ(direct.error, 0);
  EXPECT_EQ(direct.peer, "10.0.1.3:8080");
  EXPECT_EQ(BackendOf(), 2);
  // Another port, another protocol of the frontend.
  EXPECT_NE(Connect(Vip(false), {.protocol = Protocol::kTcp, .port = 81}, false)
                .error,
            0);
  const Connected udp =
      Connect(Vip(false), {.protocol = Protocol::kUdp, .port = 80}, false);
  EXPECT_EQ(udp.peer, "10.96.0.1:80");
}

// Chi-squared of connections to three equal backends.
TEST_F(ServiceTest, SpreadsByTheTable) {
  Set({Service(false, kHttp, {1, 2, 3})});
  constexpr int kConnections = 300;
  const auto spread = [&] {
    std::map<int, int> counts = {{1, 0}, {2, 0}, {3, 0}};
    for (int i = 0; i < kConnections; ++i)
      ++counts[ConnectedBackend(Vip(false), false)];
    EXPECT_EQ(counts.size(), 3u) << "some reached none of them";
    double chi = 0;
    for (const auto& [backend, count] : counts) {
      const double expected = kConnections / 3.0;
      chi += (count - expected) * (count - expected) / expected;
    }
    return chi;
  };
  // At two degrees of freedom chance exceeds it once in 1,000 times, and twice
  // in a row once in 1,000,000.
  constexpr double kOneInThousand = 13.82;
  EXPECT_TRUE(spread() < kOneInThousand || spread() < kOneInThousand);
}

TEST_F(ServiceTest, AChangeIsWholeAtOnce) {
  for (const std::vector<int>& backends :
       std::vector<std::vector<int>>{{1}, {2}, {3}, {1, 2}, {2}}) {
    Set({Service(false, kHttp, backends)});
    for (int i = 0; i < 6; ++i) {
      const int backend = ConnectedBackend(Vip(false), false);
      EXPECT_NE(std::find(backends.begin(), backends.end(), backend),
                backends.end())
          << backend;
    }
  }
  Set({});
  EXPECT_NE(Connect(Vip(false), kHttp, false).error, 0);
}

TEST_F(ServiceTest, WithoutBackendsItIsRefusedAtOnceAndTold) {
  Set({Service(false, kHttp, {})});
  const Connected refused = Connect(Vip(false), kHttp, false);
  EXPECT_EQ(refused.error, ECONNREFUSED);
  std::optional<Flow> told;
  while (auto flow = datapath_->flows().Next(absl::Seconds(1))) {
    if (flow->reason != CC_REASON_NO_BACKEND) continue;
    told = flow;
    break;
  }
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->destination.address, Vip(false));
  EXPECT_EQ(told->destination.port, 80);
  EXPECT_EQ(told->protocol, Protocol::kTcp);
  EXPECT_EQ(told->verdict, Flow::Verdict::kDropped);
  const auto counters = datapath_->counters();
  ASSERT_TRUE(counters.ok());
  uint64_t counted = 0;
  for (const Counter& counter : *counters) {
    if (counter.reason == CC_REASON_NO_BACKEND) counted += counter.packets;
  }
  EXPECT_EQ(counted, 1u);
  // One of no weight gets nobody new.
  ServiceOptions drained = Service(false, kHttp, {1});
  drained.backends[0].weight = 0;
  Set({drained});
  EXPECT_EQ(Connect(Vip(false), kHttp, false).error, ECONNREFUSED);
}

TEST_F(ServiceTest, ABackendThatDoesNotAnswerGetsNobody) {
  const auto set_health = [&](int backend, bool is_healthy) {
    Transaction change = datapath_->Begin();
    change.SetHealth({{.address = V4(backend),
                       .port = {.protocol = Protocol::kTcp, .port = 8080},
                       .is_healthy = is_healthy}});
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  };
  Set({Service(false, kHttp, {1, 2})});
  set_health(1, false);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(ConnectedBackend(Vip(false), false), 2);
  // It is so in what comes later, too, and until it is told otherwise.
  Set({Service(false, kHttp, {1, 3})});
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(ConnectedBackend(Vip(false), false), 3);
  set_health(3, false);
  EXPECT_EQ(ConnectedBackend(Vip(false), false), -ECONNREFUSED);
  set_health(1, true);
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 1);
}

TEST_F(ServiceTest, AClientKeepsItsBackend) {
  ServiceOptions service = Service(false, kHttp, {1, 2, 3});
  service.affinity = Affinity::kClientIp;
  Set({service});
  const int first = ConnectedBackend(Vip(false), false);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(ConnectedBackend(Vip(false), false), first);
  // Also when others go.
  const int gone = first % 3 + 1;
  std::erase_if(service.backends, [&](const Backend& backend) {
    return backend.address == V4(gone);
  });
  Set({service});
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(ConnectedBackend(Vip(false), false), first);
  // Until its own goes.
  std::erase_if(service.backends, [&](const Backend& backend) {
    return backend.address == V4(first);
  });
  Set({service});
  const int other = ConnectedBackend(Vip(false), false);
  EXPECT_NE(other, first);
  EXPECT_GT(other, 0);
}

TEST_F(ServiceTest, DatagramsGoAndComeBackUnderTheFrontendsName) {
  Set({Service(false, kDns, {1, 2, 3}), Service(true, kDns, {1, 2, 3})});
  for (const bool v6_socket : {false, true}) {
    for (const bool v6 : {false, true}) {
      if (v6 && !v6_socket) continue;
      RunInNetns(node_->netns("web"), [&] {
        const UniqueFd fd(
            socket(v6_socket ? AF_INET6 : AF_INET, SOCK_DGRAM, 0));
        std::string backend;
        for (int i = 0; i < 8; ++i) {
          SockAddr to = SockAddr::Of(Vip(v6), 53, v6_socket);
          ASSERT_EQ(sendto(fd.get(), "ask", 3, 0, to.get(), to.size), 3);
          // Whichever backend got it answers.
          SockAddr client;
          std::string got;
          for (auto& [address, socket] : udp_) {
            pollfd ready = {.fd = socket.fd(), .events = POLLIN, .revents = 0};
            if (poll(&ready, 1, 5) != 1) continue;
            char text[8];
            if (recvfrom(socket.fd(), text, sizeof(text), 0, client.get(),
                         &client.size) == 3) {
              got = address.ToString();
              sendto(socket.fd(), "answer", 6, 0, client.get(), client.size);
            }
          }
          ASSERT_FALSE(got.empty());
          // One socket's datagrams are one conversation.
          EXPECT_TRUE(backend.empty() || got == backend) << got;
          backend = got;
          pollfd ready = {.fd = fd.get(), .events = POLLIN, .revents = 0};
          ASSERT_EQ(poll(&ready, 1, 500), 1);
          SockAddr from;
          char text[8];
          ASSERT_EQ(
              recvfrom(fd.get(), text, sizeof(text), 0, from.get(), &from.size),
              6);
          EXPECT_EQ(from.ToString(), to.ToString());
        }
      });
    }
  }
}

// A process that lives in a namespace, as a pod's do.
class Inhabitant {
 public:
  explicit Inhabitant(int netns) : pid_(fork()) {
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setns(netns, CLONE_NEWNET) != 0) _exit(1);
    raise(SIGSTOP);
    _exit(0);
  }
  ~Inhabitant() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  bool is_there() const {
    int status = 0;
    return waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
  }

 private:
  const pid_t pid_;
};

TEST_F(ServiceTest, SocketsOfBackendsThatHaveGoneAreEnded) {
  const absl::StatusOr<bool> can_end =
      HasKernelFeature(KernelFeature::kSockDestroy);
  ASSERT_TRUE(can_end.ok()) << can_end.status();
  if (!*can_end) {
    const auto feature = static_cast<size_t>(KernelFeature::kSockDestroy);
    ASSERT_LT(RunningKernel(), KernelFeatures()[feature].since);
    EXPECT_TRUE(absl::IsUnimplemented(datapath_->EndStaleSockets().status()));
    return;
  }
  const Inhabitant web(node_->netns("web"));
  ASSERT_TRUE(web.is_there());
  for (const bool v6 : {false, true}) {
    Set({Service(v6, kDns, {1}), Service(!v6, kDns, {3})});
    const Connected goes = Connect(Vip(v6), kDns, v6);
    const Connected stays = Connect(Vip(!v6), kDns, !v6);
    // It spoke to the service once; now it speaks to somebody else.
    const Connected left = Connect(Vip(v6), kDns, v6);
    ASSERT_EQ(goes.error + stays.error + left.error, 0);
    SockAddr other = SockAddr::Of(v6 ? V6(3) : V4(3), 5353, v6);
    ASSERT_EQ(connect(left.fd.get(), other.get(), other.size), 0);
    EXPECT_EQ(*datapath_->EndStaleSockets(), 0u);
    // A service that grows has its backends elsewhere, and still has them.
    ServiceOptions grown = Service(v6, kDns, {1, 2, 3});
    for (uint16_t port = 6000; port < 6010; ++port)
      grown.backends.push_back({.address = v6 ? V6(1) : V4(1), .port = port});
    Set({grown, Service(!v6, kDns, {3})});
    EXPECT_EQ(*datapath_->EndStaleSockets(), 0u);
    // One that comes back is the same.
    Set({Service(!v6, kDns, {3})});
    Set({Service(v6, kDns, {1}), Service(!v6, kDns, {3})});
    EXPECT_EQ(*datapath_->EndStaleSockets(), 0u);

    Set({Service(v6, kDns, {2}), Service(!v6, kDns, {3})});
    const absl::StatusOr<uint64_t> ended = datapath_->EndStaleSockets();
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(*ended, 1u);
    char byte = 0;
    EXPECT_EQ(recv(goes.fd.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, ECONNABORTED);
    for (const Connected* fine : {&stays, &left}) {
      EXPECT_EQ(recv(fine->fd.get(), &byte, 1, MSG_DONTWAIT), -1);
      EXPECT_EQ(errno, EAGAIN);
    }
    EXPECT_EQ(*datapath_->EndStaleSockets(), 0u);
  }
}

TEST_F(ServiceTest, GoesOnWithoutItsProcessAndIsTakenOver) {
  datapath_.reset();
  const testing::PrivateBpffs bpffs;
  const auto open = [&](bool serves) {
    Open(Lifetime::kPinned, bpffs.root(), serves);
    ASSERT_TRUE(datapath_.has_value());
  };
  const auto attach = [&](std::vector<ServiceOptions> services) {
    Transaction change = datapath_->Begin();
    AttachPods(change);
    change.SetServices(std::move(services));
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  };
  open(true);
  attach({Service(false, kHttp, {1})});
  const Connected early = Connect(Vip(false), kHttp, false);
  EXPECT_EQ(BackendOf(), 1);
  datapath_.reset();
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 1) << "no process";
  open(true);
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 1) << "not yet taken over";
  attach({Service(false, kHttp, {2})});
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 2);
  // What a socket is connected to is remembered across.
  SockAddr peer;
  ASSERT_EQ(getpeername(early.fd.get(), peer.get(), &peer.size), 0);
  EXPECT_EQ(peer.ToString(), "10.96.0.1:80");
  open(false);
  attach({});
  // The kernel detaches a link that is pinned no more a moment later.
  int error = 0;
  for (int i = 0; i < 100 && error == 0; ++i) {
    usleep(10000);
    error = Connect(Vip(false), kHttp, false).error;
  }
  EXPECT_NE(error, 0) << "there are no services";
  datapath_.reset();
  EXPECT_EQ(Datapath::Remove({.name = "test", .bpffs = bpffs.root()}),
            absl::OkStatus());
}

TEST_F(ServiceTest, WhatIsDamagedIsFoundAndRepaired) {
  datapath_.reset();
  const testing::PrivateBpffs bpffs;
  Open(Lifetime::kPinned, bpffs.root(), /*serves=*/true);
  ASSERT_TRUE(datapath_.has_value());
  const auto commit = [&](std::vector<ServiceOptions> services) {
    Transaction change = datapath_->Begin();
    AttachPods(change);
    change.SetServices(std::move(services));
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  };
  ServiceOptions other = Service(true, kHttp, {1, 2, 3});
  other.affinity = Affinity::kClientIp;
  commit({Service(false, kHttp, {2}), other});
  const InspectOptions instance = {.name = "test", .bpffs = bpffs.root()};
  const auto check = [&] {
    const absl::StatusOr<ServiceReport> report = CheckServices(instance);
    EXPECT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->services, 2u);
    return report->findings;
  };
  EXPECT_EQ(check(), std::vector<ServiceFinding>());
  const auto held = RepairServices(instance);
  EXPECT_TRUE(absl::IsFailedPrecondition(held.status())) << held.status();
  datapath_.reset();  // its writer ends; its programs go on

  auto services = MappedArray<cc_service>::OpenPinned(
      bpffs.root() + "/ciliumcore/test/state/maps/cc_services");
  ASSERT_TRUE(services.ok()) << services.status();
  for (cc_service& service : services->entries()) {
    service.near_port[0] ^= 0x0100;
    service.target[0] ^= 1ull << 30;
    service.target[1] ^= 1ull << 30;
  }
  EXPECT_NE(ConnectedBackend(Vip(false), false), 2);
  EXPECT_FALSE(check().empty());
  const auto repaired = RepairServices(instance);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_FALSE(repaired->findings.empty());
  EXPECT_EQ(check(), std::vector<ServiceFinding>());
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 2);
  EXPECT_GT(ConnectedBackend(Vip(true), true), 0);

  // The next writer takes it over as any other.
  Open(Lifetime::kPinned, bpffs.root(), /*serves=*/true);
  ASSERT_TRUE(datapath_.has_value());
  commit({Service(false, kHttp, {3})});
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 3);
  EXPECT_EQ(CheckServices(instance)->findings, std::vector<ServiceFinding>());
  datapath_.reset();
  EXPECT_EQ(Datapath::Remove({.name = "test", .bpffs = bpffs.root()}),
            absl::OkStatus());
}

TEST_F(ServiceTest, OthersCgroupsAreLeftAlone) {
  Set({Service(false, kHttp, {1})});
  ASSERT_EQ(cgroup_->Leave(), absl::OkStatus());
  EXPECT_NE(Connect(Vip(false), kHttp, false).error, 0);
}

TEST_F(ServiceTest, BadServicesAreRefusedByName) {
  const auto refused = [&](std::vector<ServiceOptions> services) {
    Transaction change = datapath_->Begin();
    change.SetServices(std::move(services));
    return change.Commit();
  };
  Set({Service(false, kHttp, {1})});
  ServiceOptions mixed = Service(false, kHttp, {1});
  mixed.backends.push_back({.address = V6(2), .port = 80});
  EXPECT_EQ(refused({mixed}),
            absl::InvalidArgumentError(
                "service shop/db 10.96.0.1:80/TCP: its backend [fd00:1::3]:80 "
                "is of the other address family"));
  EXPECT_EQ(refused({Service(false, kHttp, {1, 1})}),
            absl::InvalidArgumentError("service shop/db 10.96.0.1:80/TCP: its "
                                       "backend 10.0.1.2:8080 is there twice"));
  EXPECT_EQ(
      refused({Service(false, kHttp, {1}), Service(false, kHttp, {2})}),
      absl::InvalidArgumentError("service shop/db 10.96.0.1:80/TCP: its "
                                 "frontend is also that of service shop/db"));
  std::vector<ServiceOptions> many;
  for (uint16_t i = 1; i <= 300; ++i)
    many.push_back(
        Service(false, {.protocol = Protocol::kTcp, .port = i}, {2, 3}));
  const absl::Status full = refused(many);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  // What was goes on.
  EXPECT_EQ(ConnectedBackend(Vip(false), false), 1);
  many.resize(200);
  EXPECT_EQ(refused(many), absl::OkStatus());
  EXPECT_GT(ConnectedBackend(Vip(false), false), 1);
}

TEST_F(ServiceTest, NeedsACgroup) {
  const auto none = Datapath::Open({.name = "none", .cgroup = "/tmp"});
  EXPECT_EQ(none.status(),
            absl::InvalidArgumentError(
                "cgroup /tmp: expected a directory of cgroup version 2"));
  auto without = Datapath::Open({.name = "without"});
  ASSERT_TRUE(without.ok()) << without.status();
  Transaction change = without->Begin();
  change.UpsertService(Service(false, kHttp, {1}));
  EXPECT_EQ(change.Commit(), absl::FailedPreconditionError(
                                 "service 10.96.0.1:80/TCP: the datapath was "
                                 "opened without a cgroup"));
}

}  // namespace
}  // namespace ciliumcore
