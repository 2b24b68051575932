// SPDX-License-Identifier: Apache-2.0

// Policies of every dialect, judged one flow at a time, straight from the text
// of their APIs. It shares nothing with the compiler but the values both are
// given, and is to be read against what the files of the dialects
// (oracle_network_policy.cc, oracle_cilium.cc, oracle_cluster_policy.cc) name,
// and the decisions that ciliumcore/policy/compiler.h begins with.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_H_

#include <cstdint>
#include <optional>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"
#include "tests/oracle/oracle_census.h"

namespace ciliumcore::testing {

// What one side of a flow says of it.
struct Judgement {
  bool allowed = true;  // on to the other side, be it through a proxy
  Verdict verdict = Verdict::kAllow;
  std::optional<RuleSet> why;  // none: that side is no subject
  uint16_t proxy_port = 0;     // where a redirect leads, else 0
};

struct Question;

// Answers from `input`, which must outlive it. Thread-compatible. To make one
// costs as much as a few answers.
class Oracle {
 public:
  explicit Oracle(const PolicyInput& input) : census_(input) {}

  const PolicyInput& input() const { return census_.input(); }

  // Whoever has this address.
  FlowEnd EndOf(const IpAddress& address) const {
    return census_.EndOf(address);
  }

  // How the source's policies judge a packet that begins a flow, and how the
  // destination's do. `port` is the destination's, the type << 8 | code of
  // ICMP, and 0 where there is none.
  Judgement Egress(const FlowEnd& source, const FlowEnd& destination,
                   Protocol protocol, uint16_t port) const;
  Judgement Ingress(const FlowEnd& source, const FlowEnd& destination,
                    Protocol protocol, uint16_t port) const;

 private:
  Judgement Judge(const Question& question) const;

  Census census_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_H_
