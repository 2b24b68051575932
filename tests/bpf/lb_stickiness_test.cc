// SPDX-License-Identifier: Apache-2.0

// Flows stay where they are. Against a model of flows and backends, over random
// changes: a flow that speaks in time has the same backend from its first
// packet to its last, whatever comes, goes or changes its weight, unless that
// very backend goes; a new flow never gets one that takes none; and once
// everything has been still for long enough, nothing is remembered any more.
//
// CC_SEED says where to begin.

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/testing/packet.h"
#include "tests/bpf/lb_rig.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kSilence = 10;  // seconds
constexpr int kMostBackends = 24;
const MacAddress kRouter = {2, 0, 0, 0, 0, 1}, kOwn = {2, 0, 0, 0, 0, 2};

struct Kind {
  const char* name;
  bool in_kernel;
  Protocol protocol;
  int steps;
};

class LbStickinessTest : public ::testing::TestWithParam<Kind> {
 protected:
  struct Flow {
    uint32_t number = 0;  // its address and port
    IpAddress backend = {};
    uint32_t born = 0;  // of the backend, when the flow got it
    uint32_t spoke = 0;
  };
  // A backend of the service; `born` is another whenever it comes anew.
  struct Member {
    uint32_t weight = 1, born = 0;
  };

  void SetUp() override {
    const LoadBalancerOptions options = {
        .source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
        .gateway = MacAddress{2, 0, 0, 0, 0, 9},
        .tcp_silence = absl::Seconds(kSilence),
        .udp_silence = absl::Seconds(kSilence),
        .seed = 7,
        .capacity = {.services = 16,
                     .backends = 4096,
                     .slots = 1 << 20,
                     .flows = 1 << 16}};
    if (GetParam().in_kernel) {
      RequireBpf();
      if (IsSkipped() || HasFatalFailure()) return;
      auto rig = LbRig::InKernel(options);
      ASSERT_TRUE(rig.ok()) << rig.status();
      rig_ = *std::move(rig);
    } else {
      rig_ = LbRig::Native(options);
    }
    service_.frontend = {.address = *IpAddress::Parse("10.96.0.1"),
                         .port = {.protocol = GetParam().protocol, .port = 80}};
    const char* seed = std::getenv("CC_SEED");
    random_.seed(seed == nullptr ? 1 : std::strtoul(seed, nullptr, 10));
  }

  bool is_tcp() const { return GetParam().protocol == Protocol::kTcp; }
  uint32_t Below(uint32_t bound) { return random_() % bound; }

  std::string PacketOf(const Flow& flow, uint8_t flags) const {
    auto packet = PacketBuilder()
                      .Ethernet(kRouter, kOwn)
                      .Ip(IpAddress::FromV4(0xc6120000 + flow.number % 5000),
                          service_.frontend.address);
    const auto port = static_cast<uint16_t>(1024 + flow.number / 5000);
    return is_tcp() ? packet.Tcp(port, 80, flags).Build()
                    : packet.Udp(port, 80).Build();
  }

  // Nothing if the packet is dropped.
  std::optional<IpAddress> Send(const Flow& flow, uint8_t flags) {
    const LbOutput output = rig_->Run(PacketOf(flow, flags));
    if (output.action == XDP_DROP) return std::nullopt;
    EXPECT_EQ(output.action, XDP_TX);
    return Unwrap(output.packet).to;
  }

  bool TakesNew() const {
    for (const auto& [address, member] : members_) {
      if (member.weight != 0) return true;
    }
    return false;
  }

  void BeginFlow() {
    Flow flow = {.number = next_flow_, .spoke = now_};
    if (is_tcp() && !dead_.empty() && Below(4) == 0) {  // as one that was
      flow.number = dead_.back();
      dead_.pop_back();
    } else {
      ++next_flow_;
    }
    const auto got = Send(flow, kTcpSyn);
    if (!TakesNew() && is_tcp()) {
      ASSERT_FALSE(got.has_value()) << got->ToString();
      return;
    }
    if (!got.has_value()) {
      ASSERT_FALSE(TakesNew());
      return;
    }
    const auto member = members_.find(*got);
    ASSERT_NE(member, members_.end()) << got->ToString();
    // An old flow and a new one look alike in UDP, for as long as they may.
    if (is_tcp() || now_ > changed_ + kSilence + 2) {
      ASSERT_NE(member->second.weight, 0u) << got->ToString();
    }
    flow.backend = *got;
    flow.born = member->second.born;
    flows_.push_back(flow);
  }

  void Continue(size_t i) {
    Flow& flow = flows_[i];
    if (now_ - flow.spoke > kSilence) {  // it is dead
      dead_.push_back(flow.number);
      flows_[i] = flows_.back();
      flows_.pop_back();
      return;
    }
    const auto got = Send(flow, kTcpAck);
    const auto had = members_.find(flow.backend);
    flow.spoke = now_;
    if (had != members_.end() && had->second.born == flow.born) {
      ASSERT_TRUE(got.has_value());
      if (*got == flow.backend) return;
      ++moved_;
      ADD_FAILURE() << "flow " << flow.number << " moved from "
                    << flow.backend.ToString() << " to " << got->ToString();
      return;
    }
    ++lost_;
    if (!got.has_value()) {
      ASSERT_FALSE(TakesNew());
      flows_[i] = flows_.back();
      flows_.pop_back();
      return;
    }
    const auto member = members_.find(*got);
    ASSERT_NE(member, members_.end()) << got->ToString();
    flow.backend = *got;
    flow.born = member->second.born;
  }

