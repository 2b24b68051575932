// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/name_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/dns_match_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

absl::Status CheckAnswer(absl::string_view name, absl::string_view canonical,
                         absl::Duration ttl) {
  if (!IsDnsName(canonical)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a DNS name, at most 253 of A-Z, a-z, 0-9, '-' and '_' in "
        "labels of 1 to 63 with '.' between them, found ",
        internal::QuotedName(name)));
  }
  if (ttl < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "name ", internal::QuotedName(name),
        ": expected a TTL of at least 0, found ", absl::FormatDuration(ttl)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NameCache::Learn(absl::string_view name,
                              absl::Span<const IpAddress> addresses,
                              absl::Duration ttl, absl::Time now) {
  const std::string canonical = CanonicalDnsName(name);
  if (absl::Status valid = CheckAnswer(name, canonical, ttl); !valid.ok()) {
    return valid;
  }
  const absl::Time expiry =
      now + std::max(std::min(ttl, options_.max_ttl), options_.min_ttl);
  std::vector<IpAddress> answer(addresses.begin(), addresses.end());
  SortUnique(answer);
  const std::vector<IpAddress> others = Extend(canonical, answer, expiry);
  Displace(canonical, answer, others.size());
  const size_t room = RoomFor(canonical);
  const size_t added = std::min(others.size(), room);
  for (size_t i = 0; i < added; ++i) Add(canonical, others[i], expiry);
  if (added == others.size()) return absl::OkStatus();
  losses_.refused += others.size() - added;
  return absl::ResourceExhaustedError(
      absl::StrCat("name ", internal::QuotedName(name), ": expected room for ",
                   others.size(), " more addresses, found it for ", room,
                   ", of at most ", options_.max_addresses_per_name,
                   " of a name and ", options_.max_addresses, " of all"));
}

std::vector<IpAddress> NameCache::Extend(absl::string_view name,
                                         absl::Span<const IpAddress> answer,
                                         absl::Time expiry) {
  const auto known = names_.find(name);
  if (known == names_.end()) return {answer.begin(), answer.end()};
  auto& [expiries, by_expiry] = known->second;
  std::vector<IpAddress> others;
  for (const IpAddress& address : answer) {
    const auto entry = expiries.find(address);
    if (entry == expiries.end()) {
      others.push_back(address);
      continue;
    }
    if (expiry <= entry->second) continue;
    const Key key = {known->first, address};
    Unschedule(key, entry->second);
    expiring_.emplace(expiry, key);
    by_expiry.erase({entry->second, address});
    by_expiry.emplace(expiry, address);
    entry->second = expiry;
  }
  return others;
}

void NameCache::Displace(absl::string_view name,
                         absl::Span<const IpAddress> answer, size_t more) {
  const auto known = names_.find(name);
  if (known == names_.end()) return;
  const Addresses& addresses = known->second;
  const size_t wanted = addresses.expiries.size() + more;
  if (wanted <= options_.max_addresses_per_name) return;
  const size_t excess = wanted - options_.max_addresses_per_name;
  std::vector<std::pair<absl::Time, IpAddress>> displaced;
  for (const auto& entry : addresses.by_expiry) {
    if (displaced.size() == excess) break;
    if (!std::binary_search(answer.begin(), answer.end(), entry.second)) {
      displaced.push_back(entry);
    }
  }
  for (const auto& [expiry, address] : displaced) {
    const Key key = {known->first, address};
    Unschedule(key, expiry);
    Forget(key);
  }
  losses_.displaced += displaced.size();
}

size_t NameCache::RoomFor(absl::string_view name) const {
  const auto known = names_.find(name);
  const size_t of_name =
      known == names_.end() ? 0 : known->second.expiries.size();
  return std::min(options_.max_addresses_per_name - of_name,
                  options_.max_addresses - size());
}

void NameCache::Add(absl::string_view name, const IpAddress& address,
                    absl::Time expiry) {
  auto known = names_.find(name);
  if (known == names_.end())
    known = names_.try_emplace(std::string(name)).first;
  known->second.expiries.emplace(address, expiry);
  known->second.by_expiry.emplace(expiry, address);
  const Key key = {known->first, address};
  expiring_.emplace(expiry, key);
  names_of_[address].insert(key.name);
  NoteChange(key, true);
}

void NameCache::Expire(absl::Time now, IsInUse is_in_use) {
  while (!expiring_.empty() && NextExpiry() <= now) {
    held_.emplace(expiring_.begin()->second, absl::InfinitePast());
    expiring_.erase(expiring_.begin());
  }
  for (auto held = held_.begin(); held != held_.end();) {
    const Key key = held->first;
    if (is_in_use(key.address)) {
      held->second = now + options_.grace;
    } else if (held->second <= now) {
      held = held_.erase(held);
      Forget(key);
      continue;
    }
    ++held;
  }
}

void NameCache::Unschedule(const Key& key, absl::Time expiry) {
  if (expiring_.erase({expiry, key}) == 0) held_.erase(key);
}

void NameCache::Forget(const Key& key) {
  NoteChange(key, false);
  const auto names = names_of_.find(key.address);
  names->second.erase(key.name);
  if (names->second.empty()) names_of_.erase(names);
  const auto known = names_.find(key.name);
  auto& [expiries, by_expiry] = known->second;
  const auto entry = expiries.find(key.address);
  by_expiry.erase({entry->second, key.address});
  expiries.erase(entry);
  // Last, for it may be what `key.name` is a view of.
  if (expiries.empty()) names_.erase(known);
}

void NameCache::NoteChange(const Key& key, bool is_there) {
  const auto [change, is_first] =
      changes_.try_emplace({std::string(key.name), key.address}, is_there);
  if (!is_first) changes_.erase(change);  // as it was
}

absl::Time NameCache::NextExpiry() const {
  return expiring_.empty() ? absl::InfiniteFuture() : expiring_.begin()->first;
}

NameChanges NameCache::TakeChanges() {
  NameChanges taken;
  for (const auto& [entry, is_there] : changes_) {
    (is_there ? taken.come : taken.gone).push_back(entry);
  }
  changes_.clear();
  return taken;
}

std::vector<ResolvedName> NameCache::names() const {
  std::vector<ResolvedName> names;
  names.reserve(names_.size());
  for (const auto& [name, addresses] : names_) {
    ResolvedName& resolved = names.emplace_back();
    resolved.name = name;
    for (const auto& [address, _] : addresses.expiries) {
      resolved.addresses.push_back(address);
    }
  }
  return names;
}

std::vector<IpAddress> NameCache::AddressesOf(absl::string_view name) const {
  std::vector<IpAddress> addresses;
  const auto known = names_.find(CanonicalDnsName(name));
  if (known == names_.end()) return addresses;
  for (const auto& [address, _] : known->second.expiries) {
    addresses.push_back(address);
  }
  return addresses;
}

std::vector<std::string> NameCache::NamesOf(const IpAddress& address) const {
  const auto names = names_of_.find(address);
  if (names == names_of_.end()) return {};
  return {names->second.begin(), names->second.end()};
}

}  // namespace ciliumcore
