// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/journal_names_internal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"

namespace ciliumcore::internal {
namespace {

// `refs` ascend by `number_of`.
template <typename Ref, typename NumberOf>
bool Contains(const std::vector<Ref>& refs, uint32_t number,
              NumberOf number_of) {
  const auto at = std::lower_bound(
      refs.begin(), refs.end(), number,
      [&](const Ref& ref, uint32_t wanted) { return number_of(ref) < wanted; });
  return at != refs.end() && number_of(*at) == number;
}

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
  if (desired.peer_map != in_force_.peer_map) {
    for (const PeerRef& peer : desired.peer_map->peers) {
      if (peer->variety.is_plain()) continue;  // the identity's own number
      Note(JournalKind::kPeer, peer->number, peer, peer->variety, peers_,
           staging);
    }
  }
  for (const RuleSetRef& set : desired.rule_sets) {
    Note(JournalKind::kRuleSet, set->id, set, set->set, rule_sets_, staging);
  }
  if (desired.nodes != in_force_.nodes)
    StageIdentities(*desired.nodes, staging);
  staging.OnFailure([this] { next_ = {}; });
  staging.OnPublished([this] { in_force_ = std::exchange(next_, {}); });
}

void JournalNames::StageIdentities(const DesiredNodes& nodes,
                                   Staging& staging) {
  Known<IdentityRef> identities;
  for (const IdentityRef& identity : nodes.identities) {
    const auto number = static_cast<uint32_t>(identity.id());
    if (!identities.try_emplace(number, identity).second) continue;
    const auto known = identities_.find(number);
    if (known != identities_.end() && known->second == identity) continue;
    std::string labels = Encode(identity.labels());
    const auto recovered = recovered_.find(number);
    if (recovered != recovered_.end() && recovered->second == labels) continue;
    staging.Record({.kind = JournalKind::kIdentity,
                    .key = EncodeKey(number),
                    .value = std::move(labels)});
  }
  const auto end_others = [&](const auto& known) {
    for (const auto& [number, what] : known) {
      if (identities.contains(number)) continue;
      staging.Record({.kind = JournalKind::kIdentity,
                      .key = EncodeKey(number),
                      .value = {}});
    }
  };
  end_others(identities_);
  end_others(recovered_);
  staging.OnPublished([this, identities = std::move(identities)]() mutable {
    identities_ = std::move(identities);
    recovered_.clear();
  });
}

bool JournalNames::IsUsed(const Journal::Key& key) const {
  const uint32_t number = DecodeKey(key.second).value_or(0);
  const auto number_of_peer = [](const PeerRef& peer) { return peer->number; };
  const auto number_of_set = [](const RuleSetRef& set) { return set->id; };
  if (key.first == JournalKind::kPeer) {
    return Contains(in_force_.peer_map->peers, number, number_of_peer) ||
           Contains(next_.peer_map->peers, number, number_of_peer);
  }
  if (key.first == JournalKind::kRuleSet) {
    return Contains(in_force_.rule_sets, number, number_of_set) ||
           Contains(next_.rule_sets, number, number_of_set);
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

absl::StatusOr<RecoveredNames> RecoverNames(const Journal& journal,
                                            PeerRegistry& peers,
                                            RuleSetTable& rule_sets) {
  RecoveredNames names;
  for (const auto& [key, value] : journal.records()) {
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
    const Journal& journal, IdentityAllocator& allocator) {
  std::vector<IdentityRef> identities;
  for (const auto& [key, value] : journal.records()) {
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
