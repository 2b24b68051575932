// SPDX-License-Identifier: Apache-2.0

// What a NativeDatapath is made of.

#ifndef CILIUMCORE_LIB_TESTING_NATIVE_STATE_INTERNAL_H_
#define CILIUMCORE_LIB_TESTING_NATIVE_STATE_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/native/world.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/testing/native_datapath.h"
#include "lib/datapath/planner_internal.h"
#include "lib/datapath/publisher_internal.h"
#include "lib/testing/packet_walk_internal.h"

namespace ciliumcore::internal {

// The publisher writes its maps in memory. The programs' arrays are the
// publisher's; hashes and tries are copied after each commit.
class NativeState : public Committer, public FlowDirectory {
 public:
  static absl::StatusOr<std::shared_ptr<NativeState>> Open(
      const testing::NativeDatapathOptions& options);

  absl::StatusOr<uint32_t> Commit(const std::vector<Edit>& edits) override;
  absl::StatusOr<ChangePlan> Plan(const std::vector<Edit>& edits) override;

  absl::StatusOr<testing::PacketOutcome> Run(absl::string_view interface,
                                             bool is_egress,
                                             absl::string_view packet);
  void Advance(absl::Duration time);
  std::string InterfaceOf(const IpAddress& address) const;
  uint32_t generation() const { return publisher_.epoch(); }
  std::shared_ptr<const CompiledPolicy> policy() const {
    return planner_.policy();
  }
  std::vector<Counter> counters();

  std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const override {
    return planner_.FindParty(peer, address);
  }
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override {
    return planner_.Explain(rule_set);
  }
  std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const override {
    return planner_.FindService(address, port);
  }

 private:
  NativeState(const testing::NativeDatapathOptions& options,
              PublishedMaps maps);

  void ShareArrays();
  void CopyHashes();
  uint32_t IfindexOf(const std::string& interface);
  std::string InterfaceAt(uint32_t ifindex) const;
  std::shared_ptr<const Surroundings> Resolve(const Intent& intent);
  void NoteAttached(const Intent& before);
  PacketWalk Foretell(absl::string_view packet, uint32_t ifindex,
                      bool is_egress);
  void Compare(int action, const PacketWalk& walk,
               testing::PacketTrace& trace) const;

  const testing::NativeDatapathOptions options_;
  native::World world_;
  Publisher publisher_;
  Planner planner_;
  std::shared_ptr<const Surroundings> surroundings_;  // of the intent in force
  std::map<std::string, uint32_t> ifindexes_;         // made up; they only grow
  std::set<std::string> attached_;                    // programs are there
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_TESTING_NATIVE_STATE_INTERNAL_H_
