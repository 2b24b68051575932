// SPDX-License-Identifier: Apache-2.0

// No packet is judged by a mix of generations, however often they change, if
// what a change retired is written again only after a grace period. The last
// test leaves that out and must see mixes: else the others would prove nothing.

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ciliumcore/abi/config.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/reason.h"
#include "ciliumcore/testing/packet.h"
#include "tests/bpf/generations.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

// Needs the definition of cc_config.
#include "bpf/endpoint.skel.h"
#include "tests/bpf/hold.skel.h"

namespace ciliumcore::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

template <auto kDestroy>
struct Deleter {
  template <typename T>
  void operator()(T* owned) const {
    kDestroy(owned);
  }
};
using EndpointObject = std::unique_ptr<endpoint, Deleter<endpoint::destroy>>;
using HoldObject = std::unique_ptr<hold, Deleter<hold::destroy>>;

// Maps that nothing here fills.
void Shrink(bpf_object* object) {
  for (const char* name : {"cc_conntrack", "cc_addrs", "cc_places",
                           "cc_classes", "cc_cells", "cc_fragments"}) {
    bpf_map* map = bpf_object__find_map_by_name(object, name);
    if (map != nullptr) bpf_map__set_max_entries(map, 4096);
  }
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

class EpochTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_TRUE(WaitForGracePeriod()) << "membarrier(2) is refused";
  }
};

// --- The program, under traffic on every CPU --------------------------------

constexpr uint32_t kPairs = 8;

// What the packets were judged by.
struct Seen {
  Clock::time_point end;
  uint64_t packets = 0;
  uint64_t mixes = 0;
  std::set<uint32_t> epochs = {};
  std::string first_mix = {};

  // Pair number k is published with the epochs 2 + k + n * kPairs, after 1.
  void Look(const cc_event& event) {
    ++packets;
    epochs.insert(event.epoch);
    const uint32_t slot = SlotOf(event);
    const uint32_t pair = (slot - 1) / 2;
    const uint32_t rounds =
        event.epoch < 2 + pair ? 0 : (event.epoch - 2 - pair) / kPairs + 1;
    const uint32_t mark = rounds == 0 ? 1 : 2 + pair + (rounds - 1) * kPairs;
    if (event.rule_set[CC_EGRESS] == mark &&
        event.rule_set[CC_INGRESS] == mark && event.src_peer == mark &&
        event.dst_peer == mark) {
      return;
    }
    if (mixes++ != 0) return;
    first_mix = "pair " + std::to_string(pair) + " at epoch " +
                std::to_string(event.epoch) + " should be judged by " +
                std::to_string(mark) + ", was by rules " +
                std::to_string(event.rule_set[CC_EGRESS]) + " and " +
                std::to_string(event.rule_set[CC_INGRESS]) + ", peers " +
                std::to_string(event.src_peer) + " and " +
                std::to_string(event.dst_peer);
  }

  static uint32_t SlotOf(const cc_event& event) {
    return __builtin_bswap32(event.src.w[3]) & 0xffffff;
  }
};

TEST_F(EpochTest, JudgesNoPacketByAMixUnderTraffic) {
  PrivateNetns netns;
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    const uint32_t ifindex = Generations::Ifindex(pair);
    netns.AddVeth("e" + std::to_string(ifindex), ifindex);
  }
  EndpointObject object(endpoint::open());
  ASSERT_NE(object, nullptr);
  object->rodata_config->cc_config_data = {.clock_shift = 8,
                                           .ticks_tcp = 8000,
                                           .ticks_syn = 60,
                                           .ticks_close = 10,
                                           .ticks_any = 60,
                                           .event_wake_bytes = 1 << 21,
                                           .emit_new = 1,
                                           .emit_drops = 1,
                                           .clock_from_map = 0,
                                           .forward = CC_FORWARD_STACK,
                                           .audit_only = 0,
                                           .emit_end = 0,
                                           .emit_verdicts = 0,
                                           .drop_sample_shift = 0};
  Shrink(object->obj);
  ASSERT_EQ(endpoint::load(object.get()), 0);
  Generations generations(object->obj, kPairs);

  Seen seen;
  ring_buffer* events = ring_buffer__new(
      bpf_map__fd(object->maps.cc_events),
      [](void* to, void* record, size_t size) {
        cc_event event = {};
        if (size != sizeof(event)) std::abort();
        std::memcpy(&event, record, size);
        Seen& seen = *static_cast<Seen*>(to);
        seen.Look(event);
        // Where events come faster than they are read, this is the only way
        // out.
        return seen.packets % 1024 == 0 && Clock::now() >= seen.end ? -1 : 0;
      },
      &seen, nullptr);
  ASSERT_NE(events, nullptr);

  std::atomic<bool> stop = false;
  std::atomic<uint64_t> sent = 0;
  const int program = bpf_program__fd(object->progs.cc_from_endpoint);
  const auto send = [&](int cpu) {
    PinTo(cpu);
    std::vector<std::string> packets;
    for (uint32_t pair = 0; pair < kPairs; ++pair) {
      packets.push_back(
          PacketBuilder()
              .Ethernet({}, {})
              .Ip(Generations::Address(Generations::SenderSlot(pair)),
                  Generations::Address(Generations::ReceiverSlot(pair)))
              .Udp(40000, 80)
              .Payload(std::string(20, 'x'))
              .Build());
    }
    while (!stop) {
      for (uint32_t pair = 0; pair < kPairs; ++pair) {
        __sk_buff context = {};
        context.ifindex = Generations::Ifindex(pair);
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = packets[pair].data();
        run.data_size_in = static_cast<uint32_t>(packets[pair].size());
        run.ctx_in = &context;
        run.ctx_size_in = sizeof(context);
        run.repeat = 64;  // each is dropped, and so comes back unchanged
        if (bpf_prog_test_run_opts(program, &run) != 0) std::abort();
        sent += 64;
      }
    }
  };
  std::vector<std::thread> threads;
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  for (int cpu = 0; cpu < cpus; ++cpu) threads.emplace_back(send, cpu);
  threads.emplace_back([&] {
    while (!stop) {
      for (uint32_t pair = 0; pair < kPairs; ++pair) generations.Flip(pair);
      WaitForGracePeriod();
    }
  });

  seen.end = Clock::now() + seconds(8);
  while (Clock::now() < seen.end) ring_buffer__consume(events);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  ring_buffer__free(events);

  EXPECT_EQ(seen.mixes, 0u) << seen.first_mix;
  EXPECT_GT(seen.packets, 10000u);
  EXPECT_GT(seen.epochs.size(), 100u);
  std::cout << sent << " packets sent, " << seen.packets << " looked at, "
            << generations.epoch() - 1 << " changes, in " << seen.epochs.size()
            << " of which packets were seen, " << seen.mixes << " mixes\n";
}

