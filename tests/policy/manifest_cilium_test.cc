// SPDX-License-Identifier: Apache-2.0

// Cilium's policies as a whole, as manifests write them.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "tests/policy/cilium_text.h"

namespace ciliumcore {
namespace {

LabelSelector Selects(const std::string& key, const std::string& value) {
  LabelSelector selector;
  selector.match_labels.emplace_back(key, value);
  return selector;
}

TEST(ManifestCiliumTest, ReadsEveryFieldOfASpec) {
  const CiliumSpec spec = ReadCilium(R"(
  endpointSelector:
    matchLabels: {app: cart, "k8s:tier": web, "any:env": prod}
    matchExpressions:
    - {key: "reserved:init", operator: DoesNotExist}
    - {key: k8s:track, operator: In, values: [a, b]}
  ingress: [{fromEntities: [cluster]}, {}]
  ingressDeny: [{fromCIDR: [192.0.2.0/24]}]
  egress: [{toEntities: [world]}]
  egressDeny: [{toEndpoints: [{}]}]
  enableDefaultDeny: {ingress: false, egress: true}
  description: Who may see carts
  labels: [{key: team, source: k8s, value: shop}, {key: audited}]
  log: {value: cart rules}
)");
  EXPECT_EQ(spec.endpoint_selector->ToString(),
            "app=cart, k8s:tier=web, any:env=prod, !reserved:init, k8s:track "
            "in (a, b)");
  EXPECT_TRUE(spec.endpoint_selector->Validate().ok());
  EXPECT_FALSE(spec.node_selector.has_value());
  ASSERT_EQ(spec.ingress.size(), 2u);
  EXPECT_EQ(spec.ingress[0].peers->entities,
            std::vector<CiliumEntity>{CiliumEntity::kCluster});
  EXPECT_EQ(spec.ingress[1], CiliumRule());
  ASSERT_EQ(spec.ingress_deny.size(), 1u);
  EXPECT_EQ(spec.ingress_deny[0].peers->cidrs[0].cidr,
            *IpPrefix::Parse("192.0.2.0/24"));
  ASSERT_EQ(spec.egress.size(), 1u);
  EXPECT_EQ(spec.egress[0].peers->entities,
            std::vector<CiliumEntity>{CiliumEntity::kWorld});
  ASSERT_EQ(spec.egress_deny.size(), 1u);
  EXPECT_EQ(spec.egress_deny[0].peers->endpoints,
            std::vector<LabelSelector>(1));
  EXPECT_EQ(spec.default_deny_ingress, false);
  EXPECT_EQ(spec.default_deny_egress, true);
  EXPECT_EQ(spec.description, "Who may see carts");
  const std::vector<Label> labels = {{"k8s", "team", "shop"},
                                     {"", "audited", ""}};
  EXPECT_EQ(spec.labels, labels);
  EXPECT_EQ(spec.log_value, "cart rules");
}

TEST(ManifestCiliumTest, DeniesByDefaultWhereThereAreRulesOfEitherKind) {
  struct {
    const char* rules;
    bool ingress, egress;
  } cases[] = {
      {"ingress: [{}]", true, false},
      {"ingressDeny: [{fromEntities: [world]}]", true, false},
      {"egress: [{}], ingress: []", false, true},
      {"egressDeny: [{toEntities: [world]}]", false, true},
      {"ingress: [{}], enableDefaultDeny: {ingress: false}", false, false},
      {"ingress: [{}], enableDefaultDeny: {egress: true}", true, true},
      {"ingress: [{}], enableDefaultDeny: {}", true, false},
  };
  for (const auto& c : cases) {
    const CiliumSpec spec =
        ReadCilium(absl::StrCat("  {endpointSelector: {}, ", c.rules, "}\n"));
    EXPECT_EQ(spec.denies_ingress_by_default(), c.ingress) << c.rules;
    EXPECT_EQ(spec.denies_egress_by_default(), c.egress) << c.rules;
  }
}

TEST(ManifestCiliumTest, ReadsSpecAndThenSpecs) {
  const Cluster cluster = Load(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: checkout, namespace: shop, labels: {team: pay}}
specs:
- endpointSelector: {matchLabels: {app: pay}}
  ingress: [{fromEndpoints: [{matchLabels: {app: cart}}]}]
- endpointSelector: {matchLabels: {app: cart}}
  egress: [{toEndpoints: [{matchLabels: {app: pay}}]}]
spec:
  endpointSelector: {matchLabels: {app: audit}}
  ingressDeny: [{fromEntities: [all]}]
status: {conditions: [{type: Valid, status: "True"}]}
)");
  ASSERT_EQ(cluster.cilium_policies.size(), 1u);
  const CiliumPolicy& policy = cluster.cilium_policies[0];
  EXPECT_EQ(policy.ToString(), "CiliumNetworkPolicy shop/checkout");
  EXPECT_FALSE(policy.is_clusterwide());
  ASSERT_EQ(policy.specs.size(), 3u);
  EXPECT_EQ(policy.specs[0].endpoint_selector, Selects("app", "audit"));
  EXPECT_EQ(policy.specs[0].ingress_deny.size(), 1u);
  EXPECT_EQ(policy.specs[1].endpoint_selector, Selects("app", "pay"));
  EXPECT_EQ(policy.specs[1].ingress.size(), 1u);
  EXPECT_EQ(policy.specs[2].endpoint_selector, Selects("app", "cart"));
  EXPECT_EQ(policy.specs[2].egress.size(), 1u);
  EXPECT_TRUE(cluster.ignored.empty());
  EXPECT_EQ(cluster.namespaces.count("shop"), 1u);
}

TEST(ManifestCiliumTest, ReadsClusterwidePolicies) {
  const Cluster cluster = Load(R"(
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicyList
items:
- metadata: {name: nodes}
  spec:
    nodeSelector: {matchLabels: {node-role: worker}}
    ingress: [{fromEntities: [remote-node, health]}]
- metadata: {name: probes}
  spec:
    endpointSelector: {matchLabels: {"reserved:health": ""}}
    egress: [{toEntities: [remote-node]}]
)");
  ASSERT_EQ(cluster.cilium_policies.size(), 2u);
  const CiliumPolicy& nodes = cluster.cilium_policies[0];
  EXPECT_TRUE(nodes.is_clusterwide());
  EXPECT_EQ(nodes.ToString(), "CiliumClusterwideNetworkPolicy nodes");
  EXPECT_EQ(nodes.specs[0].node_selector, Selects("node-role", "worker"));
  EXPECT_FALSE(nodes.specs[0].endpoint_selector.has_value());
  EXPECT_EQ(cluster.cilium_policies[1].specs[0].endpoint_selector,
            Selects("reserved:health", ""));
  // No namespace is mentioned by what is in none.
  EXPECT_TRUE(cluster.namespaces.empty());
}

TEST(ManifestCiliumTest, ANamespacedPolicyIsInTheDefaultNamespace) {
  const std::string text =
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
      "metadata: {name: p}\nspec: {endpointSelector: {}, ingress: [{}]}\n";
  EXPECT_EQ(Load(text).cilium_policies[0].ns, "default");
  EXPECT_EQ(Load(text, {.default_namespace = "shop"}).cilium_policies[0].ns,
            "shop");
}

TEST(ManifestCiliumTest, ReadsCidrGroupsOfBothVersions) {
  for (const char* version : {"cilium.io/v2", "cilium.io/v2alpha1"}) {
    const Cluster cluster = Load(absl::StrCat(
        "apiVersion: ", version,
        "\nkind: CiliumCIDRGroup\nmetadata: {name: offices, labels: {team: "
        "net}}\nspec: {externalCIDRs: [203.0.113.7/24, '2001:db8::/32']}\n"));
    ASSERT_EQ(cluster.cidr_groups.size(), 1u) << version;
    const CidrGroup& group = cluster.cidr_groups[0];
    EXPECT_EQ(group.name, "offices");
    const std::vector<IpPrefix> cidrs = {*IpPrefix::Parse("203.0.113.0/24"),
                                         *IpPrefix::Parse("2001:db8::/32")};
    EXPECT_EQ(group.cidrs, cidrs);
    // As selectors of groups name them.
    for (const char* key : {"team", "any:team", "cidrgroup:team"}) {
      EXPECT_TRUE(Selects(key, "net").Matches(group.labels)) << key;
    }
    EXPECT_FALSE(Selects("k8s:team", "net").Matches(group.labels));
  }
  EXPECT_TRUE(Load("apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: "
                   "{name: g}\nspec: {externalCIDRs: []}\n")
                  .cidr_groups[0]
                  .cidrs.empty());
}

TEST(ManifestCiliumTest, ServicesKeepTheirLabels) {
  const Cluster cluster = Load(
      "apiVersion: v1\nkind: Service\nmetadata: {name: s, labels: {env: "
      "prod}}\nspec: {ports: [{port: 80}]}\n");
  EXPECT_EQ(cluster.services[0].labels, (Labels{{"env", "prod"}}));
}

TEST(ManifestCiliumTest, RefusesSpecsThatCannotBe) {
  struct {
    const char* spec;
    const char* problem;
  } cases[] = {
      {"{ingress: [{}]}", "spec: expected an endpointSelector, found none"},
      {"{nodeSelector: {}, ingress: [{}]}",
       "spec.nodeSelector: expected no nodeSelector in a CiliumNetworkPolicy: "
       "nodes are in no namespace, and for a CiliumClusterwideNetworkPolicy to "
       "select, found a mapping"},
      {"{endpointSelector: {}}",
       "spec: expected a rule in ingress, ingressDeny, egress or egressDeny; "
       "{} is one, found none"},
      {"{endpointSelector: {}, ingress: [], egress: []}",
       "spec: expected a rule in ingress, ingressDeny, egress or egressDeny; "
       "{} is one, found none"},
      {"{endpointSelector: , ingress: [{}]}",
       "spec.endpointSelector: expected a value, or no such field, found "
       "null\nspec: expected an endpointSelector, found none"},
      {"{endpointSelector: {matchLabels: }, ingress: [{}]}",
       "spec.endpointSelector.matchLabels: expected a value, or no such field, "
       "found null"},
      {"{endpointSelector: {}, ingress: [{}], egres: []}",
       "spec.egres: expected egress, found an unknown field"},
      {"{endpointSelector: {}, ingress: [{}], priority: 1}",
       "spec.priority: expected a field of Cilium, found an unknown field"},
      {"{endpointSelector: {}, ingress: {}}",
       "spec.ingress: expected a list, found a mapping"},
      {"{endpointSelector: {}, ingress: [null]}",
       "spec.ingress[0]: expected an element, found null"},
      {"{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {to: true}}",
       "spec.enableDefaultDeny.to: expected one of ingress, egress, found an "
       "unknown field"},
      {"{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {egress: no}}",
       "spec.enableDefaultDeny.egress: expected true or false, found no"},
      {"{endpointSelector: {}, ingress: [{}], labels: [{value: a}]}",
       "spec.labels[0].key: expected a label key, found nothing"},
      {"{endpointSelector: {}, ingress: [{}], labels: ['k8s:a=b']}",
       "spec.labels[0]: expected a mapping, found \"k8s:a=b\""},
      {"{endpointSelector: {}, ingress: [{}], log: {value: "
       "a-text-of-thirty-three-characters}}",
       "spec.log.value: expected at most 32 characters, all of them printable, "
       "found a-text-of-thirty-three-characters"},
      {"{endpointSelector: {}, ingress: [{}], log: {value: \"a\\nb\"}}",
       "spec.log.value: expected at most 32 characters, all of them printable, "
       "found \"a\\nb\""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WrongCilium(absl::StrCat("  ", c.spec, "\n")), c.problem)
        << c.spec;
  }
}

TEST(ManifestCiliumTest, RefusesSelectorsThatCannotBe) {
  constexpr char kForm[] =
      "expected a source and ':', if any, and a label key, [DNS "
      "subdomain/]name with at most 63 of A-Z, a-z, 0-9, '-', '_' and '.' in "
      "the name and a letter or digit at both its ends, found ";
  struct {
    const char* selector;
    const char* path;
    std::string problem;
  } cases[] = {
      {"{matchLabels: {'a:b:c': d}}", "matchLabels[\"a:b:c\"]",
       absl::StrCat(kForm, "\"a:b:c\"")},
      {"{matchLabels: {'k8s:': d}}", "matchLabels[\"k8s:\"]",
       absl::StrCat(kForm, "\"k8s:\"")},
      {"{matchLabels: {':app': d}}", "matchLabels[\":app\"]",
       absl::StrCat(kForm, "\":app\"")},
      {"{matchLabels: {'k-8:app': d}}", "matchLabels[\"k-8:app\"]",
       absl::StrCat(kForm, "\"k-8:app\"")},
      {"{matchExpressions: [{key: 'any:a b', operator: Exists}]}",
       "matchExpressions[0].key", absl::StrCat(kForm, "\"any:a b\"")},
      {"{matchExpressions: [{key: a, operator: In}]}",
       "matchExpressions[0].values", "expected values for In, found nothing"},
      {"{matchLabels: {app: a, 'any:app': b}}", "matchLabels[\"any:app\"]",
       "expected app once, found it with any: too"},
      {"{matchLabels: {'reserved:host': }}", "matchLabels[\"reserved:host\"]",
       "expected a value, or no such field, found null"},
      {"{matchlabels: {a: b}}", "matchlabels",
       "expected matchLabels, found an unknown field"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WrongCilium(absl::StrCat("  endpointSelector: ", c.selector,
                                       "\n  ingress: [{}]\n")),
              absl::StrCat("spec.endpointSelector.", c.path, ": ", c.problem));
    EXPECT_EQ(WrongRule("ingress",
                        absl::StrCat("{fromEndpoints: [", c.selector, "]}")),
              absl::StrCat(".fromEndpoints[0].", c.path, ": ", c.problem));
  }
}

TEST(ManifestCiliumTest, RefusesClusterwidePoliciesThatCannotBe) {
  EXPECT_EQ(WrongText(ClusterwideText("  ingress: [{}]\n")),
            "spec: expected an endpointSelector or a nodeSelector, found none");
  EXPECT_EQ(WrongText(ClusterwideText(
                "  {endpointSelector: {}, nodeSelector: {}, ingress: [{}]}\n")),
            "spec.nodeSelector: expected either an endpointSelector or a "
            "nodeSelector, found both");
  EXPECT_EQ(Wrong("apiVersion: cilium.io/v2\nkind: "
                  "CiliumClusterwideNetworkPolicy\nmetadata: {name: p, "
                  "namespace: shop}\nspec: {endpointSelector: {}, ingress: "
                  "[{}]}\n"),
            "m.yaml:3:32: CiliumClusterwideNetworkPolicy shop/p: "
            "metadata.namespace: expected no namespace around objects of kind "
            "CiliumClusterwideNetworkPolicy, found shop");
}

TEST(ManifestCiliumTest, RefusesObjectsThatCannotBe) {
  const std::string head =
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: "
      "p, namespace: shop}\n";
  for (const char* body : {"", "specs: []\n"}) {
    EXPECT_EQ(Wrong(head + body),
              "m.yaml:1:1: CiliumNetworkPolicy shop/p: expected a spec, or "
              "specs with an element, found neither");
  }
  EXPECT_EQ(WrongText(head + "spec:\n"),
            "spec: expected a value, or no such field, found null");
  EXPECT_EQ(WrongText(head + "specs: [{ingress: [{}]}]\n"),
            "specs[0]: expected an endpointSelector, found none");
  EXPECT_EQ(WrongText(head + "rules: []\n"),
            "rules: expected one of apiVersion, kind, metadata, spec, specs, "
            "status, found an unknown field");
  const std::string good = CiliumText(RuleText("ingress", "{}"));
  EXPECT_EQ(Wrong(absl::StrReplaceAll(good, {{"io/v2", "io/v3"}})),
            "m.yaml:1:13: CiliumNetworkPolicy shop/p: apiVersion: expected "
            "cilium.io/v2, found cilium.io/v3");
  EXPECT_EQ(Wrong(absl::StrReplaceAll(good, {{"name: p", "name: P"}})),
            "m.yaml:3:18: CiliumNetworkPolicy shop/P: metadata.name: expected "
            "at most 253 of a-z, 0-9, '-' and '.', with letters or digits at "
            "both ends and around each '.', found P");
  EXPECT_EQ(Wrong(absl::StrCat(good, "---\n", good)),
            "m.yaml:11:18: CiliumNetworkPolicy shop/p: metadata.name: expected "
            "each object once, found it at m.yaml:1 already");
  // The scopes have names of their own.
  EXPECT_TRUE(TryLoad(absl::StrCat(good, "---\n",
                                   ClusterwideText(RuleText("ingress", "{}"))))
                  .ok());
}

TEST(ManifestCiliumTest, TellsWhatIsWrongInEverySection) {
  const std::string spec =
      "{endpointSelector: {}, ingress: [{}, {from: []}], ingressDeny: "
      "[{fromEntities: [moon]}], egress: [{toCIDR: [a]}], egressDeny: "
      "[{toPorts: [{}]}]";
  const std::string wrong = WrongText(
      absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
                   "metadata: {name: p, namespace: shop}\nrules: []\nspec: ",
                   spec, ", mode: x}\nspecs: [", spec, "}]\n"));
  for (const char* path :
       {"rules", "spec.mode", "spec.ingress[1].from",
        "spec.ingressDeny[0].fromEntities[0]", "spec.egress[0].toCIDR[0]",
        "spec.egressDeny[0].toPorts[0].ports", "specs[0].ingress[1].from",
        "specs[0].ingressDeny[0].fromEntities[0]",
        "specs[0].egress[0].toCIDR[0]"}) {
    EXPECT_NE(wrong.find(absl::StrCat(path, ": expected ")), std::string::npos)
        << path << "\n"
        << wrong;
  }
}

