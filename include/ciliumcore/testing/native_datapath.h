// SPDX-License-Identifier: Apache-2.0

// NativeDatapath: a node's datapath in a process, to send packets into. It has
// the Transaction of Datapath, the compiler and publisher of Datapath, and the
// very programs of Datapath, compiled for the host: no root, no kernel with
// BPF, no interfaces, and time stands still until you move it.
//
//   auto node = NativeDatapath::Open();
//   Transaction change = node->Begin();
//   change.AttachEndpoint({.interface = "web", .addresses = {a}, .identity =
//   w}); change.AttachEndpoint({.interface = "db", .addresses = {b}, .identity
//   = d}); change.SetPolicies(policies); if (!change.Commit().ok()) ... auto
//   sent = node->Send("web", PacketBuilder().Ethernet(...)...Build());
//   EXPECT_EQ(sent->to, PacketOutcome::To::kEndpoint) << *sent;

#ifndef CILIUMCORE_TESTING_NATIVE_DATAPATH_H_
#define CILIUMCORE_TESTING_NATIVE_DATAPATH_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/testing/packet_trace.h"

namespace ciliumcore::internal {
class NativeState;
}  // namespace ciliumcore::internal

namespace ciliumcore::testing {

// See DatapathOptions for those that it has too.
struct NativeDatapathOptions {
  bool audit_only = false;
  bool report_new = true;
  bool report_drops = true;
  bool report_ends = true;
  bool report_verdicts = false;
  // Memory is taken for all of it at once.
  DatapathCapacity capacity = {.connections = 65536,
                               .addresses = 16384,
                               .prefixes = 4096,
                               .classes = 262144,
                               .cells = 262144};
  ConnectionTimeouts timeouts = {};
  // Addresses of the node itself.
  std::vector<IpAddress> host_addresses = {};
};

// What became of a packet.
struct PacketOutcome {
  enum class To {
    kNobody,     // dropped: `trace.reason` says why
    kEndpoint,   // into the endpoint behind `interface`
    kNode,       // to the node's own network stack, which routes it
    kInterface,  // out of the node through `interface`
  };

  To to = To::kNobody;
  std::string interface;
  std::string packet;       // as it was delivered, or left when it was dropped
  std::vector<Flow> flows;  // what a FlowReader would have been told
  PacketTrace trace;

  bool dropped() const { return to == To::kNobody; }

  // "dropped", "delivered to veth-db", "to the node", "out through eth0".
  std::string ToString() const;
  // The steps, then the outcome.
  friend std::ostream& operator<<(std::ostream& out,
                                  const PacketOutcome& outcome);
};

// Owns maps and programs of its own: many nodes fit in one process. Move-only,
// thread-compatible; two of them may be used by two threads.
class NativeDatapath {
 public:
  // InvalidArgument without room for prefixes, classes or cells.
  static absl::StatusOr<NativeDatapath> Open(
      const NativeDatapathOptions& options = {});

  NativeDatapath(NativeDatapath&&) noexcept;
  NativeDatapath& operator=(NativeDatapath&&) noexcept;
  ~NativeDatapath();

  // As Datapath::Begin. Any name is an interface; endpoints are ends of pairs.
  // MAC addresses that are not given are made up.
  Transaction Begin();

  // What happens to an Ethernet frame that the endpoint behind `interface`
  // sends. NotFound if none is attached there, and none was that closed.
  absl::StatusOr<PacketOutcome> Send(absl::string_view interface,
                                     absl::string_view packet);

  // What happens to one that comes from outside, is routed by the node, and is
  // about to reach the endpoint behind `interface`.
  absl::StatusOr<PacketOutcome> Receive(absl::string_view interface,
                                        absl::string_view packet);

  // The interface of the endpoint with this address; empty if none has it.
  std::string InterfaceOf(const IpAddress& address) const;

  // Lets time pass, in whole seconds: connections that are silent end.
  void Advance(absl::Duration time);

  // As in Datapath.
  uint32_t generation() const;
  std::shared_ptr<const CompiledPolicy> policy() const;
  std::vector<Counter> counters() const;

 private:
  explicit NativeDatapath(std::shared_ptr<internal::NativeState> state);

  std::shared_ptr<internal::NativeState> state_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTING_NATIVE_DATAPATH_H_
