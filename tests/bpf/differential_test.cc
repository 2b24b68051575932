// SPDX-License-Identifier: Apache-2.0

// The kernel and the process agree: on random scenarios the object that is
// shipped, run by the kernel, and the same source, run natively, return the
// same action, packet and events, and leave the same connections, fragments and
// counters. Everything that the native tests, the fuzzers and the sanitizers
// find out about the programs is therefore true of the object.
//
// Scenarios are numbered: CC_SEED says where to begin, CC_ROUNDS how many to
// run, in percent of the usual. To see one again: CC_SEED and CC_ROUNDS=0.

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "tests/bpf/scenario.h"
#include "tests/bpf/scenario_links.h"
#include "tests/bpf/state.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

constexpr int kPacketsOfScenario = 250;
constexpr int kScenariosOfConfig = 320;

// Maps that programs write, or that scenarios do.
constexpr absl::string_view kWritten[] = {"cc_conntrack", "cc_fragments",
                                          "cc_metrics",   "cc_events_lost",
                                          "cc_forwarded", "cc_drops"};
constexpr absl::string_view kLaidDown[] = {
    "cc_addrs",  "cc_prefixes",    "cc_classes", "cc_endpoints", "cc_ifindex",
    "cc_places", "cc_ifindex_far", "cc_tables",  "cc_subjects",  "cc_hops"};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string Bytes(const void* bytes, size_t size) {
  return absl::BytesToHexString(
      absl::string_view(static_cast<const char*>(bytes), size));
}

// Sampling goes by the counters of a CPU.
void StayOnThisCpu() {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(sched_getcpu(), &here);
  ASSERT_EQ(sched_setaffinity(0, sizeof(here), &here), 0);
}

struct Named {
  const char* name;
  void (*set)(cc_config&);
};

