// SPDX-License-Identifier: Apache-2.0

// The compiler and the programs against the oracle, for as long as it takes:
//
//   soak STATE PAIRS [SECONDS]
//
// draws random policy sets of all dialects and random flows, and compares for
// each pair what the compiled tables say and, where a packet of the flow can
// cross a node, what the programs' native twins do with it. It ends after PAIRS
// pairs, or SECONDS, or at the first difference, which it makes small and
// prints. STATE is a file: what a run has compared, the next one goes on from.
// A binary that was built anew counts from nothing, over policy sets that are
// new.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/packet_judgement.h"
#include "tests/oracle/published_node.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"

namespace ciliumcore::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kFlowsPerCluster = 200;
constexpr uint64_t kClustersPerRound = 100;  // of each thread, between reports
constexpr auto kPause = std::chrono::seconds(10);

struct Tally {
  uint64_t pairs = 0;
  uint64_t packets = 0;  // connections, of up to three packets each
};

// What is left between runs.
struct Progress {
  uint64_t build = 0;  // which binary compared this
  uint64_t next_seed = 1;
  Tally done;
};

// FNV-1a of this binary.
uint64_t Build() {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  uint64_t hash = 0xcbf29ce484222325;
  std::for_each(std::istreambuf_iterator<char>(self), {}, [&](char byte) {
    hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  });
  return hash;
}

Progress Load(const std::string& path) {
  Progress progress;
  std::ifstream file(path);
  if (!(file >> progress.build >> progress.next_seed >> progress.done.pairs >>
        progress.done.packets)) {
    progress = {};
  }
  const uint64_t build = Build();
  if (progress.build != build) progress.done = {};
  progress.build = build;
  return progress;
}

// False if it cannot be written.
bool Save(const std::string& path, const Progress& progress) {
  const std::string fresh = path + ".new";
  std::ofstream file(fresh);
  file << progress.build << ' ' << progress.next_seed << ' '
       << progress.done.pairs << ' ' << progress.done.packets << '\n';
  file.close();
  return file.good() && std::rename(fresh.c_str(), path.c_str()) == 0;
}

// Compares on a node of its own.
class Worker {
 public:
  // What went wrong, or "".
  std::string Prepare() {
    auto node = PublishedNode::Native();
    if (!node.ok()) return node.status().ToString();
    node_ = *std::move(node);
    return "";
  }

  // What is wrong with a cluster, or "".
  std::string Compare(uint64_t seed, Tally& tally) {
    RandomCluster random(
        seed, seed % 4 == 0 ? Dialects::kNetworkPolicy : Dialects::kAll);
    const PolicyInput input = random.Make();
    auto compiled = Publish(input, random.pods(), *node_, peers_, rule_sets_);
    const bool is_published = !IsRefused(compiled.status());
    if (!is_published) compiled = Compile(input, peers_, rule_sets_);
    if (!compiled.ok()) return compiled.status().ToString();
    if (const absl::Status forgot = node_->Forget(); !forgot.ok()) {
      return forgot.ToString();
    }
    const Oracle oracle(input);
    const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    for (uint32_t i = 0; i < kFlowsPerCluster; ++i) {
      const Flow flow = random.FlowOf(input, ends, targets);
      ++tally.pairs;
      if (!Difference(oracle, *compiled, flow).empty()) {
        return Reproduce(input, flow, CompileAndCompare);
      }
      if (!is_published) continue;
      const Flow sent = {flow.source, flow.destination, SentTo(flow.target)};
      const std::string difference =
          ComparePacket(oracle, *compiled, sent, i, tally);
      if (!difference.empty()) {
        return difference + Reproduce(input, sent, PublishAndCompare);
      }
    }
    if (is_published) compiled_ = *std::move(compiled);
    return "";
  }

 private:
  std::string ComparePacket(const Oracle& oracle,
                            const CompiledPolicy& compiled, const Flow& flow,
                            uint32_t number, Tally& tally) {
    const auto crossing = node_->CrossingOf(flow);
    if (!crossing.has_value()) return "";
    ++tally.packets;
    // Beyond the ports that rules mention. Without ports, all are one flow.
    const auto port = static_cast<uint16_t>(50000 + number);
    if (HasNoPorts(flow.target.protocol)) {
      const absl::Status forgot = node_->Forget();
      if (!forgot.ok()) return forgot.ToString();
    }
    return Difference(ExpectedOf(oracle, *crossing, flow), compiled, *node_,
                      {flow, port});
  }

  std::unique_ptr<PublishedNode> node_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
  CompiledPolicy compiled_;  // that of the node, whose numbers live with it
};

// Clusters first..end-1 by all workers; what is wrong with one of them, or "".
std::string CompareAll(std::vector<Worker>& workers, uint64_t first,
                       uint64_t end, Tally& done) {
  std::atomic<uint64_t> next = first;
  std::vector<Tally> tallies(workers.size());
  std::vector<std::string> faults(workers.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      for (uint64_t seed; (seed = next++) < end && faults[i].empty();) {
        std::string fault = workers[i].Compare(seed, tallies[i]);
        if (!fault.empty()) {
          faults[i] = absl::StrCat("CC_SEED=", seed, "\n", fault);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Tally& tally : tallies) {
    done.pairs += tally.pairs;
    done.packets += tally.packets;
  }
  const auto fault =
      std::find_if(faults.begin(), faults.end(),
                   [](const std::string& fault) { return !fault.empty(); });
  return fault == faults.end() ? "" : *fault;
}

int Run(const std::string& path, uint64_t pairs, std::chrono::seconds time) {
  Progress progress = Load(path);
  if (!Save(path, progress)) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    return 2;
  }
  std::vector<Worker> workers(
      std::max(1u, std::thread::hardware_concurrency()));
  for (Worker& worker : workers) {
    if (const std::string fault = worker.Prepare(); !fault.empty()) {
      std::fprintf(stderr, "%s\n", fault.c_str());
      return 2;
    }
  }
  const auto begin = Clock::now();
  const uint64_t before = progress.done.pairs;
  const auto report = [&] {
    const double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("%llu of %llu pairs, %llu connections; %.0f pairs/s\n",
                static_cast<unsigned long long>(progress.done.pairs),
                static_cast<unsigned long long>(pairs),
                static_cast<unsigned long long>(progress.done.packets),
                static_cast<double>(progress.done.pairs - before) / seconds);
    std::fflush(stdout);
  };
  auto reported = begin;
  while (progress.done.pairs < pairs && Clock::now() - begin < time) {
    const uint64_t end =
        progress.next_seed + kClustersPerRound * workers.size();
    const std::string fault =
        CompareAll(workers, progress.next_seed, end, progress.done);
    if (!fault.empty()) {
      std::fprintf(stderr, "%s\n", fault.c_str());
      return 1;
    }
    progress.next_seed = end;
    if (!Save(path, progress)) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 2;
    }
    if (Clock::now() - reported < kPause) continue;
    reported = Clock::now();
    report();
  }
  report();
  return 0;
}

}  // namespace
}  // namespace ciliumcore::testing

int main(int argc, char** argv) {
  uint64_t pairs = 0;
  uint32_t seconds = 0xffffffff;
  if (argc < 3 || argc > 4 || !absl::SimpleAtoi(argv[2], &pairs) ||
      (argc == 4 && !absl::SimpleAtoi(argv[3], &seconds))) {
    std::fprintf(stderr, "usage: soak STATE PAIRS [SECONDS]\n");
    return 2;
  }
  return ciliumcore::testing::Run(argv[1], pairs,
                                  std::chrono::seconds(seconds));
}
