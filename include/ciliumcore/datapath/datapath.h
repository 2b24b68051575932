// SPDX-License-Identifier: Apache-2.0

// Datapath: the programs and maps of one instance, and the one way to change
// them. Start here.

#ifndef CILIUMCORE_DATAPATH_DATAPATH_H_
#define CILIUMCORE_DATAPATH_DATAPATH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/datapath/plan.h"
#include "ciliumcore/datapath/verify.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/name_cache.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore {

namespace internal {
class Committer;
class DatapathState;
struct TransactionState;
}  // namespace internal

namespace testing {
class NativeDatapath;
}  // namespace testing

// A change: collects edits, of which nothing is visible until Commit.
// Move-only, thread-compatible. Must not outlive its Datapath.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  // Judges an interface from now on, or changes who it is.
  Transaction& AttachEndpoint(EndpointOptions endpoint);
  // Ends that; as the endpoint's `on_detach` says.
  Transaction& DetachEndpoint(std::string interface);

  // Says who remote addresses are.
  Transaction& UpsertRemote(RemoteOptions remote);
  Transaction& RemoveRemote(const IpAddress& address);

  // A frontend and its backends, from now on; replaces what the frontend had.
  // Connections that are open stay where they are.
  Transaction& UpsertService(ServiceOptions service);
  Transaction& RemoveService(const Frontend& frontend);
  // Replaces all services. Two of one frontend are an error of Commit.
  Transaction& SetServices(std::vector<ServiceOptions> services);
  // What checks of backends found. One that is unhealthy is kQuarantined in all
  // services that have it, now or later, until it is told to be healthy; others
  // are as their services say. It is remembered by this process alone. Cost of
  // the commit: linear in all services and their backends.
  Transaction& SetHealth(std::vector<BackendHealth> health);

  // Replaces all policies, of every dialect. For services, names and other
  // nodes that they refer to, see SetPolicyContext.
  Transaction& SetPolicies(Policies policies);
  // By NetworkPolicies alone: those of other dialects end.
  Transaction& SetPolicies(std::vector<NetworkPolicy> policies);
  // Replaces what is known of namespaces; others have their name as a label.
  Transaction& SetNamespaces(std::vector<Namespace> namespaces);
  // Replaces what else policies refer to; nothing of it is known at first, and
  // no rule for what is not known matches.
  Transaction& SetPolicyContext(PolicyContext context);
  // What DNS answers, as NameCache::TakeChanges says it: rules for names match
  // these addresses beside those of the context. Those that go need not be
  // there. A commit of names alone compiles no policy anew: see
  // PolicyCompiler::Recompile for what it costs.
  Transaction& ChangeNames(NameChanges changes);

  // What Commit would write now; writes nothing. The edits stay. Errors as
  // Commit's, but that room which is missing is told in the plan.
  absl::StatusOr<ChangePlan> Plan() const;

  // Does all of it, or nothing and says why. On success every packet that
  // begins afterwards is judged by the new state alone, and no packet by a
  // mix of both. Returns the generation: a new one if anything changed.
  //
  // InvalidArgument: two edits contradict each other, or two endpoints have one
  // address. NotFound: an interface is gone. ResourceExhausted: a map is full;
  // its name and sizes are in the message. PermissionDenied: the kernel
  // refused. FailedPrecondition: services without a cgroup. Cost: compiles all
  // policies; system calls for what changed.
  absl::StatusOr<uint32_t> CommitGeneration();
  absl::Status Commit() { return CommitGeneration().status(); }

 private:
  friend class Datapath;
  friend class testing::NativeDatapath;
  explicit Transaction(std::shared_ptr<internal::Committer> target);
  std::unique_ptr<internal::TransactionState> state_;
};

// Reads the datapath's events. Thread-compatible: one reader at a time.
class FlowReader {
 public:
  // The next flow; nothing if none came in `timeout`.
  std::optional<Flow> Next(absl::Duration timeout);

  // Gives `visit` all events that are there, in order; if there are none, waits
  // for the first ones for up to `timeout`. Returns how many. Programs cannot
  // use the room of an event before `visit` is through with its batch.
  // Allocates nothing.
  size_t Consume(absl::Duration timeout,
                 absl::FunctionRef<void(const FlowEvent& event)> visit);

  // Says in `flow` what an event means; see ResolveFlow. Thread-safe.
  void Resolve(const FlowEvent& event, Flow& flow) const;

  // Events that programs could not write because the reader was too slow.
  uint64_t lost() const;

  // Records that were read and were no events of this build: an older one's
  // programs, for instance, whose pinned ring another process reads.
  uint64_t undecodable() const;

