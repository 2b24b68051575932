// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/journal_directory_internal.h"

#include <utility>

#include "lib/datapath/flow_names_internal.h"
#include "lib/datapath/journal_codec_internal.h"

namespace ciliumcore::internal {

void JournalDirectory::Look() const {
  const __u64 head = LoadAcquire(&lines_[0].word[CC_JOURNAL_WORD_HEAD]);
  if (std::exchange(head_, head) == head) return;
  services_.clear();
  // A bank that is overwritten while it is read looks damaged; it is read again
  // when the head has moved.
  Journal::ForEach(lines_.entries(), [this](const Journal::Entry& entry) {
    Note(entry);
    return true;
  }).IgnoreError();
}

void JournalDirectory::Note(const Journal::Entry& entry) const {
  const uint32_t number = DecodeKey(entry.key).value_or(0);
  if (entry.kind == JournalKind::kRuleSet) {
    if (const auto set = DecodeRuleSet(entry.value); set.has_value())
      rule_sets_[number] = std::make_shared<const std::string>(set->ToString());
  } else if (entry.kind == JournalKind::kPeer) {
    if (const auto variety = DecodePeer(entry.value); variety.has_value())
      peers_[number] = variety->identity;
  } else if (entry.kind == JournalKind::kIdentity) {
    auto labels = DecodeLabels(entry.value);
    if (!labels.has_value()) return;
    const auto identity = static_cast<Identity>(number);
    parties_[identity] = std::make_shared<const Party>(
        Party{.identity = identity,
              .name = ShortName(*labels),
              .pod = "",
              .labels = std::make_shared<const Labels>(*std::move(labels))});
  } else if (entry.kind == JournalKind::kService) {
    const auto service = DecodeService(entry.value);
    if (!service.has_value()) return;
    const ServiceOptions& options = service->options;
    const Text name = std::make_shared<const std::string>(
        options.name.empty() ? options.frontend.ToString() : options.name);
    for (const Backend& backend : options.backends) {
      Text& known = services_[{
          backend.address,
          {.protocol = options.frontend.port.protocol, .port = backend.port}}];
      if (known == nullptr || *name < *known) known = name;
    }
  }
}

std::shared_ptr<const FlowDirectory::Party> JournalDirectory::FindParty(
    uint32_t peer, const IpAddress&) const {
  const std::lock_guard lock(mutex_);
  Look();
  const auto split = peers_.find(peer);
  const Identity identity =
      split == peers_.end() ? static_cast<Identity>(peer) : split->second;
  std::shared_ptr<const Party>& party = parties_[identity];
  if (party == nullptr) {
    Labels labels = ReservedLabels(identity);
    party = std::make_shared<const Party>(Party{
        .identity = identity,
        .name = IdentityName(identity),
        .pod = "",
        .labels =
            labels.empty() ? nullptr : std::make_shared<const Labels>(labels)});
  }
  return party;
}

std::shared_ptr<const std::string> JournalDirectory::Explain(
    uint32_t rule_set) const {
  const std::lock_guard lock(mutex_);
  Look();
  const auto found = rule_sets_.find(rule_set);
  return found == rule_sets_.end() ? nullptr : found->second;
}

std::shared_ptr<const std::string> JournalDirectory::FindService(
    const IpAddress& address, PortProtocol port) const {
  const std::lock_guard lock(mutex_);
  Look();
  const auto found = services_.find({address, port});
  return found == services_.end() ? nullptr : found->second;
}

}  // namespace ciliumcore::internal
