// SPDX-License-Identifier: Apache-2.0

// NetworkPolicy, judged one flow at a time, straight from the text of its API.
// It shares nothing with the compiler but the values both are given, and is to
// be read against
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
// and the decisions that ciliumcore/policy/compiler.h begins with.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_H_

#include <cstdint>
#include <optional>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/rule_set.h"

namespace ciliumcore::testing {

// One end of a flow: a pod, by its index among the endpoints and the address
// that the packet bears (a pod may have none), or just an address.
struct FlowEnd {
  uint32_t endpoint = kNoEndpoint;
  std::optional<IpAddress> address;
};

// What one side of a flow says of it.
struct Judgement {
  bool allowed = true;
  std::optional<RuleSet> why;  // none: that side is no subject
};

// Answers from `input`, which must outlive it. Thread-compatible.
class Oracle {
 public:
  explicit Oracle(const PolicyInput& input) : input_(input) {}

  // Whoever has this address.
  FlowEnd EndOf(const IpAddress& address) const;

  // How the source's policies judge a packet that begins a flow, and how the
  // destination's do. `port` is the destination's; 0 where there is none.
  Judgement Egress(const FlowEnd& source, const FlowEnd& destination,
                   Protocol protocol, uint16_t port) const;
  Judgement Ingress(const FlowEnd& source, const FlowEnd& destination,
                    Protocol protocol, uint16_t port) const;

 private:
  // The pod at this end if policies apply to it, else null.
  const PolicyEndpoint* PodAt(const FlowEnd& end) const;
  bool IsHost(const FlowEnd& end) const;
  bool IsSelectedBy(const PolicyEndpoint& pod,
                    const NetworkPolicy& policy) const;
  Judgement Judge(Direction direction, const FlowEnd& subject,
                  const FlowEnd& peer, const FlowEnd& destination,
                  Protocol protocol, uint16_t port) const;
  bool Allows(const NetworkPolicyRule& rule, const NetworkPolicy& policy,
              const FlowEnd& peer, const FlowEnd& destination,
              Protocol protocol, uint16_t port) const;
  bool CoversPeer(const PeerRule& rule, const NetworkPolicy& policy,
                  const FlowEnd& peer) const;
  bool CoversPort(const PortRule& rule, const FlowEnd& destination,
                  Protocol protocol, uint16_t port) const;
  bool NamespaceMatches(const LabelSelector& selector,
                        const std::string& name) const;

  const PolicyInput& input_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_H_