class DifferentialTest : public ::testing::TestWithParam<Named> {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped() || HasFatalFailure()) return;
    StayOnThisCpu();
    netns_ = std::make_unique<PrivateNetns>();
    MakeScenarioLinks(*netns_);

    // Lives that fit a scenario.
    options_.config.ticks_tcp = 50;
    options_.config.ticks_syn = 12;
    options_.config.ticks_close = 5;
    options_.config.ticks_any = 20;
    GetParam().set(options_.config);
    options_.entries = ScenarioEntries();
    options_.fib = ScenarioFib;
    absl::StatusOr<std::unique_ptr<ProgramRunner>> kernel =
        ProgramRunner::InKernel(options_);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    kernel_ = *std::move(kernel);
    native_ = ProgramRunner::Native(options_);
  }

  void ForgetAll() {
    for (ProgramRunner* runner : {kernel_.get(), native_.get()}) {
      for (const absl::string_view map : kWritten) {
        ASSERT_TRUE(runner->Clear(map).ok()) << map;
      }
      for (const absl::string_view map : kLaidDown) {
        ASSERT_TRUE(runner->Clear(map).ok()) << map;
      }
    }
  }

  ::testing::AssertionResult MapsAgree() {
    for (const absl::string_view map : kWritten) {
      const auto kernel = kernel_->Dump(map), native = native_->Dump(map);
      if (!kernel.ok() || !native.ok()) {
        return ::testing::AssertionFailure()
               << map << ": " << kernel.status() << native.status();
      }
      if (*kernel == *native) continue;
      auto failure = ::testing::AssertionFailure();
      failure << map << ": " << kernel->size() << " in the kernel, "
              << native->size() << " natively";
      for (const auto& [key, value] : *kernel) {
        auto it = native->find(key);
        if (it != native->end() && it->second == value) continue;
        return failure << "\nkey    " << absl::BytesToHexString(key)
                       << "\nkernel " << absl::BytesToHexString(value)
                       << "\nnative "
                       << (it == native->end()
                               ? "none"
                               : absl::BytesToHexString(it->second));
      }
      return failure;
    }
    return ::testing::AssertionSuccess();
  }

  ::testing::AssertionResult OutputsAgree(const ProgramOutput& kernel,
                                          const ProgramOutput& native) {
    if (kernel.action != native.action) {
      return ::testing::AssertionFailure()
             << "action " << static_cast<int>(kernel.action)
             << " in the kernel, " << static_cast<int>(native.action)
             << " natively";
    }
    if (kernel.packet != native.packet) {
      return ::testing::AssertionFailure()
             << "packet\nkernel " << absl::BytesToHexString(kernel.packet)
             << "\nnative " << absl::BytesToHexString(native.packet);
    }
    if (kernel.events.size() != native.events.size()) {
      return ::testing::AssertionFailure()
             << kernel.events.size() << " events in the kernel, "
             << native.events.size() << " natively";
    }
    if (kernel.ends.size() != native.ends.size())
      return ::testing::AssertionFailure() << "not the same kinds of events";
    for (size_t i = 0; i < kernel.ends.size(); ++i) {
      cc_event_end a = kernel.ends[i], b = native.ends[i];
      a.event.time = b.event.time = 0;
      if (std::memcmp(&a, &b, sizeof(a)) == 0) continue;
      return ::testing::AssertionFailure()
             << "end\nkernel " << Bytes(&a, sizeof(a)) << "\nnative "
             << Bytes(&b, sizeof(b));
    }
    for (size_t i = 0; i < kernel.events.size(); ++i) {
      cc_event a = kernel.events[i], b = native.events[i];
      a.time = b.time = 0;
      if (std::memcmp(&a, &b, sizeof(a)) == 0) continue;
      return ::testing::AssertionFailure()
             << "event\nkernel " << Bytes(&a, sizeof(a)) << "\nnative "
             << Bytes(&b, sizeof(b));
    }
    return ::testing::AssertionSuccess();
  }

  // One scenario on both; maps are compared at its end, or after each packet.
  ::testing::AssertionResult Agree(uint64_t seed, bool step_by_step) {
    ForgetAll();
    State state({kernel_.get(), native_.get()});
    RandomChoices choices(seed);
    Scenario scenario(&choices, &state, options_.config);
    for (int i = 0; i < kPacketsOfScenario; ++i) {
      const Arrival arrival = scenario.Next();
      const auto kernel = kernel_->Run(arrival.input());
      // The kernel takes no stumps for a test; the sanitizers do.
      if (absl::IsInvalidArgument(kernel.status())) {
        ++refused_;
        continue;
      }
      const auto native = native_->Run(arrival.input());
      if (!kernel.ok() || !native.ok()) {
        return ::testing::AssertionFailure()
               << kernel.status() << "; " << native.status();
      }
      ++pairs_;
      ++outcomes_[static_cast<int>(kernel->action)];
      for (const cc_event& event : kernel->events) {
        ++kinds_[event.kind];
        ++reasons_[event.reason];
      }
      ::testing::AssertionResult agree = OutputsAgree(*kernel, *native);
      if (agree && step_by_step) agree = MapsAgree();
      if (!agree) {
        return ::testing::AssertionFailure()
               << "packet " << i << " at "
               << (arrival.program == Program::kFromEndpoint
                       ? "cc_from_endpoint"
                       : "cc_to_endpoint")
               << ", interface " << arrival.ifindex << ", entered through "
               << arrival.ingress_ifindex << ": "
               << absl::BytesToHexString(arrival.packet) << "\n"
               << agree.message();
      }
    }
    return MapsAgree();
  }

  std::unique_ptr<PrivateNetns> netns_;
  ProgramOptions options_;
  std::unique_ptr<ProgramRunner> kernel_, native_;
  int pairs_ = 0, refused_ = 0;
  std::map<int, int> outcomes_, kinds_, reasons_;
};