 private:
  friend class Datapath;
  explicit FlowReader(internal::DatapathState* state) : state_(state) {}
  internal::DatapathState* state_;
};

// A counter: packets of a direction that met a fate.
struct Counter {
  bool is_egress = false;
  uint8_t reason = 0;  // flow/reason.h; 0: forwarded
  uint64_t packets = 0;
  uint64_t bytes = 0;
  std::string endpoint = {};  // its interface, where they are told apart
};

// Owns the programs, maps and links of an instance. Move-only; thread-safe, but
// for flows(). With Lifetime::kProcess the destructor detaches everything.
class Datapath {
 public:
  // Loads the programs. With Lifetime::kPinned, what an earlier process of the
  // instance pinned goes on judging by its state until the first Commit. That
  // says all there shall be: what it does not name ends with it. Of what stays
  // the same nothing is written, and numbers keep their meaning. Programs of
  // another build, or with other options, are replaced link by link; if a
  // capacity is another, the maps are too. Connections stay known.
  //
  // PermissionDenied: without CAP_BPF and CAP_NET_ADMIN. FailedPrecondition:
  // `bpffs` is no bpf file system, or another process writes this instance (its
  // pid is in the message). FailedPrecondition or DataLoss: what is pinned was
  // not made by this library or is damaged; the message says what was expected
  // and found, and Remove clears it away. Unimplemented: the kernel lacks a
  // feature; the message says which and since when kernels have it.
  static absl::StatusOr<Datapath> Open(const DatapathOptions& options = {});

  // Ends what an instance of Lifetime::kPinned left: detaches its programs and
  // removes its pins. FailedPrecondition as Open.
  static absl::Status Remove(const DatapathOptions& options);

  Datapath(Datapath&&) noexcept;
  Datapath& operator=(Datapath&&) noexcept;
  ~Datapath();

  Transaction Begin();

  // Gives the labels of the endpoints and remote addresses that an earlier
  // process had the numbers that they had then, and nothing if there was none.
  // Hold the result until the first Commit. AlreadyExists if `allocator` has
  // used a number otherwise.
  absl::StatusOr<std::vector<IdentityRef>> RecoverIdentities(
      IdentityAllocator& allocator) const;

  FlowReader& flows() { return flows_; }

  // The number of the last change.
  uint32_t generation() const;

  // What is in force. The pointers stay valid after later changes.
  std::shared_ptr<const CompiledPolicy> policy() const;

  // All counters of the node that are not zero. Exact, whatever events there
  // are. O(CPUs).
  absl::StatusOr<std::vector<Counter>> counters() const;

  // The same of each endpoint since it was attached: what it sent and got, and
  // the drops that its judgements made. Drops that find no room among 65,536
  // counters are in counters() alone.
  absl::StatusOr<std::vector<Counter>> endpoint_counters() const;

  // Whether the maps judge as what is in force says. Of each endpoint: that its
  // interface's packets are judged as its own, what it may send from, and the
  // verdict on every identity that policy knows and on any other, on every key
  // of protocol and port (of ICMP type and code). Of every address: that it is
  // taken for who it is, as far as a verdict depends on that, and to be where
  // it is. Verdicts are equal if a packet fares alike: allowed, denied or left
  // to which proxy, with which authentication. Not compared: next hops and
  // hardware addresses, services, records of connections.
  //
  // Changes wait meanwhile. FailedPrecondition before this process has
  // committed anything. Cost: reads the maps' entries in use; compares each
  // pair of tables and of rows once, whoever has them.
  absl::StatusOr<VerifyReport> Verify() const;

  // Ends the connected UDP sockets of the cgroup's processes whose backend is
  // none of its service any more, as this process last committed it: removed,
  // quarantined, or its service gone.
  // Their owners' next call fails with ECONNABORTED, and they connect anew;
  // without this they would go on to send to nobody. For whoever commits such
  // a change to call after it; returns how many were ended.
  //
  // FailedPrecondition without a cgroup; Unimplemented before Linux 6.5.
  // Thread-safe. Cost: one step for each UDP socket in the network namespaces
  // of these processes; the first call loads a program.
  absl::StatusOr<uint64_t> EndStaleSockets();

  // For tests of checkers only: turns the live verdict of `destination`'s
  // endpoint on this flow around, and tells nobody. Returns what it was.
  // NotFound if `destination` is no endpoint's address.
  absl::StatusOr<Verdict> PlantFault(const IpAddress& source,
                                     const IpAddress& destination,
                                     PortProtocol port);

 private:
  explicit Datapath(std::shared_ptr<internal::DatapathState> state);

  std::shared_ptr<internal::DatapathState> state_;
  FlowReader flows_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_DATAPATH_H_
