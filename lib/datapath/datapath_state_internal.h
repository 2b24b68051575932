// SPDX-License-Identifier: Apache-2.0

// What a Datapath is made of.

#ifndef CILIUMCORE_LIB_DATAPATH_DATAPATH_STATE_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_DATAPATH_STATE_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/net/netns.h"
#include "ciliumcore/policy/compiler.h"
#include "lib/datapath/event_reader_internal.h"
#include "lib/datapath/intent_internal.h"
#include "lib/datapath/meter_internal.h"
#include "lib/datapath/planner_internal.h"
#include "lib/datapath/program_set_internal.h"
#include "lib/datapath/publisher_internal.h"
#include "lib/datapath/sock_programs_internal.h"
#include "lib/datapath/stale_sockets_internal.h"

namespace ciliumcore::internal {

// Thread-safe, but for events.
class DatapathState : public FlowDirectory, public Committer {
 public:
  static absl::StatusOr<std::shared_ptr<DatapathState>> Open(
      const DatapathOptions& options);
  static absl::Status Remove(const DatapathOptions& options);
  ~DatapathState() override = default;

  absl::StatusOr<uint32_t> Commit(const std::vector<Edit>& edits) override;
  absl::StatusOr<ChangePlan> Plan(const std::vector<Edit>& edits) override;

  EventReader& events() { return events_; }
  absl::StatusOr<std::vector<Counter>> counters() const;
  absl::StatusOr<std::vector<Counter>> endpoint_counters() const;
  uint32_t generation() const;
  std::shared_ptr<const CompiledPolicy> policy() const;
  absl::StatusOr<std::vector<IdentityRef>> RecoverIdentities(
      IdentityAllocator& allocator) const;
  absl::StatusOr<VerifyReport> Verify() const;
  absl::StatusOr<uint64_t> EndStaleSockets();
  absl::StatusOr<Verdict> PlantFault(const IpAddress& source,
                                     const IpAddress& destination,
                                     PortProtocol port);

  std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const override;
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override;
  std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const override;

 private:
  using LostCounters = EventReader::LostCounters;

  DatapathState(const DatapathOptions& options, NetNs netns,
                std::unique_ptr<Pins> pins,
                std::unique_ptr<ProgramSet> programs,
                std::unique_ptr<SockPrograms> sock_programs, LinkWatch watch,
                PublishedMaps maps, Barrier barrier, uint32_t epoch,
                RingBuffer events, Meter meter, LostCounters lost);

  // Keeps a journal for the process after this one.
  absl::Status KeepJournal();
  // Goes on with maps of an earlier process; `journal` is its.
  absl::Status Adopt(Journal journal);

  // What is in force, if nothing in it can have changed.
  absl::StatusOr<std::shared_ptr<const Surroundings>> Resolve(
      const Intent& intent);
  absl::Status AttachNew(
      const Intent& next, const Surroundings& surroundings,
      std::map<std::string, std::unique_ptr<Attachment>>& attached);
  void DetachGone(const Intent& next);
  void DetachFound(const Intent& next);
  absl::Status TakeOver();
  absl::Status PinState();
  // Whether a pinned link has a program that is not of what was adopted.
  bool HasStrangeLinks() const;

  const DatapathOptions options_;
  const uint64_t build_;  // of our programs; see BuildOf
  const NetNs netns_;
  const std::unique_ptr<Pins> pins_;  // null with Lifetime::kProcess
  const std::unique_ptr<ProgramSet> programs_;
  const std::unique_ptr<SockPrograms> sock_programs_;  // null without services

  mutable std::mutex mutex_;
  LinkWatch watch_;
  Publisher publisher_;
  Planner planner_;
  std::shared_ptr<const Surroundings> surroundings_ =
      std::make_shared<const Surroundings>();  // of what is in force
  bool links_changed_ = true;                  // of the node, since then
  std::map<std::string, std::unique_ptr<Attachment>>
      attachments_;  // by interface
  // Endpoints of an earlier process, until the first commit says which stay.
  std::vector<EndpointWriter::Adopted> found_;
  uint64_t pinned_build_ = 0;  // as the journal says it; 0: not ours, or none
  bool sock_links_gone_ = false;
  std::shared_ptr<const StaleSockets> stale_sockets_;  // null until asked for

  EventReader events_;
  Meter meter_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_DATAPATH_STATE_INTERNAL_H_
