// SPDX-License-Identifier: Apache-2.0

// A few pods and policies, written down briefly, and who may talk to whom.

#ifndef CILIUMCORE_TESTS_POLICY_POLICY_TOWN_H_
#define CILIUMCORE_TESTS_POLICY_POLICY_TOWN_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/policy/compiler.h"

namespace ciliumcore::testing {

using Pairs = std::initializer_list<std::pair<const char*, const char*>>;

LabelSelector Select(Pairs match_labels);
LabelSelector Expression(const std::string& key, LabelSelector::Operator op,
                         std::vector<std::string> values = {});

PeerRule Pods(const LabelSelector& pods);
PeerRule Namespaces(const LabelSelector& namespaces);
PeerRule PodsIn(const LabelSelector& namespaces, const LabelSelector& pods);
PeerRule Block(const std::string& cidr, std::vector<std::string> except = {});

PortRule On(const std::string& port_protocol);             // "80/TCP"
PortRule Every(Protocol protocol);                         // no port
PortRule OnRange(const std::string& first, uint16_t end);  // "80/TCP", 90
PortRule OnNamed(const std::string& name, Protocol protocol = Protocol::kTcp);

// Of namespace "town", selecting every pod there, for ingress.
NetworkPolicy Ingress(std::vector<NetworkPolicyRule> rules);
NetworkPolicy Egress(std::vector<NetworkPolicyRule> rules);

// Of the Deployment `owner`, which is its label "app" too.
Pod Replica(const std::string& owner, const std::string& name,
            const std::vector<std::string>& addresses = {},
            const std::string& ns = "town");

class Town {
 public:
  struct PodOptions {
    std::vector<std::string> addresses = {};
    std::vector<std::pair<std::string, std::string>> ports =
        {};  // "http", "80/TCP"
    bool host_network = false;
  };

  // Pods of equal namespace and labels share an identity, from 1000 up.
  void AddNamespace(const std::string& name, Pairs labels);
  void AddPod(const std::string& name, Pairs labels);  // "ns/name"
  void AddPod(const std::string& name, Pairs labels, const PodOptions& options);
  // Gives a policy without a name the next of "p0", "p1", ...
  void Add(NetworkPolicy policy);

  PolicyInput& input() { return input_; }
  PeerRegistry& peers() { return peers_; }
  RuleSetTable& rule_sets() { return rule_sets_; }
  uint32_t Endpoint(const std::string& pod) const { return pods_.at(pod); }

  // Compiles what was added since; fails the test on an error.
  const CompiledPolicy& Compiled();

  // `from` and `to` are "ns/name" or an address; "8080/TCP".
  PairDecision Decide(const std::string& from, const std::string& to,
                      const std::string& port);
  bool Allows(const std::string& from, const std::string& to,
              const std::string& port = "80/TCP") {
    return Decide(from, to, port).allowed();
  }
  // What explains the judgement at `pod`.
  std::string Why(const Cell& cell);

 private:
  Party PartyOf(const std::string& name);

  PolicyInput input_;
  std::map<std::string, uint32_t> pods_;
  std::map<std::string, uint32_t> identities_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
  CompiledPolicy compiled_;
  bool stale_ = true;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_POLICY_POLICY_TOWN_H_
