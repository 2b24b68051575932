// SPDX-License-Identifier: Apache-2.0

// DNS names, and which of them the patterns of policies mean.

#ifndef CILIUMCORE_LIB_POLICY_DNS_MATCH_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_DNS_MATCH_INTERNAL_H_

#include <string>

#include "absl/strings/string_view.h"
#include "ciliumcore/policy/cilium_port_rule.h"

namespace ciliumcore {

// Whether names may have it in labels: a letter, a digit, '-' or '_'.
bool IsInDnsLabel(char c);

// 1 to 253 of these in labels of 1 to 63 with '.' between them.
bool IsDnsName(absl::string_view name);

// `name` as names are compared: in lower case, without the final '.'.
std::string CanonicalDnsName(absl::string_view name);

// Whether `match` means `name`, in either case of letters and with or without a
// last '.'. One without name and pattern means none. O(size of both).
bool Matches(const DnsMatch& match, absl::string_view name);

// The same of a domain name of a ClusterPolicy: "*.x" means one label or more
// before ".x".
bool MatchesDomain(absl::string_view pattern, absl::string_view name);

// Which names a rule means, as text of which no two that differ have the same.
std::string NameSelectorOf(const DnsMatch& match);
std::string NameSelectorOfDomain(absl::string_view pattern);

// Whether the selector means `name`.
bool Selects(absl::string_view selector, absl::string_view name);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_DNS_MATCH_INTERNAL_H_
