// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/journal_names_internal.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"

namespace ciliumcore::internal {
namespace {

absl::Status Unreadable(const char* what) {
  return absl::DataLossError(
      absl::StrCat("map cc_journal: a record of ", what, " cannot be read"));
}

}  // namespace

void JournalNames::Hold(const Journal& journal, const RecoveredNames& names) {
  for (const auto& [key, value] : journal.records()) {
    if (key.first == JournalKind::kIdentity)
      recovered_.emplace(DecodeKey(key.second).value_or(0), value);
  }
  for (const PeerRef& peer : names.peers) peers_.emplace(peer->number, peer);
  for (const RuleSetRef& set : names.rule_sets)
    rule_sets_.emplace(set->id, set);
}

template <typename Ref, typename Value>
void JournalNames::Note(JournalKind kind, uint32_t number, const Ref& ref,
                        const Value& value, Known<Ref>& known,
                        Staging& staging) {
  if (!known.try_emplace(number, ref).second) return;
  staging.Record(
      {.kind = kind, .key = EncodeKey(number), .value = Encode(value)});
  staging.OnFailure([&known, number] { known.erase(number); });
}

void JournalNames::Stage(const DesiredState& desired, Staging& staging) {
  next_ = {desired.peer_map, desired.rule_sets, desired.nodes};
  // What is new in `after`.
  const auto each_new = [](const auto& before, const auto& after, auto visit) {
    after.DiffFrom(before, [&](uint32_t number, const auto*, const auto* ref) {
      if (ref != nullptr) visit(number, *ref);
    });
  };
  each_new(in_force_.peer_map->peers, desired.peer_map->peers,
           [&](uint32_t number, const PeerRef& peer) {
             // A plain one has the identity's own number.
             if (peer->variety.is_plain()) return;
             Note(JournalKind::kPeer, number, peer, peer->variety, peers_,
                  staging);
           });
  each_new(in_force_.rule_sets, desired.rule_sets,
           [&](uint32_t id, const RuleSetRef& set) {
             Note(JournalKind::kRuleSet, id, set, set->set, rule_sets_,
                  staging);
           });
  if (desired.nodes != in_force_.nodes)
    StageIdentities(*desired.nodes, staging);
  staging.OnFailure([this] { next_ = {}; });
  staging.OnPublished([this] { in_force_ = std::exchange(next_, {}); });
}

void JournalNames::StageIdentities(const DesiredNodes& nodes,
                                   Staging& staging) {
  const auto record = [&](uint32_t number, std::string labels) {
    staging.Record({.kind = JournalKind::kIdentity,
                    .key = EncodeKey(number),
                    .value = std::move(labels)});
  };
  const DesiredNodes none;
  const DesiredNodes& before =
      in_force_.nodes == nullptr ? none : *in_force_.nodes;
  nodes.identities.DiffFrom(
      before.identities, [&](uint32_t number, const DesiredIdentity* was,
                             const DesiredIdentity* is) {
        if (is == nullptr) return record(number, {});
        if (was != nullptr && was->identity == is->identity) return;
        std::string labels = Encode(is->identity.labels());
        const auto recovered = recovered_.find(number);
        if (recovered != recovered_.end() && recovered->second == labels)
          return;
        record(number, std::move(labels));
      });
  for (const auto& [number, labels] : recovered_) {
    if (!nodes.identities.contains(number)) record(number, {});
  }
  staging.OnPublished([this] { recovered_.clear(); });
}

bool JournalNames::IsUsed(const Journal::Key& key) const {
  const uint32_t number = DecodeKey(key.second).value_or(0);
  if (key.first == JournalKind::kPeer) {
    return in_force_.peer_map->peers.contains(number) ||
           next_.peer_map->peers.contains(number);
  }
  if (key.first == JournalKind::kRuleSet) {
    return in_force_.rule_sets.contains(number) ||
           next_.rule_sets.contains(number);
  }
  return true;
}

void JournalNames::Forget(absl::Span<const Journal::Key> keys) {
  for (const auto& [kind, key] : keys) {
    const uint32_t number = DecodeKey(key).value_or(0);
    if (kind == JournalKind::kPeer) peers_.erase(number);
    if (kind == JournalKind::kRuleSet) rule_sets_.erase(number);
  }
}

absl::StatusOr<RecoveredNames> RecoverNames(const Journal::Records& records,
                                            PeerRegistry& peers,
                                            RuleSetTable& rule_sets) {
  RecoveredNames names;
  for (const auto& [key, value] : records) {
    const uint32_t number = DecodeKey(key.second).value_or(0);
    if (key.first == JournalKind::kPeer) {
      auto variety = DecodePeer(value);
      if (!variety.has_value()) return Unreadable("a peer");
      CC_ASSIGN_OR_RETURN(PeerRef peer,
                          peers.Restore(number, *std::move(variety)));
      names.peers.push_back(std::move(peer));
    } else if (key.first == JournalKind::kRuleSet) {
      auto set = DecodeRuleSet(value);
      if (!set.has_value()) return Unreadable("a rule set");
      CC_ASSIGN_OR_RETURN(RuleSetRef ref,
                          rule_sets.Restore(number, *std::move(set)));
      names.rule_sets.push_back(std::move(ref));
    }
  }
  return names;
}

absl::StatusOr<std::vector<IdentityRef>> RecoverIdentities(
    const Journal::Records& records, IdentityAllocator& allocator) {
  std::vector<IdentityRef> identities;
  for (const auto& [key, value] : records) {
    if (key.first != JournalKind::kIdentity) continue;
    const auto number = DecodeKey(key.second);
    auto labels = DecodeLabels(value);
    if (!number.has_value() || !labels.has_value())
      return Unreadable("an identity");
    const auto id = static_cast<Identity>(*number);
    auto identity = allocator.Restore(id, *std::move(labels));
    if (!identity.ok())
      return Annotate(identity.status(), absl::StrCat("identity ", *number));
    identities.push_back(*std::move(identity));
  }
  return identities;
}

}  // namespace ciliumcore::internal
