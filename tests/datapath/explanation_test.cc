// SPDX-License-Identifier: Apache-2.0

// Every event names what decided it, while policies of all dialects change: a
// thousand times a second, or as often as the machine can. What an event says
// is what the oracle says of the generation that judged the packet.

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
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "tests/datapath/flips.h"
#include "tests/oracle/oracle.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::Flips;
using testing::Judgement;
using testing::Oracle;
using testing::RunInNetns;
using testing::TestNode;

constexpr int kEvents = 100000;
constexpr auto kBetweenChanges = std::chrono::milliseconds(1);
constexpr int64_t kNear = 5'000'000;           // nanoseconds
constexpr int64_t kLongest = 200'000'000'000;  // of the traffic

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

// What an event says, to be compared when the traffic has ended: who does that
// in between reads too slowly.
struct Told {
  uint32_t generation = 0;
  int pod = 0;
  Flow::Verdict verdict = Flow::Verdict::kForwarded;
  std::string egress, ingress;
  int64_t time = 0;
};

// Datagrams to all pods in turn, each of a new flow.
void Send(int netns, const std::atomic<bool>& stop) {
  RunInNetns(netns, [&] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    for (uint32_t i = 0; !stop; ++i) {
      const int pod = 1 + static_cast<int>(i % Flips::kPods);
      to.sin_addr.s_addr = htonl(Flips::AddressOf(pod).v4());
      to.sin_port =
          htons(static_cast<uint16_t>(1024 + i / Flips::kPods % 60000));
      sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
      // As many as a reader can follow: losses are another's test.
      if (i % 16 == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    close(fd);
  });
}

class ExplanationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    node_.emplace();
    auto datapath = Datapath::Open(
        {.name = "test",
         .capacity = {
             .connections = 65536, .addresses = 1024, .prefixes = 1024}});
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    Transaction first = datapath_->Begin();
    for (int pod = 0; pod <= Flips::kPods; ++pod) {
      const std::string name = absl::StrCat("pod", pod);
      node_->AddPod(name, Flips::AddressOf(pod).ToString());
      EndpointOptions endpoint;
      endpoint.interface = absl::StrCat("veth-", name);
      endpoint.addresses = {Flips::AddressOf(pod)};
      endpoint.identity = identities_.Allocate(Flips::LabelsOf(pod));
      first.AttachEndpoint(endpoint);
    }
    first.SetPolicies(Flips::PoliciesAfter(0));
    ASSERT_NO_FATAL_FAILURE(Commit(first, 0));
  }

  void Commit(Transaction& transaction, int changes) {
    const auto generation = transaction.CommitGeneration();
    ASSERT_TRUE(generation.ok()) << generation.status();
    changes_of_[*generation] = changes;
    times_.push_back(Now());
  }

  // Changes policies until told to stop.
  void Change(const std::atomic<bool>& stop) {
    auto next = std::chrono::steady_clock::now();
    for (int changes = 1; !stop; ++changes) {
      Transaction transaction = datapath_->Begin();
      transaction.SetPolicies(Flips::PoliciesAfter(changes));
      ASSERT_NO_FATAL_FAILURE(Commit(transaction, changes));
      next += kBetweenChanges;
      std::this_thread::sleep_until(next);
    }
  }

  // What is told meanwhile.
  std::vector<Told> Read() {
    std::vector<Told> all;
    const int64_t began = Now();
    while (all.size() < kEvents && Now() - began < kLongest && !HasFailure()) {
      const auto flow = datapath_->flows().Next(absl::Milliseconds(100));
      if (!flow.has_value() || flow->protocol != Protocol::kUdp) continue;
      const int pod = Flips::PodAt(flow->destination.address);
      if (pod == 0) continue;
      all.push_back({flow->generation, pod, flow->verdict, flow->egress.why,
                     flow->ingress.why, flow->monotonic_ns});
    }
    return all;
  }

  bool IsNearAChange(int64_t time) const {
    const auto after = std::lower_bound(times_.begin(), times_.end(), time);
    return (after != times_.end() && *after - time <= kNear) ||
           (after != times_.begin() && time - *std::prev(after) <= kNear);
  }

  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::optional<Datapath> datapath_;
  // Of each generation, how many changes there had been; and when they came.
  std::map<uint32_t, int> changes_of_;
  std::vector<int64_t> times_;
};

