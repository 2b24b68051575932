// SPDX-License-Identifier: Apache-2.0

// Every event names what decided it, while policies change as fast as they can,
// a thousand times a second at most. Each change replaces the policy of one pod
// by one of another name, so that a rule of any other generation is a wrong
// answer.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::RunInNetns;
using testing::TestNode;

constexpr int kPods = 32;
constexpr int kEvents = 100000;
constexpr int kRounds = 60000;        // changes at most: the test ends before
constexpr int64_t kNear = 5'000'000;  // nanoseconds

IpAddress Address(int pod) {
  return IpAddress::FromV4(0x0a000100 + static_cast<uint32_t>(pod));
}

// The policy of a pod since a change. Odd changes deny.
struct State {
  int change = 0;

  bool allows() const { return change % 2 == 0; }
  std::string PolicyName(int pod) const {
    return absl::StrCat("pod-", pod, "-", change);
  }
  NetworkPolicy Policy(int pod) const {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = PolicyName(pod);
    policy.pod_selector.match_labels = {{"app", absl::StrCat("pod-", pod)}};
    if (allows()) policy.ingress.emplace_back();
    return policy;
  }
  // What the semantics of NetworkPolicy say, in the library's words.
  std::string Why(int pod) const {
    const std::string name =
        absl::StrCat("NetworkPolicy default/", PolicyName(pod));
    return allows() ? absl::StrCat("allowed by ", name, " ingress[0]")
                    : absl::StrCat("default deny: isolated for ingress by ",
                                   name, ", and no rule allows this");
  }
};

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

// Which state was in force in which generation.
class History {
 public:
  void Note(uint32_t generation, const std::vector<State>& states) {
    const std::lock_guard lock(mutex_);
    states_[generation] = states;
    times_.push_back(Now());
  }

  // False if the generation is not known (yet).
  bool Find(uint32_t generation, int pod, State* state) const {
    const std::lock_guard lock(mutex_);
    const auto found = states_.find(generation);
    if (found == states_.end()) return false;
    *state = found->second[static_cast<size_t>(pod)];
    return true;
  }

  // Times of the changes, ascending.
  std::vector<int64_t> times() const {
    const std::lock_guard lock(mutex_);
    return times_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint32_t, std::vector<State>> states_;
  std::vector<int64_t> times_;
};

// Datagrams to all pods in turn, each of a new flow.
void Send(int netns, const std::atomic<bool>& stop) {
  RunInNetns(netns, [&] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    for (uint32_t i = 0; !stop; ++i) {
      to.sin_addr.s_addr = htonl(Address(1 + static_cast<int>(i % kPods)).v4());
      to.sin_port = htons(static_cast<uint16_t>(1024 + i / kPods % 60000));
      sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
      // As many as a reader can follow who checks each: losses are another's
      // test.
      if (i % 32 == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    close(fd);
  });
}

TEST(ExplanationTest, EveryEventNamesTheRulesOfItsGeneration) {
  testing::RequireBpf();
  if (::testing::Test::IsSkipped()) return;
  TestNode node;
  IdentityAllocator identities;
  auto datapath = Datapath::Open(
      {.name = "test",
       .capacity = {
           .connections = 65536, .addresses = 1024, .prefixes = 1024}});
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  std::vector<State> states(kPods + 1);
  const auto policies = [&] {
    std::vector<NetworkPolicy> all;
    for (int pod = 1; pod <= kPods; ++pod)
      all.push_back(states[static_cast<size_t>(pod)].Policy(pod));
    return all;
  };
  Transaction first = datapath->Begin();
  for (int pod = 0; pod <= kPods; ++pod) {
    const std::string name = absl::StrCat("pod", pod);
    node.AddPod(name, Address(pod).ToString());
    EndpointOptions endpoint;
    endpoint.interface = absl::StrCat("veth-", name);
    endpoint.addresses = {Address(pod)};
    endpoint.identity =
        identities.Allocate({{"app", absl::StrCat("pod-", pod)}});
    first.AttachEndpoint(endpoint);
  }
  first.SetPolicies(policies());
  const auto begun = first.CommitGeneration();
  ASSERT_TRUE(begun.ok()) << begun.status();
  History history;
  history.Note(*begun, states);

  std::atomic<bool> stop = false;
  absl::Status failed;
  std::thread changer([&] {
    for (int change = 1; change <= kRounds && !stop; ++change) {
      const auto next =
          std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
      states[static_cast<size_t>(1 + change % kPods)].change =
          1 + change / kPods;
      Transaction transaction = datapath->Begin();
      transaction.SetPolicies(policies());
      const auto generation = transaction.CommitGeneration();
      if (!generation.ok()) {
        failed = generation.status();
        return;
      }
      history.Note(*generation, states);
      std::this_thread::sleep_until(next);
    }
  });
  std::thread sender([&] { Send(node.netns("pod0"), stop); });

  int events = 0, wrong = 0;
  std::vector<int64_t> event_times;
  const int64_t began = Now();
  while (events < kEvents && failed.ok() && Now() - began < 200'000'000'000) {
    const auto flow = datapath->flows().Next(absl::Milliseconds(100));
    if (!flow.has_value() || flow->protocol != Protocol::kUdp) continue;
    const int pod =
        static_cast<int>(flow->destination.address.v4() - Address(0).v4());
    if (pod < 1 || pod > kPods) continue;
    State state;
    // An event may come before its change is noted.
    for (int i = 0; i < 1000 && !history.Find(flow->generation, pod, &state);
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const bool is_right =
        history.Find(flow->generation, pod, &state) &&
        flow->verdict == (state.allows() ? Flow::Verdict::kForwarded
                                         : Flow::Verdict::kDropped) &&
        flow->ingress.why == state.Why(pod);
    ++events;
    event_times.push_back(flow->monotonic_ns);
    if (!is_right && ++wrong <= 5) {
      ADD_FAILURE() << flow->ToString() << "\n  generation " << flow->generation
                    << ", expected " << state.Why(pod);
    }
  }
  stop = true;
  changer.join();
  sender.join();
  EXPECT_EQ(failed, absl::OkStatus());
  EXPECT_EQ(events, kEvents);
  EXPECT_EQ(wrong, 0);
  const std::vector<int64_t> changes = history.times();
  const auto near_a_change = [&](int64_t time) {
    const auto after = std::lower_bound(changes.begin(), changes.end(), time);
    return (after != changes.end() && *after - time <= kNear) ||
           (after != changes.begin() && time - *std::prev(after) <= kNear);
  };
  const auto near =
      std::count_if(event_times.begin(), event_times.end(), near_a_change);
  EXPECT_GE(near, kEvents / 2);
  RecordProperty("events", events);
  RecordProperty("near_a_change", static_cast<int>(near));
  RecordProperty("changes", static_cast<int>(changes.size()));
  RecordProperty("changes_per_second",
                 static_cast<int>(static_cast<double>(changes.size()) * 1e9 /
                                  static_cast<double>(Now() - began)));
}

}  // namespace
}  // namespace ciliumcore