// --- A packet held between its questions ------------------------------------

struct Held {
  uint64_t packets = 0, mixes = 0, overtaken = 0;
};

// Sends held packets while `change` runs again and again on another CPU; until
// `enough` packets were judged by a mix, or the time is over.
Held HoldPackets(const hold& object, Generations& generations, bool wait,
                 uint64_t enough, Clock::duration time) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    PinTo(1 % static_cast<int>(std::thread::hardware_concurrency()));
    while (!stop) {
      generations.Flip(0);
      if (wait) {
        WaitForGracePeriod();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  });
  Held held;
  const Clock::time_point end = Clock::now() + time;
  const std::string packet(64, '\0');
  while (Clock::now() < end && held.mixes < enough) {
    __sk_buff in = {}, out = {};
    in.cb[0] = Generations::SenderSlot(0);
    in.cb[1] = Generations::ReceiverSlot(0);
    in.cb[2] = 20000;  // about a millisecond
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = packet.data();
    run.data_size_in = static_cast<uint32_t>(packet.size());
    run.ctx_in = &in;
    run.ctx_size_in = sizeof(in);
    run.ctx_out = &out;
    run.ctx_size_out = sizeof(out);
    if (bpf_prog_test_run_opts(bpf_program__fd(object.progs.cc_hold), &run) !=
        0) {
      ADD_FAILURE() << "BPF_PROG_TEST_RUN: " << std::strerror(errno);
      break;
    }
    EXPECT_EQ(run.retval, 0u);
    ++held.packets;
    const bool mixed = out.cb[0] != out.cb[3] || out.cb[1] != out.cb[3] ||
                       out.cb[2] != out.cb[3];
    held.mixes += mixed;
    held.overtaken += generations.epoch() != out.cb[3];
  }
  stop = true;
  writer.join();
  return held;
}

class HeldPacketTest : public EpochTest {
 protected:
  void SetUp() override {
    EpochTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    object_.reset(hold::open());
    ASSERT_NE(object_, nullptr);
    Shrink(object_->obj);
    ASSERT_EQ(hold::load(object_.get()), 0);
    generations_ = std::make_unique<Generations>(object_->obj, 1);
  }

  HoldObject object_;
  std::unique_ptr<Generations> generations_;
};

TEST_F(HeldPacketTest, IsJudgedByTheGenerationItCameIn) {
  const Held held = HoldPackets(*object_, *generations_, true, 1, seconds(5));
  EXPECT_EQ(held.mixes, 0u);
  EXPECT_GT(held.overtaken, 0u) << "no change fell into a packet";
  std::cout << held.packets << " packets, " << held.overtaken
            << " overtaken by a change, " << generations_->epoch() - 1
            << " changes\n";
}

TEST_F(HeldPacketTest, IsJudgedByAMixIfNobodyWaitsForIt) {
  const Held held = HoldPackets(*object_, *generations_, false, 3, seconds(10));
  EXPECT_GT(held.mixes, 0u) << "the other tests would see nothing either";
  std::cout << held.mixes << " of " << held.packets << " packets mixed\n";
}

}  // namespace
}  // namespace ciliumcore::testing
