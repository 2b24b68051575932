// SPDX-License-Identifier: Apache-2.0

// What the numbers in a pinned instance's events mean, for another process: as
// the instance's journal says.

#ifndef CILIUMCORE_LIB_DATAPATH_JOURNAL_DIRECTORY_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_JOURNAL_DIRECTORY_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/peer.h"
#include "lib/datapath/journal_internal.h"

namespace ciliumcore::internal {

// Thread-safe. Reads the journal anew when it has grown. A number that it no
// longer has keeps the meaning it was last seen with.
class JournalDirectory : public FlowDirectory {
 public:
  // `lines` are read alone.
  explicit JournalDirectory(Journal::Lines lines) : lines_(std::move(lines)) {}

  std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const override;
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override;
  std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const override;

 private:
  using Text = std::shared_ptr<const std::string>;

  void Look() const;
  void Note(const Journal::Entry& entry) const;

  const Journal::Lines lines_;
  mutable std::mutex mutex_;
  mutable __u64 head_ = ~__u64{0};  // up to which the journal was read
  mutable absl::flat_hash_map<uint32_t, Text> rule_sets_;
  mutable absl::flat_hash_map<uint32_t, Identity> peers_;
  mutable absl::flat_hash_map<Identity, std::shared_ptr<const Party>> parties_;
  mutable std::map<std::pair<IpAddress, PortProtocol>, Text> services_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_JOURNAL_DIRECTORY_INTERNAL_H_
