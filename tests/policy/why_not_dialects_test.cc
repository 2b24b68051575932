// SPDX-License-Identifier: Apache-2.0

// Why-not where other policies than NetworkPolicies decide.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/why_not.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/manifest_text.h"
#include "tests/policy/two_pods_text.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Tier = DeniedSide::Tier;

constexpr char kDenyEverybody[] = "{action: Deny, from: [{namespaces: {}}]}";

// web -> db, to port 81 of TCP, unless said otherwise.
class Question {
 public:
  explicit Question(const std::string& policies,
                    const std::string& destination = "town/db",
                    const std::string& port = "81/TCP")
      : cluster_(*CompileCluster(Load(absl::StrCat(kTwoPods, policies)))),
        source_(FindNamedEnds(cluster_, "town/web")->front()),
        destination_(FindNamedEnds(cluster_, destination)->front()),
        port_(*PortProtocol::Parse(port)) {}

  WhyNot Explain() const {
    return *ExplainDenial(cluster_, source_, destination_, port_);
  }
  // The only side that denies.
  DeniedSide Denied() const {
    const WhyNot why = Explain();
    EXPECT_EQ(why.sides.size(), 1u);
    return why.sides.size() == 1 ? why.sides.front() : DeniedSide();
  }
  absl::StatusOr<AllowingChange> Change(
      const AllowingChangeLimits& limits = {}) const {
    return FindAllowingChange(cluster_, source_, destination_, port_, limits);
  }
  // Each edit of the change; it must allow.
  std::vector<std::string> Edits() const {
    const absl::StatusOr<AllowingChange> change = Change();
    EXPECT_TRUE(change.ok()) << change.status();
    std::vector<std::string> texts;
    if (!change.ok()) return texts;
    const CompiledCluster edited =
        *CompileCluster(*Apply(cluster_.cluster, change->edits));
    EXPECT_TRUE(ExplainDenial(
                    edited, FindNamedEnds(edited, "town/web")->front(),
                    FindNamedEnds(edited, destination_.Name())->front(), port_)
                    ->sides.empty());
    for (const PolicyEdit& edit : change->edits) {
      texts.push_back(edit.ToString());
    }
    return texts;
  }
  void ExpectNoChange(const std::string& because) const {
    const absl::Status status = Change().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(status.message()), HasSubstr(because));
  }

 private:
  const CompiledCluster cluster_;
  const NamedEnd source_;
  const NamedEnd destination_;
  const PortProtocol port_;
};

std::vector<std::string> Names(const std::vector<RuleRef>& rules) {
  std::vector<std::string> names;
  for (const RuleRef& rule : rules) names.push_back(rule.ToString());
  return names;
}

constexpr char kDenyWeb[] =
    "  ingressDeny:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n";

TEST(WhyNotDialectsTest, ADenialOfCiliumIsNamedAndNoRuleOverrulesIt) {
  // The NetworkPolicy lacks only a port, which would be one condition.
  const Question question(
      absl::StrCat(kDbFromWeb, CiliumOfDb("guard", kDenyWeb)));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.reason, RuleSet::Kind::kDenied);
  EXPECT_EQ(side.tier, Tier::kNormal);
  EXPECT_THAT(Names(side.denied_by),
              ElementsAre("CiliumNetworkPolicy town/guard ingressDeny[0]"));
  EXPECT_THAT(side.isolated_by, IsEmpty());
  EXPECT_THAT(side.rules, IsEmpty());
  question.ExpectNoChange(
      "ingress: denied by CiliumNetworkPolicy town/guard ingressDeny[0]");
}

TEST(WhyNotDialectsTest, ALabelMayEvadeADenial) {
  const Question question(
      CiliumOfDb("guard",
                 "  enableDefaultDeny: {ingress: false}\n  ingressDeny:\n"
                 "  - fromEndpoints: [{matchExpressions: [{key: "
                 "'k8s:cleared', operator: DoesNotExist}]}]\n"));
  EXPECT_EQ(question.Denied().reason, RuleSet::Kind::kDenied);
  EXPECT_THAT(question.Edits(),
              ElementsAre("add to the labels of the pods of town/web[Pod]: "
                          "\"cleared\": \"true\""));
}