TEST_P(DifferentialTest, KernelAndProcessAgree) {
  if (IsSkipped()) return;
  const uint64_t first = FromEnvironment("CC_SEED", 1);
  const uint64_t percent = FromEnvironment("CC_ROUNDS", 100);
  const uint64_t rounds =
      std::max<uint64_t>(1, kScenariosOfConfig * percent / 100);
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    ::testing::AssertionResult agree = Agree(seed, false);
    if (agree) continue;
    // Once more, to find the first packet after which the maps differ.
    const ::testing::AssertionResult where = Agree(seed, true);
    if (!where) agree = where;
    FAIL() << "CC_SEED=" << seed << ": " << agree.message();
  }
  std::string summary;
  for (const auto& [action, count] : outcomes_) {
    summary +=
        " action " + std::to_string(action) + ": " + std::to_string(count);
  }
  for (const auto& [kind, count] : kinds_) {
    summary += "\n  event of kind " + std::to_string(kind) + ": " +
               std::to_string(count);
  }
  for (const auto& [reason, count] : reasons_) {
    summary += "\n  event of reason " + std::to_string(reason) + ": " +
               std::to_string(count);
  }
  std::cout << pairs_ << " packets, scenarios " << first << " to "
            << first + rounds - 1 << " (" << refused_
            << " too short for the kernel)\n " << summary << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, DifferentialTest,
    ::testing::Values(Named{"Stack", [](cc_config&) {}},
                      Named{"Fib",
                            [](cc_config& c) { c.forward = CC_FORWARD_FIB; }},
                      Named{"Audit", [](cc_config& c) { c.audit_only = 1; }},
                      Named{"Telling",
                            [](cc_config& c) {
                              c.emit_verdicts = 1;
                              c.drop_sample_shift = 1;
                            }},
                      Named{"Silent",
                            [](cc_config& c) {
                              c.emit_new = c.emit_drops = c.emit_end = 0;
                            }}),
    [](const auto& info) { return info.param.name; });

// The kernel evicts in batches and by a clock of its own, so a full table is
// the one place where the two may differ, and only in one way.
TEST(EvictionTest, TheKernelKeepsNothingThatTheProcessHasNot) {
  RequireBpf();
  if (::testing::Test::IsSkipped() || ::testing::Test::HasFatalFailure())
    return;
  PrivateNetns netns;
  MakeScenarioLinks(netns);
  ProgramOptions options;
  options.entries = ScenarioEntries();
  const std::unique_ptr<ProgramRunner> native = ProgramRunner::Native(options);
  options.entries["cc_conntrack"] = 512;
  absl::StatusOr<std::unique_ptr<ProgramRunner>> kernel =
      ProgramRunner::InKernel(options);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  State state({kernel->get(), native.get()});
  const IpAddress own = Ip("10.0.0.1"), world = Ip("10.9.9.9");
  state.Table(1, AllowAll());
  state.Subject(1, {.identity = 1, .table = {1, 1}});
  state.Endpoint(1, {.ifindex = kScenarioEndpoints[0],
                     .subject = CC_SWITCH(0, 1, 1),
                     .v4 = own});
  for (uint16_t port = 1; port <= 5000; ++port) {
    const std::string packet =
        PacketBuilder().Ethernet({}, {}).Ip(own, world).Udp(port, 53).Build();
    const ProgramInput input = {.program = Program::kFromEndpoint,
                                .packet = packet,
                                .ifindex = kScenarioEndpoints[0]};
    const auto a = (*kernel)->Run(input), b = native->Run(input);
    ASSERT_TRUE(a.ok() && b.ok());
    ASSERT_EQ(a->action, b->action) << port;
  }
  const auto kept = (*kernel)->Dump("cc_conntrack").value();
  const auto all = native->Dump("cc_conntrack").value();
  EXPECT_EQ(all.size(), 5000u);
  EXPECT_GT(kept.size(), 100u);
  EXPECT_LE(kept.size(), 512u);
  for (const auto& [key, value] : kept) {
    auto it = all.find(key);
    ASSERT_NE(it, all.end()) << absl::BytesToHexString(key);
    EXPECT_EQ(value, it->second);
  }
}

}  // namespace
}  // namespace ciliumcore::testing
