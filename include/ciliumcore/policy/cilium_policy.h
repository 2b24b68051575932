// SPDX-License-Identifier: Apache-2.0

// Cilium's policies (cilium.io/v2) as values: CiliumNetworkPolicy,
// CiliumClusterwideNetworkPolicy and CiliumCIDRGroup. Fields are those of
// Cilium 1.20, and say what the manifest says.
// https://docs.cilium.io/en/stable/security/policy/

#ifndef CILIUMCORE_POLICY_CILIUM_POLICY_H_
#define CILIUMCORE_POLICY_CILIUM_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/cilium_port_rule.h"

namespace ciliumcore {

// Peers that have a name instead of labels.
enum class CiliumEntity : uint8_t {
  kAll,
  kWorld,  // both of the next two
  kWorldIpv4,
  kWorldIpv6,
  kCluster,  // all of this cluster, managed or not; its API server
  kHost,     // the subject's own node
  kRemoteNode,
  kKubeApiServer,
  kIngress,
  kInit,
  kHealth,
  kUnmanaged,
  kNone,  // never anybody
};

// As manifests write it: "remote-node".
absl::string_view CiliumEntityName(CiliumEntity entity);

// Addresses outside the cluster: exactly one of a prefix, the name of a
// CiliumCIDRGroup, and a selector of groups; less the exceptions.
struct CiliumCidrRule {
  std::optional<IpPrefix> cidr = {};
  std::string group = {};
  // Selects by CidrGroup::labels.
  std::optional<LabelSelector> group_selector = {};
  std::vector<IpPrefix> except = {};  // of a prefix: inside it

  friend bool operator==(const CiliumCidrRule&,
                         const CiliumCidrRule&) = default;
};

// Services, standing for the peers behind them: either by name, or those that
// the selector selects by the labels of the Service, whatever their source.
struct CiliumServiceRef {
  std::string ns = {};  // empty: of any namespace
  std::string name = {};
  std::optional<LabelSelector> selector = {};

  friend bool operator==(const CiliumServiceRef&,
                         const CiliumServiceRef&) = default;
};

// Addresses of AWS network interfaces that all of it selects. Who they are,
// only AWS knows.
struct CiliumAwsGroup {
  std::vector<std::pair<std::string, std::string>> labels = {};
  std::vector<std::string> security_group_ids = {};  // any of them
  std::vector<std::string> security_group_names = {};
  std::string region = {};

  friend bool operator==(const CiliumAwsGroup&,
                         const CiliumAwsGroup&) = default;
};

// The peers of a rule: all that any of the lists names. At most one list has
// elements; if none has, nobody is meant.
struct CiliumPeers {
  // Of pods, and of whatever else has labels. The keys are as written: "app",
  // "any:app", "k8s:app", "reserved:host". Not added is what Cilium adds to a
  // selector without a "reserved:" key: the policy's own namespace if no key
  // names a namespace or its labels; in a clusterwide policy, that the peer has
  // a namespace.
  std::vector<LabelSelector> endpoints = {};
  std::vector<LabelSelector> nodes = {};  // of remote nodes, by node labels
  std::vector<CiliumEntity> entities = {};
  std::vector<CiliumCidrRule> cidrs = {};
  std::vector<CiliumServiceRef> services = {};  // egress only
  std::vector<DnsMatch> fqdns = {};             // allowed egress only
  std::vector<CiliumAwsGroup> groups = {};

  friend bool operator==(const CiliumPeers&, const CiliumPeers&) = default;
};

// An ICMP type, with any code.
struct CiliumIcmp {
  bool is_v6 = false;
  uint8_t type = 0;

  friend bool operator==(const CiliumIcmp&, const CiliumIcmp&) = default;
};

enum class CiliumAuthentication : uint8_t {
  kDisabled,
  kRequired,    // mutual, before the first packet
  kAlwaysFail,  // of tests
};

// Allows or denies what goes between the subject and the peers:
//
// - with neither `ports` nor `icmps`, everything of every protocol;
// - with them, only what they name; then a rule without peers means all.
//
// A rule that has none of the three means nothing at all, but is there: it
// makes the default a denial like any other.
struct CiliumRule {
  std::optional<CiliumPeers> peers = {};
  std::vector<CiliumPortRule> ports = {};
  std::vector<CiliumIcmp> icmps = {};  // only without `ports`
  std::optional<CiliumAuthentication> authentication = {};  // of no denial

  friend bool operator==(const CiliumRule&, const CiliumRule&) = default;
};

// One specification. Denials prevail over what any policy allows.
struct CiliumSpec {
  // The subjects: exactly one of both. As written: in a CiliumNetworkPolicy,
  // `endpoint_selector` means pods of the policy's namespace even if it says
  // otherwise. `node_selector` is for clusterwide policies, and means the host
  // of each node that has such labels.
  std::optional<LabelSelector> endpoint_selector = {};
  std::optional<LabelSelector> node_selector = {};
  std::vector<CiliumRule> ingress = {};
  std::vector<CiliumRule> ingress_deny = {};
  std::vector<CiliumRule> egress = {};
  std::vector<CiliumRule> egress_deny = {};
  // Whether the subjects' other traffic is denied; none: if the direction has a
  // rule of either kind.
  std::optional<bool> default_deny_ingress = {};
  std::optional<bool> default_deny_egress = {};
  std::string description = {};
  std::vector<Label> labels = {};  // of the rule, in the manifest's order
  std::string log_value = {};      // for flow logs

  // The above with its default.
  bool denies_ingress_by_default() const {
    return default_deny_ingress.value_or(!ingress.empty() ||
                                         !ingress_deny.empty());
  }
  bool denies_egress_by_default() const {
    return default_deny_egress.value_or(!egress.empty() ||
                                        !egress_deny.empty());
  }

  friend bool operator==(const CiliumSpec&, const CiliumSpec&) = default;
};

struct CiliumPolicy {
  std::string ns = {};  // empty: clusterwide
  std::string name = {};
  std::vector<CiliumSpec> specs = {};  // `spec`, then `specs`

  bool is_clusterwide() const { return ns.empty(); }
  // "CiliumNetworkPolicy" or "CiliumClusterwideNetworkPolicy".
  absl::string_view kind() const;
  // "CiliumNetworkPolicy shop/web", "CiliumClusterwideNetworkPolicy web".
  std::string ToString() const;

  friend bool operator==(const CiliumPolicy&, const CiliumPolicy&) = default;
};

// A CiliumCIDRGroup: addresses outside the cluster under one name.
struct CidrGroup {
  std::string name = {};
  Labels labels = {};  // of the source kSourceCidrGroup
  std::vector<IpPrefix> cidrs = {};

  friend bool operator==(const CidrGroup&, const CidrGroup&) = default;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_CILIUM_POLICY_H_