constexpr char kAllowOthers[] =
    "  ingress:\n  - fromEndpoints: [{matchLabels: {app: web, may: 'yes'}}]\n";

TEST(WhyNotDialectsTest, WhatIsolatesAloneIsNoNetworkPolicyToEdit) {
  const Question question(
      CiliumOfDb("guard",
                 "  ingress:\n  - fromEndpoints: [{matchLabels: {app: api}}]"
                 "\n"));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.reason, RuleSet::Kind::kDefaultDeny);
  EXPECT_THAT(side.isolated_by,
              ElementsAre(PolicyRef{"CiliumNetworkPolicy", "town", "guard"}));
  EXPECT_THAT(side.rules, IsEmpty());
  EXPECT_THAT(side.denied_by, IsEmpty());
  question.ExpectNoChange(
      "isolated for ingress by CiliumNetworkPolicy town/guard");
}

TEST(WhyNotDialectsTest, ALabelThatARuleOfCiliumAsksForAllows) {
  EXPECT_THAT(Question(CiliumOfDb("guard", kAllowOthers)).Edits(),
              ElementsAre("add to the labels of the pods of town/web[Pod]: "
                          "\"may\": \"yes\""));
}

TEST(WhyNotDialectsTest, ALabelMayOpenTheWayToANode) {
  const Question question(R"(
---
apiVersion: v1
kind: Node
metadata: {name: edge, labels: {role: edge}}
status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec:
  endpointSelector: {matchLabels: {app: web, may: 'yes'}}
  egress: [{toNodes: [{matchLabels: {role: edge}}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: guard, namespace: town}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress: [{}]
)",
                          "192.0.2.9");
  EXPECT_THAT(question.Edits(),
              ElementsAre("add to the labels of the pods of town/web[Pod]: "
                          "\"may\": \"yes\""));
  // Every port of the one pair.
  const absl::StatusOr<AllowingChange> change = question.Change();
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->opened_beside.pairs, 0u);
  EXPECT_EQ(change->opened_beside.ports, 0xffffffu);
  EXPECT_EQ(change->diff.opened.pairs, 1u);
}

TEST(WhyNotDialectsTest, ALabelThatNobodyGivesAPodIsNotProposed) {
  for (const std::string key :
       {"io.kubernetes.pod.namespace", "io.cilium.k8s.policy.cluster",
        "io.cilium.k8s.policy.serviceaccount",
        "io.cilium.k8s.namespace.labels.team", "pod-template-hash",
        "statefulset.kubernetes.io/pod-name", "job-name"}) {
    SCOPED_TRACE(key);
    if (key != "io.cilium.k8s.namespace.labels.team") {
      Question(
          CiliumOfDb("guard", absl::StrCat("  ingress:\n  - fromEndpoints: "
                                           "[{matchLabels: {'k8s:",
                                           key, "': x}}]\n")))
          .ExpectNoChange("isolated for ingress by CiliumNetworkPolicy");
    }
    Question(ClusterOfDb("Admin",
                         absl::StrCat("{action: Deny, from: [{pods: "
                                      "{namespaceSelector: {}, podSelector: "
                                      "{matchExpressions: [{key: ",
                                      key, ", operator: DoesNotExist}]}}}]}")))
        .ExpectNoChange("denied by ClusterNetworkPolicy guard");
  }
}

