// SPDX-License-Identifier: Apache-2.0

// What the writer of a load balancer keeps to, where only single changes, times
// and records show it: room, numbers of backends, ages of records.

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ciliumcore/testing/packet.h"
#include "tests/bpf/lb_rig.h"

namespace ciliumcore::testing {
namespace {

const MacAddress kRouter = {2, 0, 0, 0, 0, 1}, kOwn = {2, 0, 0, 0, 0, 2};

LoadBalancerOptions Options(LoadBalancerCapacity capacity) {
  return {.source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
          .gateway = MacAddress{2, 0, 0, 0, 0, 9},
          .seed = 42,
          .capacity = capacity};
}

constexpr LoadBalancerCapacity kSmall = {
    .services = 16, .backends = 256, .slots = 1 << 18, .flows = 4096};

IpAddress Backend(uint32_t i) { return IpAddress::FromV4(0x0a010000 + i); }

// Number `i`, with backends [first, first + count).
BalancedService ServiceOf(uint32_t i, uint32_t first, uint32_t count,
                          Protocol protocol = Protocol::kTcp) {
  BalancedService service = {
      .frontend = {.address = IpAddress::FromV4(0x0a600000 + i),
                   .port = {.protocol = protocol, .port = 80}}};
  for (uint32_t b = first; b < first + count; ++b)
    service.backends.push_back({.address = Backend(b)});
  return service;
}

PacketBuilder To(const BalancedService& service) {
  return PacketBuilder()
      .Ethernet(kRouter, kOwn)
      .Ip(IpAddress::FromV4(0xc6120001), service.frontend.address);
}
std::string Segment(const BalancedService& service, uint16_t port,
                    uint8_t flags) {
  return To(service).Tcp(port, 80, flags).Build();
}

// All slots of a service move: its backends drain, others come.
void MoveAll(LbRig& rig, BalancedService service, uint32_t first) {
  ASSERT_TRUE(rig.Upsert(service).ok());
  for (BalancedBackend& backend : service.backends) backend.weight = 0;
  for (uint32_t b = first; b < first + 5; ++b)
    service.backends.push_back({.address = Backend(b)});
  ASSERT_TRUE(rig.Upsert(service).ok());
}

TEST(LbWriterTest, OneServesWhileManyDrain) {
  const auto rig = LbRig::Native(Options(kSmall));
  BalancedService service = ServiceOf(1, 1, 201);
  ASSERT_TRUE(rig->Upsert(service).ok());
  for (size_t i = 0; i < 200; ++i) service.backends[i].weight = 0;
  const absl::Status done = rig->Upsert(service);
  ASSERT_TRUE(done.ok()) << done;
  for (uint16_t port = 1000; port < 1100; ++port)
    EXPECT_EQ(rig->BackendOf(Segment(service, port, kTcpSyn)), Backend(201));
  // The same at once.
  BalancedService other = service;
  other.frontend.address = IpAddress::FromV4(0x0a600002);
  EXPECT_TRUE(rig->Upsert(other).ok());
  EXPECT_EQ(rig->BackendOf(Segment(other, 1, kTcpSyn)), Backend(201));
}

// Flows that nobody has recorded, of a backend that is gone, go where new ones
// do; not to whoever has its number.
TEST(LbWriterTest, ANumberRestsWhileATableNamesIt) {
  const auto rig = LbRig::Native(Options(kSmall));
  BalancedService service = ServiceOf(1, 1, 3);
  ASSERT_TRUE(rig->Upsert(service).ok());
  std::set<uint16_t> lost;  // flows of the first
  for (uint16_t port = 1000; port < 1600; ++port) {
    if (rig->BackendOf(Segment(service, port, kTcpSyn)) == Backend(1))
      lost.insert(port);
  }
  ASSERT_GT(lost.size(), 100u);
  service.backends.erase(service.backends.begin());
  ASSERT_TRUE(rig->Upsert(service).ok());
  rig->Pass(40);
  service.backends.push_back({.address = Backend(9), .weight = 1});
  ASSERT_TRUE(rig->Upsert(service).ok());
  size_t to_new = 0;
  for (const uint16_t port : lost) {
    // A SYN leaves a record: each is of another source port.
    to_new += rig->BackendOf(Segment(service, port, kTcpAck)) == Backend(9);
  }
  // Its share is a third, of all of which the number would give it all.
  EXPECT_LT(to_new, lost.size() / 2);
  // And in the end it is given back: numbers stay below the room's bound.
  for (int i = 0; i < 100; ++i) {
    service.backends.back().address = Backend(10 + i);
    ASSERT_TRUE(rig->Upsert(service).ok());
    rig->Pass(20);
  }
  rig->Pass(3700);
  EXPECT_FALSE(rig->writer().is_restless());
}

// An entry whose backend is gone ends at the epoch of that, for as long as it
// is nobody else's; whatever becomes of its number in newer rooms.
TEST(LbWriterTest, AnEndStaysWhereItWas) {
  LoadBalancerOptions options = Options(kSmall);
  options.tcp_silence = absl::Seconds(10);
  const auto rig = LbRig::Native(options);
  std::mt19937 random(5);
  const auto until = [&] {
    std::vector<uint32_t> all;
    for (const cc_lb_backend& entry : rig->writer().maps().backends.entries())
      all.push_back(entry.until);
    return all;
  };
  BalancedService service = ServiceOf(1, 1, 0);
  std::vector<uint32_t> was = until();
  size_t ends = 0;
  for (uint32_t round = 0; round < 600; ++round) {
    // At first a few, whom flows are of, and who stay.
    service.backends = ServiceOf(1, 1, 3).backends;
    if (round != 0) {
      const uint32_t more = random() % 12;
      for (uint32_t b = 10; b < 10 + more; ++b)
        service.backends.push_back({.address = Backend(b + random() % 3 * 20)});
    }
    ASSERT_TRUE(rig->Upsert(service).ok());
    for (uint16_t port = 1000; port < 1020; ++port)
      ASSERT_EQ(rig->Run(Segment(service, port, kTcpAck)).action, XDP_TX);
    const std::vector<uint32_t> is = until();
    for (size_t i = 0; i < is.size(); ++i) {
      if (was[i] != 0) {
        ASSERT_TRUE(is[i] == was[i] || is[i] == 0) << round << " " << i;
      }
      ends += was[i] == 0 && is[i] != 0;
    }
    was = is;
    rig->Pass(1 + random() % 8);
  }
  EXPECT_GT(ends, 1000u);
}

// Nothing that a failed change wrote is seen.
TEST(LbWriterTest, AChangeThatFailsLeavesEveryEntryAsItWas) {
  const auto rig = LbRig::Native(
      Options({.services = 4, .backends = 64, .slots = 4096, .flows = 64}));
  BalancedService service = ServiceOf(1, 1, 4);
  ASSERT_TRUE(rig->Upsert(service).ok());
  service.backends[0] = {.address = Backend(5)};
  ASSERT_TRUE(rig->Upsert(service).ok());
  const auto entries = [&] {
    std::vector<std::string> all;
    for (const cc_lb_backend& entry : rig->writer().maps().backends.entries())
      all.emplace_back(reinterpret_cast<const char*>(&entry), sizeof(entry));
    return all;
  };
  const auto before = entries();
  service.backends[1] = {.address = Backend(6)};
  BalancedService huge = ServiceOf(2, 1, 40);
  huge.backends.push_back({.address = Backend(41), .weight = 1});
  const absl::Status failed =
      rig->writer().Publish({{.frontend = service.frontend, .service = service},
                             {.frontend = huge.frontend, .service = huge}});
  ASSERT_EQ(failed.code(), absl::StatusCode::kResourceExhausted) << failed;
  EXPECT_EQ(entries(), before);
}

// TCP flows may be silent for an hour, those of UDP for a minute.
TEST(LbWriterTest, DatagramsTakeNoPlaceOfASegmentThatMayStillFollow) {
  const auto rig = LbRig::Native(Options(kSmall));
  const BalancedService tcp = ServiceOf(1, 1, 5);
  const BalancedService udp = ServiceOf(2, 1, 5, Protocol::kUdp);
  MoveAll(*rig, tcp, 11);
  std::map<uint16_t, IpAddress> flows;
  for (uint16_t port = 1000; port < 2200; ++port) {
    flows[port] = rig->BackendOf(Segment(tcp, port, kTcpSyn));
    ASSERT_EQ(rig->BackendOf(Segment(tcp, port, kTcpAck)), flows[port]);
  }
  rig->Pass(70);
  MoveAll(*rig, udp, 11);
  for (uint16_t port = 1000; port < 1600; ++port)
    rig->Run(To(udp).Udp(port, 80).Build());
  EXPECT_EQ(rig->Memory(CC_LB_RECORDED), 1800u);
  EXPECT_EQ(rig->Memory(CC_LB_EVICTED), 0u);
  for (const auto& [port, backend] : flows)
    ASSERT_EQ(rig->BackendOf(Segment(tcp, port, kTcpAck)), backend) << port;
}

// A flow ends, the same client port begins another one before a look at the
// records has found that, and goes on after it.
TEST(LbWriterTest, AFlowThatBeginsOnADeadRecordGoesOn) {
  for (const int silence : {30, 90}) {
    LoadBalancerOptions options = Options(kSmall);
    options.tcp_silence = absl::Seconds(silence);
    const auto rig = LbRig::Native(options);
    BalancedService service = ServiceOf(1, 1, 5);
    ASSERT_TRUE(rig->Upsert(service).ok());
    std::map<uint16_t, IpAddress> before;
    for (uint16_t port = 1000; port < 1200; ++port)
      before[port] = rig->BackendOf(Segment(service, port, kTcpSyn));
    service.backends.push_back({.address = Backend(6), .weight = 20});
    ASSERT_TRUE(rig->Upsert(service).ok());
    for (const auto& [port, backend] : before)
      ASSERT_EQ(rig->BackendOf(Segment(service, port, kTcpAck)), backend);
    // Looks are every 16 s: with any phase, one follows the SYN.
    for (uint32_t more = 1; more < 16; more += 5) {
      rig->Pass(static_cast<uint32_t>(silence) + more);
      std::map<uint16_t, IpAddress> fresh;
      for (const auto& [port, backend] : before)
        fresh[port] = rig->BackendOf(Segment(service, port, kTcpSyn));
      rig->Pass(17);
      for (const auto& [port, backend] : fresh)
        ASSERT_EQ(rig->BackendOf(Segment(service, port, kTcpAck)), backend)
            << silence << " " << more << " " << port;
    }
  }
}

TEST(LbWriterTest, TheCapacityIsThatOfBackendsAndAllOfThemMayChange) {
  // Of services, and backends of each: up to 256 together.
  for (const auto& [services, each] :
       {std::pair(16u, 16u), std::pair(16u, 14u), std::pair(4u, 52u),
        std::pair(1u, 256u), std::pair(16u, 3u)}) {
    const auto rig = LbRig::Native(Options(
        {.services = 16, .backends = 256, .slots = 1 << 20, .flows = 4096}));
    std::vector<internal::LbEdit> edits;
    for (uint32_t i = 0; i < services; ++i) {
      const BalancedService service = ServiceOf(i, 1, each);
      edits.push_back({.frontend = service.frontend, .service = service});
    }
    absl::Status done = rig->writer().Publish(edits);
    ASSERT_TRUE(done.ok()) << services << " x " << each << ": " << done;
    for (internal::LbEdit& edit : edits)
      edit.service->backends[0].address = Backend(1000);
    done = rig->writer().Publish(edits);
    EXPECT_TRUE(done.ok()) << services << " x " << each << ": " << done;
  }
}

TEST(LbWriterTest, AServiceTakesThePlaceOfAnotherInAFullBalancer) {
  const auto rig = LbRig::Native(Options(kSmall));
  for (uint32_t i = 0; i < 16; ++i)
    ASSERT_TRUE(rig->Upsert(ServiceOf(i, 1, 2)).ok()) << i;
  EXPECT_EQ(rig->Upsert(ServiceOf(16, 1, 2)).code(),
            absl::StatusCode::kResourceExhausted);
  for (uint32_t i = 16; i < 100; ++i) {
    const BalancedService old = ServiceOf(i - 16, 1, 2);
    const BalancedService fresh = ServiceOf(i, 1, 2);
    const absl::Status done = rig->writer().Publish(
        {{.frontend = old.frontend, .service = std::nullopt},
         {.frontend = fresh.frontend, .service = fresh}});
    ASSERT_TRUE(done.ok()) << i << ": " << done;
    EXPECT_EQ(rig->Run(Segment(old, 1, kTcpSyn)).action, XDP_PASS);
    EXPECT_EQ(rig->Run(Segment(fresh, 1, kTcpSyn)).action, XDP_TX);
  }
}

// A service that comes back before its grace period is over is another one.
TEST(LbWriterTest, AServiceThatComesBackBeginsToCountAnew) {
  const LoadBalancerOptions options = Options(kSmall);
  internal::LbWriter writer(
      *internal::LbMaps::CreateInMemory(
          internal::LbMapSizesFor(options.capacity)),
      [] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return absl::OkStatus();
      },
      options);
  std::vector<uint32_t> cleared;
  writer.OnReuse([&](uint32_t index) {
    cleared.push_back(index);
    return absl::OkStatus();
  });
  const BalancedService service = ServiceOf(1, 1, 2);
  const internal::LbEdit comes = {.frontend = service.frontend,
                                  .service = service};
  const internal::LbEdit goes = {.frontend = service.frontend,
                                 .service = std::nullopt};
  ASSERT_TRUE(writer.Publish({comes}).ok());
  EXPECT_TRUE(cleared.empty());
  ASSERT_TRUE(writer.Publish({goes}).ok());
  ASSERT_TRUE(writer.Publish({comes}).ok());
  uint32_t index = 0;
  writer.ForEach([&](const auto& seen) { index = seen.index; });
  EXPECT_EQ(cleared, std::vector<uint32_t>{index});
}

TEST(LbWriterTest, PartsOfASecondCountAsOne) {
  LoadBalancerOptions options = Options(kSmall);
  options.tcp_silence = absl::Milliseconds(1001);
  options.udp_silence = absl::Seconds(3);
  const auto rig = LbRig::Native(options);
  EXPECT_EQ(rig->writer().maps().state[0].tcp_silence, 2);
  EXPECT_EQ(rig->writer().maps().state[0].other_silence, 3);
}

}  // namespace
}  // namespace ciliumcore::testing