  void Change() {
    const auto times = 1 + Below(3);
    for (uint32_t i = 0; i < times; ++i) {
      const IpAddress address =
          IpAddress::FromV4(0x0a010001 + Below(kMostBackends));
      const auto at = members_.find(address);
      if (at == members_.end()) {
        members_[address] = {.weight = 1 + Below(3), .born = ++births_};
      } else if (Below(2) == 0) {
        members_.erase(at);
      } else {
        at->second.weight = Below(4);
      }
    }
    service_.backends.clear();
    for (const auto& [address, member] : members_) {
      service_.backends.push_back(
          {.address = address, .weight = member.weight});
    }
    changed_ = now_;
    const absl::Status done = rig_->Upsert(service_);
    ASSERT_TRUE(done.ok()) << done;
  }

  void Pass(uint32_t seconds) {
    rig_->Pass(seconds);
    now_ += seconds;
  }

  std::unique_ptr<LbRig> rig_;
  BalancedService service_;
  std::map<IpAddress, Member> members_;
  std::vector<Flow> flows_;
  std::vector<uint32_t> dead_;  // their numbers
  std::mt19937 random_;
  uint32_t now_ = 0, next_flow_ = 0, births_ = 0, changed_ = 0;
  int moved_ = 0, lost_ = 0;
};

TEST_P(LbStickinessTest, NoFlowMovesThatNeedNot) {
  if (IsSkipped()) return;
  int changes = 0;
  Change();
  for (int step = 0; step < GetParam().steps && !HasFailure(); ++step) {
    const uint32_t what = Below(1000);
    if (what < 4) {
      Change();
      ++changes;
    } else if (what < 8) {
      Pass(1 + Below(4));
    } else if (what == 8 && Below(4) == 0) {
      Pass(20 + Below(60));  // everything is still
    } else if (what < 250 || flows_.empty()) {
      BeginFlow();
    } else {
      Continue(Below(static_cast<uint32_t>(flows_.size())));
    }
  }
  std::cout << changes << " changes, " << next_flow_ << " flows, " << moved_
            << " moved without need, " << lost_ << " lost their backend, "
            << rig_->Memory(CC_LB_RECORDED) << " recorded, "
            << rig_->Memory(CC_LB_EVICTED) << " evicted\n";
  EXPECT_EQ(moved_, 0);
  EXPECT_GT(lost_, 0);
  EXPECT_GT(changes, 10);
  EXPECT_EQ(rig_->Memory(CC_LB_EVICTED), 0u);
  Pass(100);
  EXPECT_FALSE(rig_->writer().is_restless());
  rig_->writer().ForEach([](const auto& seen) { EXPECT_EQ(seen.moving, 0u); });
}

INSTANTIATE_TEST_SUITE_P(
    On, LbStickinessTest,
    ::testing::Values(Kind{"NativeTcp", false, Protocol::kTcp, 400000},
                      Kind{"NativeUdp", false, Protocol::kUdp, 400000},
                      Kind{"KernelTcp", true, Protocol::kTcp, 50000},
                      Kind{"KernelUdp", true, Protocol::kUdp, 50000}),
    [](const auto& info) { return info.param.name; });

// Services come, change under a flow that speaks, and go, in a balancer that
// has room for a few of them.
TEST(LbRoomTest, WhatWasTakenIsGivenBack) {
  const std::unique_ptr<LbRig> rig = LbRig::Native(
      {.source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
       .gateway = MacAddress{2, 0, 0, 0, 0, 9},
       .tcp_silence = absl::Seconds(2),
       .udp_silence = absl::Seconds(2),
       .capacity = {
           .services = 8, .backends = 512, .slots = 1 << 14, .flows = 64}});
  std::mt19937 random(3);
  for (uint32_t round = 0; round < 2000; ++round) {
    BalancedService service = {
        .frontend = {.address = IpAddress::FromV4(0x0a600000 + round % 977),
                     .port = {.protocol = Protocol::kTcp, .port = 80}}};
    for (int change = 0; change < 4; ++change) {
      const uint32_t size = 1 + random() % 6;
      service.backends.clear();
      for (uint32_t i = 0; i < size; ++i) {
        service.backends.push_back(
            {.address = IpAddress::FromV4(0x0a010000 + i * 7 + random() % 7),
             .weight = static_cast<uint32_t>(random() % 3)});
      }
      const absl::Status done = rig->Upsert(service);
      ASSERT_TRUE(done.ok()) << round << " " << change << ": " << done;
      rig->Run(PacketBuilder()
                   .Ethernet(kRouter, kOwn)
                   .Ip(IpAddress::FromV4(0xc6120001), service.frontend.address)
                   .Tcp(static_cast<uint16_t>(1024 + round), 80, kTcpAck)
                   .Build());
    }
    ASSERT_TRUE(rig->Remove(service.frontend).ok());
    rig->Pass(random() % 20);
  }
  rig->Pass(100);
  EXPECT_FALSE(rig->writer().is_restless());
}

}  // namespace
}  // namespace ciliumcore::testing