TEST(WhyNotDialectsTest, ALabelThatLeavesNothingToCompileIsNoChange) {
  // With the label, rules of another pod want two proxies on the way to web.
  const std::string cache = absl::StrCat(
      R"(---
apiVersion: v1
kind: Pod
metadata: {name: cache, namespace: town, labels: {app: cache}}
spec: {}
)",
      CiliumOf("cache", "cache", R"(  egress:
  - toEndpoints: [{matchLabels: {may: 'yes'}}]
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]
  - toEndpoints: [{matchLabels: {app: web}}]
    toPorts:
    - ports: [{port: '80', protocol: TCP}]
      listener: {envoyConfig: {name: e}, name: l}
)"));
  const std::string allow_either = R"(  ingress:
  - fromEndpoints: [{matchLabels: {app: web, may: 'yes'}}]
  - fromEndpoints: [{matchLabels: {app: web, one: 'yes', two: 'yes'}}]
)";
  EXPECT_THAT(Question(CiliumOfDb("guard", allow_either)).Edits(),
              ElementsAre(HasSubstr("may")));
  EXPECT_THAT(
      Question(absl::StrCat(CiliumOfDb("guard", allow_either), cache)).Edits(),
      ElementsAre(HasSubstr("one"), HasSubstr("two")));
  Question(absl::StrCat(CiliumOfDb("guard", kAllowOthers), cache))
      .ExpectNoChange("isolated for ingress by CiliumNetworkPolicy town/guard");
}

TEST(WhyNotDialectsTest, WhatTheLimitsLeaveUntriedIsTold) {
  const Question question(CiliumOfDb("guard", R"(  ingress:
  - fromEndpoints: [{matchLabels: {app: web, one: 'yes', two: 'yes'}}]
)"));
  // Each label, and both.
  const absl::StatusOr<AllowingChange> change =
      question.Change({.label_sets = 3});
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->edits.size(), 2u);
  EXPECT_EQ(change->untried_label_sets, 0u);
  const absl::Status limited = question.Change({.label_sets = 2}).status();
  EXPECT_EQ(limited.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(limited.message()),
              EndsWith("; not tried: 1 more sets of labels"));

  // A label, where a rule of a NetworkPolicy takes two conditions.
  const Question either(
      absl::StrCat(kDbFromWeb, CiliumOfDb("guard", R"(  ingress:
  - fromEndpoints: [{matchLabels: {app: web, may: 'yes'}}]
)")));
  const absl::StatusOr<AllowingChange> without =
      either.Change({.label_sets = 0});
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(without->untried_label_sets, 1u);
  EXPECT_EQ(without->edits[0].kind, PolicyEdit::Kind::kAddPort);
  EXPECT_EQ(without->untried_changes, 0u);
  const absl::StatusOr<AllowingChange> none = either.Change({.changes = 0});
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("; not tried: "));
}

TEST(WhyNotDialectsTest, ANamespacesLabelThatARuleOfCiliumAsksForAllows) {
  EXPECT_THAT(
      Question(CiliumOfDb("guard",
                          "  ingress:\n  - fromEndpoints: [{matchLabels: "
                          "{'k8s:io.cilium.k8s.namespace.labels.team': one}}]"
                          "\n"))
          .Edits(),
      ElementsAre("add to the labels of namespace town: \"team\": \"one\""));
}

TEST(WhyNotDialectsTest, ARuleOfANetworkPolicyAllowsWhereBothIsolate) {
  const Question question(absl::StrCat(
      kDbFromWeb,
      CiliumOfDb("guard",
                 "  ingress:\n  - fromEndpoints: [{matchLabels: {app: api}}]"
                 "\n")));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.isolated_by.size(), 2u);
  ASSERT_EQ(side.rules.size(), 1u);
  EXPECT_EQ(side.rules[0].rule.ToString(), "NetworkPolicy town/db ingress[0]");
  EXPECT_THAT(question.Edits(),
              ElementsAre("add to the ports of NetworkPolicy town/db "
                          "ingress[0]: {protocol: TCP, port: 81}"));
}

