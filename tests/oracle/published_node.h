// SPDX-License-Identifier: Apache-2.0

// A node on which the library's publisher has laid a compiled policy into the
// maps of the real programs, and which packets are sent through.

#ifndef CILIUMCORE_TESTS_ORACLE_PUBLISHED_NODE_H_
#define CILIUMCORE_TESTS_ORACLE_PUBLISHED_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/testing/program.h"
#include "lib/datapath/publisher_internal.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {

// A connection: a flow and what distinguishes it from others.
struct Connection {
  Flow flow;
  uint16_t port = 0;  // the source's; ICMP: the identifier
};

// Whether nothing distinguishes a connection from another one between the same
// ends, nor the two directions: neither ports nor identifiers.
bool HasNoPorts(Protocol protocol);

class PublishedNode {
 public:
  // Programs in this process. The publisher's maps are memory of its own, and
  // copied into theirs after each change.
  static absl::StatusOr<std::unique_ptr<PublishedNode>> Native();

  // Programs in the kernel, whose maps the publisher writes. The calling
  // thread's network namespace must have interfaces kFirstIfindex and on.
  static absl::StatusOr<std::unique_ptr<PublishedNode>> InKernel();

  static constexpr uint32_t kFirstIfindex = 65520;  // beyond 65536 it is a hash
  static constexpr uint32_t kInterfaces = 32;

  // Makes the node what `input`, compiled, says. Pods that may live on a node
  // (not in its network, at most one address of each family) are on this one,
  // but for every third; `pods` are the numbers that stay with them.
  absl::Status Publish(const PolicyInput& input,
                       const std::vector<uint32_t>& pods,
                       const CompiledPolicy& compiled);
  // The same, but the change fails when all of it is prepared.
  absl::Status PublishInVain(const PolicyInput& input,
                             const std::vector<uint32_t>& pods,
                             const CompiledPolicy& compiled);

  // Entries of the hashes and tries that the publisher writes; without any
  // pod or policy there is the root of IPv4 alone.
  size_t entries();

  // Which sides of a flow this node judges, and where.
  struct Crossing {
    Program program = Program::kFromEndpoint;
    uint32_t ifindex = 0;
    bool judges_egress = false, judges_ingress = false;
  };
  // None if no packet of the flow can cross this node, or be at all.
  std::optional<Crossing> CrossingOf(const Flow& flow) const;

  // Sends the packet that opens the connection, one that continues it, or one
  // of the other direction.
  enum class Step { kOpen, kContinue, kReply };
  absl::StatusOr<ProgramOutput> Send(const Connection& connection, Step step);

  // Forgets all connections.
  absl::Status Forget() { return runner_->Clear("cc_conntrack"); }

  ProgramRunner& runner() { return *runner_; }
  // Interfaces that were some pod's and are nobody's now.
  const std::deque<uint32_t>& free_interfaces() const { return free_; }

 private:
  PublishedNode(std::unique_ptr<ProgramRunner> runner,
                internal::PublishedMaps maps, bool is_mirrored);

  // The interface of a pod that is on this node, else 0.
  uint32_t InterfaceOf(uint32_t endpoint) const;
  absl::Status Publish(const PolicyInput& input,
                       const std::vector<uint32_t>& pods,
                       const CompiledPolicy& compiled,
                       const absl::Status& attached);
  absl::Status Mirror();
  template <typename Array>
  absl::Status MirrorArray(const char* name, const Array& array);
  template <typename Hash>
  absl::Status MirrorHash(const char* name, const Hash& hash);

  const std::unique_ptr<ProgramRunner> runner_;
  internal::Publisher publisher_;
  const bool is_mirrored_;
  std::map<std::string, std::string> mirrored_;  // bytes by array
  std::map<std::string, uint32_t> interfaces_;   // by the endpoint's name
  std::vector<uint32_t> interface_of_endpoint_;  // 0: not on this node
  std::deque<uint32_t> free_;                    // longest unused first
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_PUBLISHED_NODE_H_