TEST(ManifestCiliumTest, RefusesCidrGroupsThatCannotBe) {
  const auto group = [](const std::string& spec) {
    return WrongText(absl::StrCat(
        "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: "
        "p}\nspec: ",
        spec, "\n"));
  };
  EXPECT_EQ(group("{}"),
            "spec.externalCIDRs: expected a list of IP prefixes, found "
            "nothing");
  EXPECT_EQ(group("{externalCIDRs: [10.0.0.1]}"),
            "spec.externalCIDRs[0]: expected an IP prefix such as 10.0.0.0/8, "
            "found 10.0.0.1");
  EXPECT_EQ(group("{externalCIDRs: [10.0.0.0/33]}"),
            "spec.externalCIDRs[0]: expected an IP prefix such as 10.0.0.0/8, "
            "found 10.0.0.0/33");
  EXPECT_EQ(group("{externalCidrs: []}"),
            "spec.externalCidrs: expected externalCIDRs, found an unknown "
            "field\nspec.externalCIDRs: expected a list of IP prefixes, found "
            "nothing");
}

// Nobody is to take it for enforced.
TEST(ManifestCiliumTest, PoliciesOfNodesAreNotCompiled) {
  const Cluster cluster = Load(R"(
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: p}
spec: {nodeSelector: {}, ingress: [{}]}
)");
  const absl::Status status = CompileCluster(cluster).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(),
            "CiliumClusterwideNetworkPolicy p: nodeSelector: policies of nodes "
            "themselves are not enforced");
}

}  // namespace
}  // namespace ciliumcore