// Compares what was told with what the oracle says, generation by generation.
class Comparison {
 public:
  // What follows was judged after so many changes.
  void Begin(int changes) {
    input_ = Flips::InputAfter(changes);
    oracle_.emplace(input_);
  }

  // "" or how the event differs.
  std::string DifferenceOf(const Told& told) {
    const Judgement egress =
        oracle_->Egress(EndOf(0), EndOf(told.pod), Protocol::kUdp, kPort);
    const Judgement ingress =
        oracle_->Ingress(EndOf(0), EndOf(told.pod), Protocol::kUdp, kPort);
    Count(*ingress.why);
    const Flow::Verdict verdict = ingress.verdict == Verdict::kAllow
                                      ? Flow::Verdict::kForwarded
                                      : Flow::Verdict::kDropped;
    if (told.verdict == verdict && told.egress == egress.why->ToString() &&
        told.ingress == ingress.why->ToString()) {
      return "";
    }
    return absl::StrCat(
        "pod ", told.pod, ", generation ", told.generation, "\n  told ",
        told.verdict == Flow::Verdict::kForwarded ? "forwarded" : "dropped",
        ": ", told.egress, "; ", told.ingress, "\n  expected ",
        VerdictName(ingress.verdict), ": ", egress.why->ToString(), "; ",
        ingress.why->ToString());
  }

  // How many events each kind of policy and each kind of reason explained.
  const std::map<std::string, int>& policies() const { return policies_; }
  const std::map<RuleSet::Kind, int>& reasons() const { return reasons_; }

 private:
  static constexpr uint16_t kPort = 1024;  // any: no policy names one

  static testing::FlowEnd EndOf(int pod) {
    return {static_cast<uint32_t>(pod), Flips::AddressOf(pod)};
  }

  void Count(const RuleSet& why) {
    ++reasons_[why.kind];
    for (const RuleRef& rule : why.rules) ++policies_[rule.kind];
    for (const PolicyRef& policy : why.policies) ++policies_[policy.kind];
  }

  PolicyInput input_;
  std::optional<Oracle> oracle_;
  std::map<std::string, int> policies_;
  std::map<RuleSet::Kind, int> reasons_;
};

TEST_F(ExplanationTest, EveryEventNamesTheRulesOfItsGeneration) {
  std::atomic<bool> stop = false;
  const int64_t began = Now();
  std::thread changer([&] { Change(stop); });
  std::thread sender([&] { Send(node_->netns("pod0"), stop); });
  std::vector<Told> all = Read();
  stop = true;
  changer.join();
  sender.join();
  const double seconds = static_cast<double>(Now() - began) / 1e9;
  ASSERT_EQ(all.size(), static_cast<size_t>(kEvents));

  std::stable_sort(all.begin(), all.end(), [](const Told& a, const Told& b) {
    return a.generation < b.generation;
  });
  Comparison comparison;
  int wrong = 0, near = 0;
  uint32_t generation = 0;
  for (const Told& told : all) {
    if (told.generation != generation) {
      generation = told.generation;
      ASSERT_TRUE(changes_of_.contains(generation)) << generation;
      comparison.Begin(changes_of_[generation]);
    }
    const std::string difference = comparison.DifferenceOf(told);
    if (!difference.empty() && ++wrong <= 5) ADD_FAILURE() << difference;
    if (IsNearAChange(told.time)) ++near;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(near, kEvents / 2);
  EXPECT_EQ(comparison.policies().size(), 6u);
  for (const auto& [kind, count] : comparison.policies()) {
    EXPECT_GE(count, kEvents / 100) << kind;
  }
  EXPECT_EQ(comparison.reasons().size(), 5u);  // all but the own node
  RecordProperty("events", kEvents);
  RecordProperty("near_a_change", near);
  RecordProperty("changes", static_cast<int>(times_.size()));
  RecordProperty(
      "changes_per_second",
      static_cast<int>(static_cast<double>(times_.size()) / seconds));
}

}  // namespace
}  // namespace ciliumcore
