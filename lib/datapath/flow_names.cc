// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/flow_names_internal.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::internal {
namespace {

// Texts kept; more are made anew each time they are asked for.
constexpr size_t kTextsKept = 4096;
constexpr size_t kPartiesKept = 65536;

}  // namespace

std::string ShortName(const Labels& labels) {
  std::string name = absl::StrCat(PodNamespaceOf(labels).name, "/");
  absl::string_view separator;
  for (const Label& label : PodLabelsOf(labels)) {
    absl::StrAppend(&name, separator, label.key);
    if (!label.value.empty()) absl::StrAppend(&name, "=", label.value);
    separator = ",";
  }
  return name;
}

void FlowNames::Forget() {
  const std::lock_guard lock(mutex_);
  if (!has_looked_) {
    // Nobody asks: what it remembers would only keep identities alive.
    looked_ = {};
    addresses_.clear();
    services_.clear();
  }
  has_looked_ = false;
  parties_.clear();
}

void FlowNames::Note(const IdentityRef& identity, const std::string& pod,
                     const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses)
    addresses_[address] = {.identity = identity.id(), .pod = pod};
  Described& described = identities_[identity.id()];
  if (described.labels != nullptr && *described.labels == identity.labels())
    return;
  described.name = ShortName(identity.labels());
  described.labels = std::make_shared<const Labels>(identity.labels());
}

void FlowNames::Look(const Intent& intent) {
  const Intent before = std::exchange(looked_, {});
  looked_.endpoints = intent.endpoints;
  looked_.remotes = intent.remotes;
  looked_.services = intent.services;
  has_looked_ = true;

  // An address may change hands: first who has it no more.
  const bool same_endpoints = intent.endpoints.IsSameAs(before.endpoints);
  const auto forget = [this](const std::vector<IpAddress>& addresses) {
    for (const IpAddress& address : addresses) addresses_.erase(address);
  };
  if (!same_endpoints) {
    for (const auto& [interface, endpoint] : *before.endpoints)
      forget(endpoint.addresses);
  }
  std::vector<const RemoteOptions*> fresh;
  intent.remotes.DiffFrom(
      before.remotes,
      [&](const IpAddress&, const RemoteOptions* was, const RemoteOptions* is) {
        if (was != nullptr) forget(was->addresses);
        if (is != nullptr) fresh.push_back(is);
      });
  if (!same_endpoints) {
    for (const auto& [interface, endpoint] : *intent.endpoints)
      Note(endpoint.identity, endpoint.name, endpoint.addresses);
  }
  for (const RemoteOptions* remote : fresh)
    Note(remote->identity, remote->name, remote->addresses);
  if (!intent.services.IsSameAs(before.services)) LookAtServices(intent);
}

void FlowNames::LookAtServices(const Intent& intent) {
  services_.clear();
  for (const auto& [frontend, service] : intent.services) {
    const Text name = std::make_shared<const std::string>(
        service->name.empty() ? frontend.ToString() : service->name);
    for (const Backend& backend : service->backends) {
      Text& known = services_[{
          backend.address,
          {.protocol = frontend.port.protocol, .port = backend.port}}];
      if (known == nullptr || *name < *known) known = name;
    }
  }
}

FlowNames::Party FlowNames::PartyOf(uint32_t peer,
                                    const Policies& policies) const {
  Party party = {.identity = static_cast<Identity>(peer),
                 .name = IdentityName(static_cast<Identity>(peer)),
                 .pod = "",
                 .labels = nullptr};
  for (const auto& policy : policies) {
    const PeerRef* found = policy->peer_map->peers.Find(peer);
    if (found == nullptr) continue;
    party.identity = (*found)->variety.identity;
    party.name = (*found)->variety.ToString();
    break;
  }
  const auto described = identities_.find(party.identity);
  if (described != identities_.end()) {
    party.name = described->second.name;
    party.labels = described->second.labels;
  } else if (Labels fixed = ReservedLabels(party.identity); !fixed.empty()) {
    party.labels = std::make_shared<const Labels>(std::move(fixed));
  }
  return party;
}

std::shared_ptr<const FlowNames::Party> FlowNames::FindParty(
    uint32_t peer, const IpAddress& address, const Intent& intent,
    const Policies& policies) {
  const std::lock_guard lock(mutex_);
  if (!has_looked_) Look(intent);
  const auto known = addresses_.find(address);
  const std::pair<uint32_t, IpAddress> key = {
      peer, known == addresses_.end() ? IpAddress() : address};
  if (const auto found = parties_.find(key); found != parties_.end())
    return found->second;
  Party party = PartyOf(peer, policies);
  // An address that changes hands: a late event speaks of who had it before,
  // and one of a forged source of who has it not.
  if (known != addresses_.end() && known->second.identity == party.identity)
    party.pod = known->second.pod;
  if (parties_.size() >= kPartiesKept) parties_.clear();
  return parties_[key] = std::make_shared<const Party>(std::move(party));
}

FlowNames::Text FlowNames::FindService(const IpAddress& address,
                                       PortProtocol port,
                                       const Intent& intent) {
  const std::lock_guard lock(mutex_);
  if (!has_looked_) Look(intent);
  const auto found = services_.find(std::make_pair(address, port));
  return found == services_.end() ? nullptr : found->second;
}

FlowNames::Text FlowNames::Explain(uint32_t rule_set,
                                   const RuleSetTable& rule_sets) {
  const std::lock_guard lock(mutex_);
  if (const auto found = texts_.find(rule_set); found != texts_.end())
    return found->second.text;
  const RuleSetRef found = rule_sets.Find(rule_set);
  if (found == nullptr) return nullptr;
  if (texts_.size() >= kTextsKept) texts_.clear();
  const Text text = std::make_shared<const std::string>(found->set.ToString());
  texts_[rule_set] = {.rule_set = found, .text = text};
  return text;
}

}  // namespace ciliumcore::internal
