// SPDX-License-Identifier: Apache-2.0

// Readers of the parts of Cilium's policies. Fields and what may be in them are
// those of Cilium 1.20, and stricter where it takes for everything or nothing
// what looks like something else.

#ifndef CILIUMCORE_LIB_POLICY_MANIFEST_CILIUM_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MANIFEST_CILIUM_INTERNAL_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "lib/policy/manifest_field_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {

// Where a rule stands.
struct CiliumSection {
  bool is_ingress = true;
  bool is_denial = false;
  bool is_clusterwide = false;
  bool is_of_nodes = false;  // the subjects have a node selector
};

// The names of the fields with a rule's peers.
std::vector<absl::string_view> CiliumPeerFields(const CiliumSection& section);
// None: the rule has none of these fields.
std::optional<CiliumPeers> ReadCiliumPeers(const Field& rule,
                                           const CiliumSection& section);
std::vector<CiliumPortRule> ReadCiliumPortRules(const Field& rules,
                                                const CiliumSection& section);
std::vector<CiliumIcmp> ReadCiliumIcmps(const Field& icmps);

// Of one port rule, into `rule`, which has its ports already.
void ReadCiliumL7Rules(const Field& rules, const CiliumSection& section,
                       CiliumPortRule& rule);
// Both names or patterns of DNS.
DnsMatch ReadDnsMatch(const Field& match);
// At most 255 of letters, digits, '-', '_' and single '.', not the first; with
// '*' too if it is a pattern.
bool IsDnsMatch(absl::string_view text, bool is_pattern);
SecretRef ReadSecretRef(const Field& secret);

// The elements of a list. A problem, for which `what` is expected, if it is
// there and empty, which Cilium takes for everything.
std::vector<Field> ReadUnlessEmpty(const Field& list, absl::string_view what);
// The elements of a list that has to be there, at most so many `items`. A
// problem, for which `what` is expected, if there are none.
std::vector<Field> ReadNeeded(const Field& list, size_t most,
                              absl::string_view items, absl::string_view what);

// Adds the problem if the field is there.
void Refuse(const Field& field, absl::string_view what);
// A string that is not empty, or a problem; empty then.
std::string ReadRequired(const Field& field, absl::string_view what);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_MANIFEST_CILIUM_INTERNAL_H_