TEST(WhyNotDialectsTest, AuthenticationThatIsDemandedDenies) {
  const Question question(absl::StrCat(
      kDbFromWeb,
      CiliumOfDb("guard",
                 "  ingress:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n"
                 "    authentication: {mode: required}\n")));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.reason, RuleSet::Kind::kAuthentication);
  EXPECT_THAT(Names(side.denied_by),
              ElementsAre("CiliumNetworkPolicy town/guard ingress[0]"));
  question.ExpectNoChange("not authenticated, as demanded by");
}

TEST(WhyNotDialectsTest, TheAdminTierIsNotOverruled) {
  const Question question(
      absl::StrCat(kDbFromWeb, ClusterOfDb("Admin", kDenyEverybody)));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.reason, RuleSet::Kind::kDenied);
  EXPECT_EQ(side.tier, Tier::kAdmin);
  EXPECT_THAT(Names(side.denied_by),
              ElementsAre("ClusterNetworkPolicy guard ingress[0]"));
  question.ExpectNoChange(
      "ingress: denied by ClusterNetworkPolicy guard ingress[0]");
}

TEST(WhyNotDialectsTest, ALabelMayEvadeTheAdminTier) {
  const Question question(ClusterOfDb(
      "Admin",
      "{action: Deny, from: [{namespaces: {matchExpressions: [{key: trusted, "
      "operator: DoesNotExist}]}}]}"));
  EXPECT_THAT(question.Edits(),
              ElementsAre("add to the labels of namespace town: \"trusted\": "
                          "\"true\""));
}

TEST(WhyNotDialectsTest, TheBaselineTierIsAskedLast) {
  const std::string baseline = ClusterOfDb("Baseline", kDenyEverybody);
  const Question question(baseline);
  EXPECT_EQ(question.Denied().tier, Tier::kBaseline);
  question.ExpectNoChange(
      "ingress: denied by ClusterNetworkPolicy guard ingress[0]");
  // A NetworkPolicy that isolates decides before it.
  EXPECT_THAT(Question(absl::StrCat(baseline, kDbFromWeb)).Edits(),
              ElementsAre(HasSubstr("add to the ports of")));
  // A label makes one do so.
  EXPECT_THAT(Question(baseline + R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: town}
spec:
  podSelector: {matchLabels: {zone: open}}
  ingress: [{}]
)")
                  .Edits(),
              ElementsAre("add to the labels of the pods of town/db[Pod]: "
                          "\"zone\": \"open\""));
}

// Isolates web, and lets it reach one port.
constexpr char kWebTo80[] = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: town}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{ports: [{port: 80}]}]
)";

TEST(WhyNotDialectsTest, OneSideThatCannotBeAllowedLeavesNoChange) {
  // The way out lacks a port only.
  const Question question(
      absl::StrCat(kWebTo80, CiliumOfDb("guard", kDenyWeb)));
  EXPECT_EQ(question.Explain().sides.size(), 2u);
  question.ExpectNoChange("egress: default deny");
  question.ExpectNoChange("ingress: denied by CiliumNetworkPolicy");
}

TEST(WhyNotDialectsTest, BehindADenialThatIsMendedAProxyMayWait) {
  const Question question(
      absl::StrCat(kWebTo80, CiliumDbFromWeb("guard", "81", kHttp)));
  const DeniedSide side = question.Denied();
  EXPECT_EQ(side.direction, Direction::kEgress);
  const ProxiedSide proxy = {
      Direction::kIngress,
      ProxyPorts().http,
      {{"CiliumNetworkPolicy", "town", "guard", Direction::kIngress, 0}}};
  EXPECT_THAT(question.Explain().proxied, ElementsAre(proxy));
  EXPECT_THAT(question.Edits(),
              ElementsAre("add to the ports of NetworkPolicy town/web "
                          "egress[0]: {protocol: TCP, port: 81}"));
  const absl::StatusOr<AllowingChange> change = question.Change();
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_THAT(change->proxied, ElementsAre(proxy));
}

