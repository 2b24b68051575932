// SPDX-License-Identifier: Apache-2.0

// What all dialects are made of: selectors, prefixes, ports and DNS names.
// Nothing here is the library's; all of it is written to be seen to be right.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_MATCHING_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_MATCHING_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/cilium_port_rule.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore::testing {

// A key of a selector: "app" and "any:app" ask every source, "k8s:app" one.
struct SelectorKey {
  explicit SelectorKey(const std::string& written);

  bool Means(const Label& label) const {
    return label.key == key && (source.empty() || label.source == source);
  }

  std::string source;  // empty: any
  std::string key;
};

// Whether one term of a selector holds of the labels.
template <typename List>
bool Holds(const LabelSelector::Requirement& term, const List& labels) {
  const SelectorKey key(term.key);
  const bool has_key =
      std::any_of(labels.begin(), labels.end(),
                  [&](const Label& label) { return key.Means(label); });
  const bool has_value =
      std::any_of(labels.begin(), labels.end(), [&](const Label& label) {
        return key.Means(label) &&
               std::count(term.values.begin(), term.values.end(), label.value) >
                   0;
      });
  switch (term.op) {
    case LabelSelector::Operator::kIn:
      return has_value;
    case LabelSelector::Operator::kNotIn:
      return !has_value;
    case LabelSelector::Operator::kExists:
      return has_key;
    case LabelSelector::Operator::kDoesNotExist:
      return !has_key;
  }
  return false;
}

// "An empty label selector matches all objects"; otherwise all terms must hold.
template <typename List>
bool Selects(const LabelSelector& selector, const List& labels) {
  for (const auto& [key, value] : selector.match_labels) {
    if (!Holds({key, LabelSelector::Operator::kIn, {value}}, labels)) {
      return false;
    }
  }
  for (const LabelSelector::Requirement& term : selector.match_expressions) {
    if (!Holds(term, labels)) return false;
  }
  return true;
}

bool IsInside(const IpAddress& address, const IpPrefix& prefix);
bool IsInsideAny(const std::optional<IpAddress>& address,
                 const std::vector<IpPrefix>& prefixes);

// Whether `port` is the number, or in the range.
bool IsInRange(uint16_t port, uint16_t first, std::optional<uint16_t> last);
// Whether `pod`, which may be null, calls the port of the protocol so.
bool Calls(const PolicyEndpoint* pod, const std::string& name,
           Protocol protocol, uint16_t port);

// Whether a name in lower case without final dot is meant.
bool Means(const DnsMatch& match, const std::string& name);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_MATCHING_H_
