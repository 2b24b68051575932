// SPDX-License-Identifier: Apache-2.0

// Who there is: the pods grouped by identity, and every peer that policy may
// have to tell apart.

#ifndef CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/peer.h"
#include "lib/policy/covers_internal.h"
#include "lib/policy/label_index_internal.h"
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {

inline constexpr uint32_t kNoGroup = 0xffffffff;

// A node and the peers that it is, by its labels if policies tell nodes apart.
struct UniverseNode {
  const Labels* labels = nullptr;
  std::vector<uint32_t> peers;
};

// A pod elsewhere, shared by who knows of it.
using RemoteRef = std::shared_ptr<const PolicyEndpoint>;

// What DNS calls addresses; none empty.
using NamesOfAddresses = absl::flat_hash_map<IpAddress, std::set<std::string>>;

// Peers by index. Those that have gone keep their group and cover until the
// next change; then the index may be another's.
struct PeerChanges {
  std::vector<std::pair<uint32_t, PeerRef>> gone;
  std::vector<uint32_t> come;
};

// Thread-compatible.
class Universe {
 public:
  // `needs`: of the input's policies. The input's own remotes and names do not
  // count. `input`, `names` and `registry` must outlive the universe.
  static absl::StatusOr<std::unique_ptr<Universe>> Make(
      const PolicyInput& input, absl::Span<const RemoteRef> remotes,
      const NamesOfAddresses& names, const UniverseNeeds& needs,
      PeerRegistry& registry);

  // Lets remotes that are there go, and others come; the names of the addresses
  // `renamed` have changed. Tells which peers that ends and begins. As Make.
  // After an error the universe is of no use.
  absl::StatusOr<PeerChanges> Change(absl::Span<const RemoteRef> gone,
                                     absl::Span<const RemoteRef> come,
                                     absl::Span<const IpAddress> renamed);

  const Covers& covers() const { return covers_; }

  // One for each identity of a pod. The first are those of endpoints; a number
  // above is given anew when its last remote has gone.
  const LabelIndex& groups() const { return groups_; }
  uint32_t subject_groups() const { return subject_groups_; }
  // kNoGroup in the host's network.
  uint32_t GroupOfEndpoint(uint32_t endpoint) const {
    return group_of_endpoint_[endpoint];
  }

  // By index, which is what "peer" is below; null where none is.
  const std::vector<PeerRef>& peers() const { return peers_; }
  // kNoGroup if it is no pod's.
  uint32_t GroupOfPeer(uint32_t peer) const { return group_of_peer_[peer]; }
  bool IsPod(uint32_t peer) const { return group_of_peer_[peer] != kNoGroup; }
  uint32_t CoverOfPeer(uint32_t peer) const { return cover_of_peer_[peer]; }
  // What policies select a group by, also one that has gone just now.
  const std::string& NamespaceOf(uint32_t group) const {
    return members_[group].first->ns;
  }
  const Labels& LabelsOf(uint32_t group) const {
    const Group& of = members_[group];
    return of.made_up.empty() ? of.first->labels : of.made_up;
  }
  const std::vector<uint32_t>& PeersOfGroup(uint32_t group) const {
    return peers_of_group_[group];
  }
  const std::vector<uint32_t>& PeersOfCover(uint32_t cover) const {
    return peers_of_cover_[cover];
  }

  const std::vector<UniverseNode>& nodes() const { return nodes_; }
  // The same by number and address.
  std::shared_ptr<const PeerMap> peer_map() const { return peer_map_; }

 private:
  using VarietyKey =
      std::tuple<Identity, std::vector<NamedPort>, uint32_t, Labels>;

  struct Group {
    const PolicyEndpoint* first = nullptr;
    RemoteRef own;        // if it is a remote
    Labels made_up = {};  // where `first` has fewer
    uint32_t members = 0;
  };

  Universe(const PolicyInput& input, const NamesOfAddresses& names,
           const UniverseNeeds& needs, PeerRegistry& registry)
      : input_(input),
        names_(names),
        needs_(needs),
        registry_(registry),
        covers_(needs.prefixes),
        hosts_(input.host_addresses.begin(), input.host_addresses.end()) {}

  absl::Status Fill(absl::Span<const RemoteRef> remotes);
  absl::Status AddReserved();
  absl::Status AddNodes();
  absl::Status AddNode(const Labels& labels,
                       const std::vector<IpAddress>& addresses);
  absl::Status AddEndpoint(uint32_t index);
  absl::Status AddRemote(const RemoteRef& remote);
  // The labels by which rules know an address: the selectors of its names.
  Labels LabelsOfNames(const IpAddress& address) const;
  // Of an address that is no pod's and no node's: the peer that it is, with one
  // user more, if it has an entry: an API server's, or one that rules for names
  // tell apart from its prefix.
  absl::StatusOr<std::optional<uint32_t>> OutsidePeer(const IpAddress& address);
  absl::Status AddOutside();
  void RemoveRemote(const PolicyEndpoint& remote);

  // The peer of a variety, with one user more; a new one joins its cover and
  // its group.
  absl::StatusOr<uint32_t> PeerOf(Identity identity, uint32_t cover,
                                  std::vector<NamedPort> ports = {},
                                  uint32_t group = kNoGroup,
                                  Labels labels = {});
  absl::StatusOr<uint32_t> NodePeer(Identity identity, const IpAddress& address,
                                    Labels labels = {});
  // Of another node: it is told from others only where policies do so.
  absl::StatusOr<uint32_t> RemoteNodePeer(const IpAddress& address,
                                          const Labels& labels) {
    return NodePeer(Identity::kRemoteNode, address,
                    needs_.node_labels ? labels : Labels());
  }
  void DropUser(uint32_t peer);

  // With one member more; `own`: the same, if it is a remote.
  absl::StatusOr<uint32_t> JoinGroup(const PolicyEndpoint& endpoint,
                                     const RemoteRef& own = nullptr);
  void LeaveGroup(uint32_t group);

  void AddAddress(const IpAddress& address, uint32_t peer, uint32_t endpoint) {
    addresses_.push_back({address, {peers_[peer]->number, endpoint}});
  }
  absl::Status MakePeerMap();
  // Numbers of what went in the change before are free for others.
  void Recycle();

  const PolicyInput& input_;
  const NamesOfAddresses& names_;
  const UniverseNeeds needs_;
  PeerRegistry& registry_;

  Covers covers_;
  LabelIndex groups_;
  uint32_t subject_groups_ = 0;
  std::deque<Group> members_;  // by group
  std::vector<uint32_t> free_groups_, gone_groups_;
  absl::flat_hash_map<Identity, uint32_t> group_of_identity_;
  std::vector<uint32_t> group_of_endpoint_;

  std::vector<PeerRef> peers_;
  std::vector<uint32_t> group_of_peer_, cover_of_peer_, users_of_peer_;
  std::vector<uint32_t> free_peers_, gone_, come_;  // the latter: last change
  absl::flat_hash_map<VarietyKey, uint32_t> known_;
  std::vector<std::vector<uint32_t>> peers_of_group_, peers_of_cover_;
  std::vector<uint32_t> world_of_cover_;
  std::vector<UniverseNode> nodes_;

  const absl::flat_hash_set<IpAddress> hosts_;
  // Of other nodes, by their addresses; in `input_`.
  absl::flat_hash_map<IpAddress, const Labels*> node_labels_;
  absl::flat_hash_set<IpAddress> api_servers_;
  // Addresses outside that have an entry, and which peer that is.
  absl::flat_hash_map<IpAddress, uint32_t> outside_;

  std::vector<std::pair<IpAddress, AddressPeer>> addresses_;  // for MakePeerMap
  std::vector<absl::InlinedVector<uint32_t, 2>> of_endpoint_;  // the same
  std::shared_ptr<const PeerMap> peer_map_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
