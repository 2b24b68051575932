// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/oracle/random_dialects.h"

namespace ciliumcore::testing {
namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

Operator AnyOperator(RandomSource& random) {
  return random.OneOf<Operator>({Operator::kIn, Operator::kNotIn,
                                 Operator::kExists, Operator::kDoesNotExist});
}

// A term on `key`, which has these values.
void AddTerm(RandomSource& random, const std::string& key,
             const std::vector<std::string>& values, LabelSelector& selector) {
  if (random.Chance(50)) {
    selector.match_labels.emplace_back(key, random.OneOf(values));
    return;
  }
  Requirement term = {key, AnyOperator(random), {}};
  if (term.op == Operator::kIn || term.op == Operator::kNotIn) {
    term.values.push_back(random.OneOf(values));
    if (random.Chance(30)) term.values.push_back(random.OneOf(values));
  }
  selector.match_expressions.push_back(std::move(term));
}

std::string Source(RandomSource& random) {
  return random.OneOf<std::string>({"", "", "k8s:", "any:"});
}

// With all kinds of keys: of sources, namespaces, their labels and of what has
// a reserved identity.
LabelSelector EndpointSelector(RandomSource& random) {
  LabelSelector selector = random.Selector(false);
  for (auto& [key, value] : selector.match_labels) {
    if (random.Chance(30)) key = Source(random) + key;
  }
  for (Requirement& term : selector.match_expressions) {
    if (random.Chance(30)) term.key = Source(random) + term.key;
  }
  if (random.Chance(25)) {
    AddTerm(random, Source(random) + "io.kubernetes.pod.namespace",
            Namespaces(), selector);
  }
  if (random.Chance(10)) {
    AddTerm(random, Source(random) + "io.cilium.k8s.namespace.labels.team",
            {"one", "two"}, selector);
  }
  if (random.Chance(5)) {
    AddTerm(random,
            Source(random) +
                "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
            Namespaces(), selector);
  }
  if (random.Chance(12)) {
    if (random.Chance(60)) selector = {};
    AddTerm(random,
            "reserved:" + random.OneOf<std::string>(
                              {"host", "world", "remote-node", "kube-apiserver",
                               "init", "health", "unmanaged", "ingress"}),
            {""}, selector);
  }
  return selector;
}

CiliumCidrRule Cidr(RandomSource& random) {
  CiliumCidrRule rule;
  switch (random.Below(6)) {
    case 0:
      rule.group = random.OneOf<std::string>({"partners", "office", "missing"});
      break;
    case 1:
      rule.group_selector.emplace();
      if (random.Chance(80)) {
        AddTerm(random, random.OneOf<std::string>({"trust", "cidrgroup:trust"}),
                {"high", "low"}, *rule.group_selector);
      }
      break;
    default:
      rule.cidr = random.Prefix(random.Address());
      rule.except = random.Exceptions(*rule.cidr);
      return rule;
  }
  if (random.Chance(40)) {
    rule.except.push_back(random.Prefix(random.Address()));
  }
  return rule;
}

CiliumServiceRef ServiceRef(RandomSource& random) {
  CiliumServiceRef ref;
  if (random.Chance(70)) ref.ns = random.OneOf(Namespaces());
  if (random.Chance(60)) {
    ref.name = random.OneOf<std::string>({"s0", "s1", "s2", "s3"});
  } else {
    AddTerm(random, "tier", {"front", "back"}, ref.selector.emplace());
  }
  return ref;
}

DnsMatch Dns(RandomSource& random) {
  if (random.Chance(40)) {
    return {.name = random.OneOf<std::string>(
                {"example.com", "Api.Example.com.", "a.b.example.com"})};
  }
  return {.pattern = random.OneOf<std::string>(
              {"*", "*.example.com", "**.example.com", "a*.example.com",
               "*.*.example.com", "*.Org.", "**.com", "**.", "***.com",
               "a**.example.com"})};
}

CiliumEntity Entity(RandomSource& random) {
  return static_cast<CiliumEntity>(
      random.Below(static_cast<uint32_t>(CiliumEntity::kNone) + 1));
}

// One of the lists, with elements; or nobody.
CiliumPeers Peers(RandomSource& random, Direction direction, bool is_denial) {
  CiliumPeers peers;
  const uint32_t kind = random.Below(100);
  for (uint32_t i = random.OneOf<uint32_t>({1, 1, 1, 2, 3}); i > 0; --i) {
    if (kind < 36) {
      peers.endpoints.push_back(EndpointSelector(random));
    } else if (kind < 56) {
      peers.entities.push_back(Entity(random));
    } else if (kind < 78) {
      peers.cidrs.push_back(Cidr(random));
    } else if (kind < 84) {
      peers.nodes.push_back(RandomNodeSelector(random));
    } else if (kind < 86) {
      peers.groups.push_back({.region = "eu"});
    } else if (kind < 92 && direction == Direction::kEgress) {
      peers.services.push_back(ServiceRef(random));
    } else if (kind < 98 && direction == Direction::kEgress && !is_denial) {
      peers.fqdns.push_back(Dns(random));
    }
  }
  return peers;
}

CiliumPortRule PortsOf(RandomSource& random, bool is_denial) {
  CiliumPortRule rule;
  for (uint32_t i = random.OneOf<uint32_t>({0, 1, 1, 1, 1, 2, 3}); i > 0; --i) {
    PortRule port = random.Port();
    if (random.Chance(30)) port.protocol = Protocol::kAny;
    if (random.Chance(4)) port = {static_cast<Protocol>(47), {}, {}, ""};
    rule.ports.push_back(port);
  }
  if (is_denial || !random.Chance(30)) return rule;
  // Of one protocol, always for the same proxy: rules must not ask for two.
  const bool is_tcp = random.Chance(60);
  for (PortRule& port : rule.ports) {
    port.protocol = is_tcp ? Protocol::kTcp : Protocol::kUdp;
  }
  if (is_tcp) {
    rule.http.push_back({.path = "/public/.*"});
  } else {
    rule.dns.push_back({.pattern = "*.example.com"});
  }
  return rule;
}

CiliumRule Rule(RandomSource& random, Direction direction, bool is_denial) {
  CiliumRule rule;
  if (random.Chance(80)) rule.peers = Peers(random, direction, is_denial);
  if (random.Chance(55)) {
    for (uint32_t i = random.OneOf<uint32_t>({1, 1, 2}); i > 0; --i) {
      rule.ports.push_back(PortsOf(random, is_denial));
    }
  } else if (random.Chance(25)) {
    for (uint32_t i = 1 + random.Below(2); i > 0; --i) {
      rule.icmps.push_back(
          {random.Chance(40), random.OneOf<uint8_t>({0, 3, 8, 128, 255})});
    }
  }
  if (!is_denial && random.Chance(20)) {
    rule.authentication = random.OneOf<CiliumAuthentication>(
        {CiliumAuthentication::kDisabled, CiliumAuthentication::kRequired,
         CiliumAuthentication::kAlwaysFail});
  }
  return rule;
}

std::vector<CiliumRule> Rules(RandomSource& random, Direction direction,
                              bool is_denial) {
  std::vector<CiliumRule> rules;
  if (!random.Chance(is_denial ? 30 : 65)) return rules;
  for (uint32_t i = 1 + random.Below(is_denial ? 2 : 3); i > 0; --i) {
    rules.push_back(Rule(random, direction, is_denial));
  }
  return rules;
}

CiliumSpec Spec(RandomSource& random) {
  CiliumSpec spec;
  if (random.Chance(70)) {
    spec.endpoint_selector = random.Selector(false);
  } else {
    spec.endpoint_selector = EndpointSelector(random);
  }
  spec.ingress = Rules(random, Direction::kIngress, false);
  spec.ingress_deny = Rules(random, Direction::kIngress, true);
  spec.egress = Rules(random, Direction::kEgress, false);
  spec.egress_deny = Rules(random, Direction::kEgress, true);
  if (random.Chance(30)) spec.default_deny_ingress = random.Chance(30);
  if (random.Chance(30)) spec.default_deny_egress = random.Chance(30);
  return spec;
}

}  // namespace

CiliumPolicy RandomCiliumPolicy(RandomSource& random, const std::string& ns,
                                const std::string& name) {
  CiliumPolicy policy = {.ns = ns, .name = name};
  for (uint32_t i = random.OneOf<uint32_t>({1, 1, 1, 2, 2, 3}); i > 0; --i) {
    policy.specs.push_back(Spec(random));
  }
  return policy;
}

}  // namespace ciliumcore::testing