TEST(WhyNotDialectsTest, ADenialIsMendedWithoutAProxyIfThatCostsNoMore) {
  // A label for the one rule, or a peer for the other.
  const Question question(absl::StrCat(
      R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: town}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]
)",
      CiliumOfDb("guard",
                 absl::StrCat("  ingress:\n  - fromEndpoints: [{matchLabels: "
                              "{may: 'yes'}}]\n    toPorts:\n    - ports: "
                              "[{port: '81', protocol: TCP}]\n",
                              kHttp))));
  // The peer opens every port, the label but one.
  EXPECT_THAT(question.Edits(), ElementsAre(HasSubstr("add to the sources")));
  EXPECT_THAT(question.Change()->proxied, IsEmpty());
}

TEST(WhyNotDialectsTest, WhatAProxyJudgesIsDeniedByNobody) {
  const Question question(CiliumDbFromWeb("guard", "81", kHttp));
  const WhyNot why = question.Explain();
  EXPECT_EQ(why.decision.ingress.verdict, Verdict::kRedirect);
  EXPECT_THAT(why.sides, IsEmpty());
  EXPECT_EQ(why.proxied.size(), 1u);
  EXPECT_EQ(question.Change().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// What an end that denies says, or one that leaves it to a proxy.
std::vector<std::string> Told(const WhyNot& why) {
  std::vector<std::string> told;
  for (const DeniedSide& side : why.sides) {
    for (const PolicyRef& policy : side.isolated_by) {
      told.push_back(absl::StrCat(std::string(DirectionName(side.direction)),
                                  " isolated by ", policy.ToString()));
    }
    for (const RuleRef& rule : side.denied_by) {
      told.push_back("denied by " + rule.ToString());
    }
  }
  for (const ProxiedSide& side : why.proxied) {
    told.push_back(absl::StrCat("proxy ", side.proxy_port, " by ",
                                side.rules.front().ToString()));
  }
  return told;
}

std::string WebTo(const std::string& rule) {
  return CiliumOf("web", "way-out", "  egress:\n  - " + rule + "\n");
}

constexpr char kWebTo80Outside[] = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: town}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 80}]}]
)";
constexpr char kOutside[] = "203.0.113.9";
constexpr char kNames[] = "{toFQDNs: [{matchName: a.example}]}";
constexpr char kHttpFromWeb[] =
    "  ingress:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n"
    "    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: "
    "[{}]}}]\n";

