// SPDX-License-Identifier: Apache-2.0

// The kernel and the process agree on the load balancer: of random packets,
// whole and broken, over random changes and times, both make the same, and they
// leave the same records, counters and drops.
//
// CC_SEED says where to begin.

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/testing/packet.h"
#include "tests/bpf/lb_rig.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

constexpr int kScenarios = 20, kPackets = 1500;
const MacAddress kRouter = {2, 0, 0, 0, 0, 1}, kOwn = {2, 0, 0, 0, 0, 2};

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

class Traffic {
 public:
  explicit Traffic(uint64_t seed) : random_(seed) {}

  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>(random_() % bound);
  }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

  Frontend AFrontend() {
    return {.address = Ip(absl::StrCat(OneIn(2) ? "10.96.0." : "fd00:96::",
                                       1 + Below(2))),
            .port = {.protocol = OneIn(3) ? Protocol::kUdp : Protocol::kTcp,
                     .port = static_cast<uint16_t>(80 + Below(2))}};
  }

  BalancedService AService() {
    BalancedService service = {.frontend = AFrontend()};
    const bool is_v4 = service.frontend.address.is_v4();
    for (int i = 1; i <= 8; ++i) {
      if (OneIn(2)) continue;
      service.backends.push_back(
          {.address = Ip(absl::StrCat(is_v4 ? "10.1.0." : "fd00:1::", i)),
           .weight = Below(4)});
    }
    return service;
  }

  std::vector<std::string> Packets() {
    const Frontend to = AFrontend();
    const bool is_v4 = to.address.is_v4();
    const IpAddress client =
        Ip(absl::StrCat(is_v4 ? "192.0.2." : "2001:db8::", 1 + Below(50)));
    const auto port = static_cast<uint16_t>(1024 + Below(20));
    std::string packet = Flow(client, to, port);
    std::vector<std::string> packets;
    if (OneIn(6)) {
      packet = Error(client, to, port);
    } else if (OneIn(8)) {
      packets = Fragments(packet, 8 * (3 + Below(20)), Below(6));
      if (OneIn(3)) packets.erase(packets.begin());
    }
    if (packets.empty()) packets.push_back(packet);
    for (std::string& each : packets) Spoil(each);
    return packets;
  }

 private:
  std::string Flow(const IpAddress& client, const Frontend& to, uint16_t port) {
    constexpr uint8_t kFlags[] = {kTcpSyn, kTcpAck, kTcpAck, kTcpSyn | kTcpAck,
                                  kTcpRst};
    IpFields fields = {.ttl = static_cast<uint8_t>(OneIn(20) ? Below(3) : 64),
                       .tos = static_cast<uint8_t>(Below(256))};
    if (OneIn(10)) fields.options = std::string(4 * Below(10), '\x01');
    auto packet =
        PacketBuilder().Ethernet(kRouter, kOwn).Ip(client, to.address, fields);
    if (!to.address.is_v4()) {
      for (uint32_t n = OneIn(6) ? Below(8) : 0; n > 0; --n)
        packet.Extension(OneIn(2) ? 60 : 43, static_cast<uint8_t>(Below(3)));
    }
    if (to.port.protocol == Protocol::kTcp) {
      packet.Tcp(port, to.port.port, kFlags[Below(5)]);
    } else {
      packet.Udp(port, to.port.port);
    }
    const uint32_t payload = OneIn(10) ? 1380 + Below(100) : Below(200);
    return packet.Payload(std::string(payload, 'z')).Build();
  }

  std::string Error(const IpAddress& client, const Frontend& to,
                    uint16_t port) {
    const auto answer = PacketBuilder()
                            .Ethernet(kOwn, kRouter)
                            .Ip(OneIn(10) ? client : to.address, client);
    const std::string quoted =
        to.port.protocol == Protocol::kTcp
            ? PacketBuilder(answer).Tcp(to.port.port, port, kTcpAck).Build()
            : PacketBuilder(answer).Udp(to.port.port, port).Build();
    const bool is_v4 = client.is_v4();
    return PacketBuilder()
        .Ethernet(kRouter, kOwn)
        .Ip(Ip(is_v4 ? "198.51.100.1" : "2001:db8:7::1"), to.address)
        .Icmp(static_cast<uint8_t>(OneIn(4) ? Below(256) : (is_v4 ? 3 : 2)), 4,
              1400)
        .Quote(quoted, OneIn(5) ? Below(9) : 8)
        .Build();
  }

  void Spoil(std::string& packet) {
    if (OneIn(6)) packet.resize(14 + Below(packet.size() - 13));
    for (uint32_t n = OneIn(6) ? 1 + Below(3) : 0; n > 0; --n)
      packet[Below(packet.size())] = static_cast<char>(Below(256));
  }

  std::mt19937_64 random_;
};

