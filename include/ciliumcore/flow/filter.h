// SPDX-License-Identifier: Apache-2.0

// FlowFilter: which flows somebody wants to see.

#ifndef CILIUMCORE_FLOW_FILTER_H_
#define CILIUMCORE_FLOW_FILTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/identity/selector.h"

namespace ciliumcore {

// All of its fields must hold; without fields everything passes. A value.
//
// A field is written name=value, or name!=value for the opposite. It holds if
// one of its values does: those of one term, separated by commas, and those of
// all terms of that name. Blanks separate terms; a value in quotes may have
// some
// ('label="app in (web, api)"' is one selector, commas and all).
//
//   pod        shop/web-0, shop/web-* or web-0, of any namespace
//   namespace  shop
//   label      a selector as kubectl has it: app=web,tier!=front
//   identity   4711 or a reserved name: world
//   ip         10.0.0.1 or 10.0.0.0/8
//   port       443
//   protocol   tcp
//   verdict    forwarded, dropped, audited
//   kind       new, drop, end, verdict
//   reason     of a drop, by number or name: policy-denied
//   rule       a policy that decided, shop/allow-web, or the sentence on a rule
//   direction  egress, ingress: which side decided
//   reply      true, false
//   service    shop/cart or shop/cart:http
//
// pod, namespace, label, identity, ip and port are of either end; with "from-"
// or "to-" in front, of the packet's source or destination. sport and dport are
// from-port and to-port.
class FlowFilter {
 public:
  FlowFilter() = default;

  // Reads terms. InvalidArgument names the one that is wrong.
  static absl::StatusOr<FlowFilter> Parse(absl::string_view text);

  // Adds a term, as "pod" and "shop/web-0". InvalidArgument as Parse.
  absl::Status Add(absl::string_view name, absl::string_view value,
                   bool is_negated = false);

  // Without allocation. O(values), and the length of the rules' text.
  bool Matches(const Flow& flow) const;

  bool empty() const { return terms_.empty(); }

  // Terms that Parse reads.
  std::string ToString() const;

 private:
  enum class Field : uint8_t;
  enum class Side : uint8_t;
  struct Value {
    std::string text;
    uint32_t number = 0;
    IpPrefix prefix;
    LabelSelector selector;
  };
  struct Term {
    Field field;
    Side side;
    bool is_negated = false;
    std::vector<Value> values;
  };

  static absl::StatusOr<Term> ReadName(absl::string_view name);
  static absl::StatusOr<Value> ReadValue(Field field, absl::string_view text);
  static bool EndMatches(const Term& term, const Value& value,
                         const FlowEnd& end);
  static bool FlowMatches(const Term& term, const Value& value,
                          const Flow& flow);

  std::vector<Term> terms_;
};

// True if one of the filters passes the flow, or if there are none.
bool MatchesAny(absl::Span<const FlowFilter> filters, const Flow& flow);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_FILTER_H_