TEST(WhyNotDialectsTest, NamesIcmpAndApplicationsProtocols) {
  const struct {
    const char* name;
    std::string policies;
    const char* destination;
    const char* port;
    std::vector<std::string> told;
    std::vector<std::string> edits;  // none: nothing mends it
  } cases[] = {
      {"a name that resolves to nobody, where Cilium isolates alone",
       WebTo(kNames),
       kOutside,
       "443/TCP",
       {"egress isolated by CiliumNetworkPolicy town/way-out"},
       {}},
      {"the same where a NetworkPolicy isolates, too",
       absl::StrCat(kWebTo80Outside, WebTo(kNames)),
       kOutside,
       "443/TCP",
       {"egress isolated by CiliumNetworkPolicy town/way-out",
        "egress isolated by NetworkPolicy town/web"},
       {"add to the ports of NetworkPolicy town/web egress[0]: {protocol: "
        "TCP, port: 443}"}},
      {"a name of the Admin tier, before what denies the rest",
       R"(---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: way-out}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  egress:
  - {action: Accept, to: [{domainNames: [a.example]}]}
  - {action: Deny, to: [{networks: [0.0.0.0/0]}]}
)",
       kOutside,
       "443/TCP",
       {"denied by ClusterNetworkPolicy way-out egress[1]"},
       {}},
      {"ICMP, which no rule of a NetworkPolicy can name",
       std::string(kDbFromWeb),
       "town/db",
       "8/ICMP",
       {"ingress isolated by NetworkPolicy town/db"},
       {"add NetworkPolicy town/db ingress[1]: {from: [{podSelector: "
        "{matchLabels: {\"app\": \"web\"}}}]}"}},
      {"ICMPv6",
       std::string(kDbFromWeb),
       "town/db",
       "128/ICMPv6",
       {"ingress isolated by NetworkPolicy town/db"},
       {"add NetworkPolicy town/db ingress[1]: {from: [{podSelector: "
        "{matchLabels: {\"app\": \"web\"}}}]}"}},
      {"another type of ICMP",
       CiliumOfDb("guard",
                  "  ingress:\n  - icmps: [{fields: [{type: 8, family: "
                  "IPv4}]}]\n"),
       "town/db",
       "13/ICMP",
       {"ingress isolated by CiliumNetworkPolicy town/guard"},
       {}},
      {"the type of ICMP that Cilium denies",
       CiliumOfDb("guard",
                  "  ingress: [{}]\n  ingressDeny:\n  - icmps: [{fields: "
                  "[{type: 8, family: IPv4}]}]\n"),
       "town/db",
       "8/ICMP",
       {"denied by CiliumNetworkPolicy town/guard ingressDeny[0]"},
       {}},
      {"ICMP in the Admin tier",
       ClusterOfDb("Admin", kDenyEverybody),
       "town/db",
       "8/ICMP",
       {"denied by ClusterNetworkPolicy guard ingress[0]"},
       {}},
      {"HTTP on another port",
       CiliumOfDb("guard", kHttpFromWeb),
       "town/db",
       "81/TCP",
       {"ingress isolated by CiliumNetworkPolicy town/guard"},
       {}},
      {"HTTP on another port, where a NetworkPolicy isolates, too",
       absl::StrCat(kDbFromWeb, CiliumOfDb("guard", kHttpFromWeb)),
       "town/db",
       "81/TCP",
       {"ingress isolated by CiliumNetworkPolicy town/guard",
        "ingress isolated by NetworkPolicy town/db"},
       {"add to the ports of NetworkPolicy town/db ingress[0]: {protocol: "
        "TCP, port: 81}"}},
      {"HTTP on its port",
       CiliumOfDb("guard", kHttpFromWeb),
       "town/db",
       "80/TCP",
       {"proxy 10001 by CiliumNetworkPolicy town/guard ingress[0]"},
       {}},
      {"HTTP that a denial prevails over",
       CiliumOfDb("guard", absl::StrCat(kHttpFromWeb, kDenyWeb)),
       "town/db",
       "80/TCP",
       {"denied by CiliumNetworkPolicy town/guard ingressDeny[0]"},
       {}},
      {"names that are asked for",
       WebTo("{toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: "
             "[{matchPattern: '*'}]}}]}"),
       "town/db",
       "53/UDP",
       {"proxy 10002 by CiliumNetworkPolicy town/way-out egress[0]"},
       {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Question question(c.policies, c.destination, c.port);
    const WhyNot why = question.Explain();
    EXPECT_EQ(Told(why), c.told);
    if (!c.edits.empty()) {
      EXPECT_EQ(question.Edits(), c.edits);
    } else if (why.sides.empty()) {
      EXPECT_EQ(question.Change().status().code(),
                absl::StatusCode::kFailedPrecondition);
    } else {
      question.ExpectNoChange("found none");
    }
  }
}

TEST(PoliciesWithNamesTest, NamesThoseOfEveryDialect) {
  EXPECT_THAT(PoliciesWithNames(Load(absl::StrCat(
                  kTwoPods, kWebTo80Outside, CiliumOfDb("guard", kDenyWeb),
                  ClusterOfDb("Admin", kDenyEverybody)))),
              IsEmpty());
  EXPECT_THAT(
      PoliciesWithNames(Load(absl::StrCat(kTwoPods, WebTo(kNames), R"(---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: way-out}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  egress: [{action: Accept, to: [{domainNames: [a.example]}]}]
)"))),
      ElementsAre(PolicyRef{"CiliumNetworkPolicy", "town", "way-out"},
                  PolicyRef{"ClusterNetworkPolicy", "", "way-out"}));
}

}  // namespace
}  // namespace ciliumcore
