// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/reserved.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

constexpr absl::string_view kNames[] = {
    "unknown", "host",       "world",       "unmanaged",
    "health",  "init",       "remote-node", "kube-apiserver",
    "ingress", "world-ipv4", "world-ipv6",
};

}  // namespace

std::string IdentityName(Identity identity) {
  const auto number = static_cast<uint32_t>(identity);
  if (number < std::size(kNames)) return std::string(kNames[number]);
  return absl::StrCat(number);
}

std::optional<Identity> ReservedIdentity(absl::string_view name) {
  for (uint32_t number = 1; number < std::size(kNames); ++number) {
    if (kNames[number] == name) return static_cast<Identity>(number);
  }
  return std::nullopt;
}

Labels ReservedLabels(Identity identity) {
  const auto number = static_cast<uint32_t>(identity);
  Labels labels;
  if (number == 0 || number >= std::size(kNames)) return labels;
  const auto add = [&](Identity one) {
    labels.Set({.source = std::string(kSourceReserved),
                .key = IdentityName(one),
                .value = ""});
  };
  add(identity);
  if (identity == Identity::kKubeApiserver) add(Identity::kRemoteNode);
  return labels;
}

std::optional<Identity> ReservedIdentityOf(const Labels& labels) {
  if (labels.empty() || labels.begin()->source != kSourceReserved) {
    return std::nullopt;
  }
  const Label& first = *labels.begin();
  const std::optional<Identity> identity = ReservedIdentity(first.key);
  if (!identity.has_value() || !first.value.empty()) return std::nullopt;
  if (labels.size() == 1 || labels == ReservedLabels(*identity)) {
    return identity;
  }
  return std::nullopt;
}

}  // namespace ciliumcore