class LbDifferentialTest : public ::testing::Test {
 protected:
  void SetUp() override { RequireBpf(); }

  void Open() {
    const LoadBalancerOptions options = {
        .source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
        .source_v6 = *IpPrefix::Parse("fd00:16::/100"),
        .gateway = MacAddress{2, 0, 0, 0, 0, 9},
        .tcp_silence = absl::Seconds(20),
        .udp_silence = absl::Seconds(5),
        .seed = 3,
        // Few enough flows that buckets overflow.
        .capacity = {
            .services = 16, .backends = 512, .slots = 1 << 18, .flows = 64}};
    kernel_ = *LbRig::InKernel(options);
    native_ = LbRig::Native(options);
  }

  void Agree(uint64_t seed) {
    Open();
    Traffic traffic(seed);
    std::map<Frontend, bool> known;
    for (int i = 0; i < kPackets && !HasFailure(); ++i) {
      if (i < 6 || traffic.OneIn(60)) {
        const BalancedService service = traffic.AService();
        known[service.frontend] = true;
        ASSERT_TRUE(kernel_->Upsert(service).ok());
        ASSERT_TRUE(native_->Upsert(service).ok());
      } else if (traffic.OneIn(300)) {
        const Frontend frontend = traffic.AFrontend();
        const bool there = known[frontend];
        known[frontend] = false;
        ASSERT_EQ(kernel_->Remove(frontend).ok(), there);
        ASSERT_EQ(native_->Remove(frontend).ok(), there);
      }
      if (traffic.OneIn(20)) {
        const uint32_t seconds = 1 + traffic.Below(5);
        kernel_->Pass(seconds);
        native_->Pass(seconds);
      }
      for (const std::string& packet : traffic.Packets()) {
        const LbOutput kernel = kernel_->Run(packet);
        const LbOutput native = native_->Run(packet);
        ++outcomes_[kernel.action];
        ASSERT_EQ(kernel.action, native.action)
            << absl::BytesToHexString(packet);
        ASSERT_EQ(absl::BytesToHexString(kernel.packet),
                  absl::BytesToHexString(native.packet))
            << absl::BytesToHexString(packet);
      }
    }
    for (const cc_lb_memory_key key : {CC_LB_RECORDED, CC_LB_EVICTED}) {
      EXPECT_EQ(kernel_->Memory(key), native_->Memory(key));
      memory_[key] += native_->Memory(key);
    }
    for (int reason = 0; reason < CC_LB_REASONS; ++reason) {
      const cc_metric a = kernel_->Drops(static_cast<uint8_t>(reason));
      const cc_metric b = native_->Drops(static_cast<uint8_t>(reason));
      EXPECT_EQ(a.packets, b.packets) << reason;
      EXPECT_EQ(a.bytes, b.bytes) << reason;
      if (a.packets != 0) drops_[reason] += a.packets;
    }
    const auto a = kernel_->writer().maps().flows.entries();
    const auto b = native_->writer().maps().flows.entries();
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])), 0);
    for (const auto& [frontend, there] : known) {
      if (!there) continue;
      EXPECT_EQ(kernel_->Traffic(frontend).packets,
                native_->Traffic(frontend).packets);
      EXPECT_EQ(kernel_->Traffic(frontend).bytes,
                native_->Traffic(frontend).bytes);
    }
  }

  std::unique_ptr<LbRig> kernel_, native_;
  std::map<int, uint64_t> outcomes_, memory_, drops_;
};

TEST_F(LbDifferentialTest, KernelAndProcessAgree) {
  if (IsSkipped()) return;
  const char* from = std::getenv("CC_SEED");
  const uint64_t first = from == nullptr ? 1 : std::strtoull(from, nullptr, 10);
  for (uint64_t seed = first; seed < first + kScenarios; ++seed) {
    Agree(seed);
    if (HasFailure()) FAIL() << "CC_SEED=" << seed;
  }
  for (const auto& [action, count] : outcomes_)
    std::cout << "action " << action << ": " << count << "\n";
  for (const auto& [reason, count] : drops_)
    std::cout << "dropped by reason " << reason << ": " << count << "\n";
  std::cout << memory_[CC_LB_RECORDED] << " flows recorded, "
            << memory_[CC_LB_EVICTED] << " evicted\n";
  // The generator reaches what it is for.
  EXPECT_GT(memory_[CC_LB_EVICTED], 0u);
  EXPECT_GT(outcomes_[XDP_PASS], 0u);
  EXPECT_GE(drops_.size(), 4u);
}

}  // namespace
}  // namespace ciliumcore::testing
