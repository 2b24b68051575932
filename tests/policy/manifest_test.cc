// SPDX-License-Identifier: Apache-2.0

// Texts, documents, lists, names, namespaces and services.

#include "ciliumcore/policy/manifest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

using Strings = std::vector<std::string>;

std::string Namespaced(const std::string& name) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: ", name, "}\n");
}

std::string ServiceText(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
      "spec: {",
      spec, "}\n");
}

TEST(ManifestTest, ReadsAnyNumberOfDocuments) {
  EXPECT_EQ(Load("").namespaces.size(), 0u);
  EXPECT_EQ(Load("# nothing\n---\n---\n...\n").namespaces.size(), 0u);
  EXPECT_EQ(Load(Namespaced("a") + "---\n" + Namespaced("b") + "---\n# end\n")
                .namespaces.size(),
            2u);
}

TEST(ManifestTest, ReadsJson) {
  const Cluster cluster = Load(
      "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Namespace\",\n"
      "\t\"metadata\": {\"name\": \"a\", \"labels\": {\"x\": \"1\"},\n"
      "\t\t\"annotations\": {\"u\": \"a\\/b \\u00e9\"}}}\n");
  EXPECT_EQ(*cluster.namespaces.at("a").labels.Get("x"), "1");
}

TEST(ManifestTest, ReadsLists) {
  const Cluster mixed = Load(
      "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
      "- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
      "- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: "
      "a}}\n");
  EXPECT_EQ(mixed.namespaces.size(), 1u);
  EXPECT_EQ(mixed.ignored, Strings{"ConfigMap a/c"});
  // The elements of a typed list need not say what they are.
  const Cluster typed = Load(
      "apiVersion: v1\nkind: NamespaceList\nitems:\n- metadata: {name: a}\n- "
      "metadata: {name: b}\n");
  EXPECT_EQ(typed.namespaces.size(), 2u);
  EXPECT_TRUE(Load("apiVersion: v1\nkind: PodList\nitems: []\n").pods.empty());
  EXPECT_TRUE(Load("apiVersion: v1\nkind: PodList\nitems:\n").pods.empty());
}

TEST(ManifestTest, NamesKindsThatItDoesNotRead) {
  const Cluster cluster = Load(
      "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {name: "
      "p, namespace: shop}\nspec: {any: [thing, 010, yes]}\n---\n"
      "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: "
      "{name: admin}\n---\n"
      "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: "
      "{name: p}\nspec: {order: 1}\n");
  EXPECT_EQ(cluster.ignored,
            (Strings{"CiliumEnvoyConfig shop/p", "ClusterRole admin",
                     "NetworkPolicy.projectcalico.org default/p"}));
  EXPECT_TRUE(cluster.policies.empty());
}

TEST(ManifestTest, RefusesAnotherVersionOfAKindThatItReads) {
  EXPECT_EQ(
      Wrong("apiVersion: networking.k8s.io/v2\nkind: NetworkPolicy\nmetadata: "
            "{name: p}\n"),
      "m.yaml:1:13: NetworkPolicy default/p: apiVersion: expected "
      "networking.k8s.io/v1 or extensions/v1beta1, found "
      "networking.k8s.io/v2");
  EXPECT_EQ(Wrong("apiVersion: v2\nkind: Pod\nmetadata: {name: p}\n"),
            "m.yaml:1:13: Pod default/p: apiVersion: expected v1, found v2");
}

TEST(ManifestTest, RefusesWhatIsNoObject) {
  EXPECT_EQ(Wrong("[1]"),
            "m.yaml:1:1: expected an object of Kubernetes, found a list");
  EXPECT_EQ(Wrong("web"),
            "m.yaml:1:1: expected an object of Kubernetes, found web");
  EXPECT_EQ(Wrong("a: 1"),
            "m.yaml:1:1: kind: expected a kind, such as Pod, found nothing");
  EXPECT_EQ(Wrong("kind: 1"),
            "m.yaml:1:7: kind: expected a string, found the number 1");
  EXPECT_EQ(Wrong("kind: Pod"),
            "m.yaml:1:1: Pod: apiVersion: expected a version, such as v1, "
            "found nothing");
  EXPECT_EQ(Wrong("apiVersion: v1\nkind: List\nitems: [~, 1]\n"),
            "m.yaml:3:9: items[0]: expected an element, found null\n"
            "m.yaml:3:12: expected an object of Kubernetes, found 1");
}

TEST(ManifestTest, RefusesAMissingOrImpossibleName) {
  EXPECT_EQ(Wrong("apiVersion: v1\nkind: Namespace\nmetadata: {}\n"),
            "m.yaml:3:11: Namespace ?: metadata.name: expected a name, found "
            "nothing");
  EXPECT_EQ(
      Wrong("apiVersion: v1\nkind: Namespace\n"),
      "m.yaml:1:1: Namespace ?: metadata: expected a mapping with a name, "
      "found nothing");
  EXPECT_EQ(Wrong(Namespaced("''")),
            "m.yaml:3:18: Namespace ?: metadata.name: expected a name, found "
            "\"\"");
  EXPECT_EQ(Wrong(Namespaced("5")),
            "m.yaml:3:18: Namespace 5: metadata.name: expected a string, found "
            "the number 5");
  EXPECT_EQ(Wrong(Namespaced("a.b")),
            "m.yaml:3:18: Namespace a.b: metadata.name: expected at most 63 of "
            "a-z, 0-9 and '-', with a letter or digit at both ends, found a.b");
  EXPECT_EQ(
      Wrong("apiVersion: v1\nkind: Pod\nmetadata: {name: A_b}\nspec: {}\n"),
      "m.yaml:3:18: Pod default/A_b: metadata.name: expected at most 253 of "
      "a-z, 0-9, '-' and '.', with letters or digits at both ends and around "
      "each '.', found A_b");
  EXPECT_EQ(
      Wrong("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: "
            "a.b}\nspec: {}\n"),
      "m.yaml:3:32: Pod a.b/a: metadata.namespace: expected at most 63 of a-z, "
      "0-9 and '-', with a letter or digit at both ends, found a.b");
}

TEST(ManifestTest, CompletesAGeneratedName) {
  EXPECT_EQ(Load("apiVersion: v1\nkind: Pod\nmetadata: {generateName: "
                 "job-}\nspec: {}\n")
                .pods[0]
                .name,
            "job-0");
}

// Messages go to terminals, which obey some characters.
TEST(ManifestTest, EscapesWhatItQuotes) {
  const std::string odd = "\"Odd\\e[2J\"";
  EXPECT_EQ(Wrong("kind: " + odd),
            "m.yaml:1:1: Odd\\033[2J: apiVersion: expected a version, such as "
            "v1, found nothing");
  EXPECT_EQ(
      Load("apiVersion: v1\nkind: " + odd + "\nmetadata: {name: " + odd + "}\n")
          .ignored,
      Strings{"Odd\\033[2J Odd\\033[2J"});
  EXPECT_EQ(Load("apiVersion: \"a\\eb/v1\"\nkind: Pod\nmetadata: {name: p}\n")
                .ignored,
            Strings{"Pod.a\\033b default/p"});
  EXPECT_EQ(Wrong("apiVersion: \"v1\\e\"\nkind: Pod\nmetadata: {name: p}\n"),
            "m.yaml:1:13: Pod default/p: apiVersion: expected v1, found "
            "\"v1\\033\"");
  // The name of the other object, too.
  const auto pod = [](const std::string& name) {
    return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
           "}\nspec: {}\nstatus: {podIP: 10.0.0.1}\n---\n";
  };
  EXPECT_NE(Wrong(pod(odd) + pod("p"))
                .find("found 10.0.0.1 of Pod default/Odd\\033[2J"),
            std::string::npos);
}

TEST(ManifestTest, RefusesADefaultNamespaceThatNoneCanHave) {
  for (const char* ns : {"", "Shop", "a/b", "shop\033[2J"}) {
    EXPECT_EQ(Wrong("", {.default_namespace = ns}),
              absl::StrCat("ManifestOptions.default_namespace: expected at "
                           "most 63 of a-z, 0-9 and '-', with a letter or "
                           "digit at both ends, found \"",
                           absl::CEscape(ns), "\""));
  }
}

TEST(ManifestTest, RefusesTwoObjectsOfOneName) {
  EXPECT_EQ(Wrong(Namespaced("a") + "---\n" + Namespaced("a")),
            "m.yaml:7:18: Namespace a: metadata.name: expected each object "
            "once, found it at m.yaml:1 already");
}

TEST(ManifestTest, ReadsAllSourcesAsOne) {
  const std::vector<ManifestSource> sources = {{"a.yaml", Namespaced("a")},
                                               {"b.yaml", Namespaced("b")}};
  EXPECT_EQ(LoadManifests(sources)->namespaces.size(), 2u);
  const std::vector<ManifestSource> twice = {{"a.yaml", Namespaced("a")},
                                             {"b.yaml", Namespaced("a")}};
  EXPECT_EQ(LoadManifests(twice).status().message(),
            "b.yaml:3:18: Namespace a: metadata.name: expected each object "
            "once, found it at a.yaml:1 already");
}

TEST(ManifestTest, ListsProblemsUpToALimit) {
  std::string text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n";
  for (int i = 0; i < 12; ++i) absl::StrAppend(&text, "  field", i, ": x\n");
  const std::string wrong = Wrong(text);
  EXPECT_EQ(std::count(wrong.begin(), wrong.end(), '\n'), 10);
  EXPECT_EQ(wrong.substr(wrong.rfind('\n')), "\nand 2 more");
  EXPECT_EQ(Wrong(text, {.max_problems = 1}),
            "m.yaml:5:3: Namespace a: metadata.field0: expected a field of "
            "Kubernetes, found an unknown field\nand 11 more");
}

TEST(ManifestNamespaceTest, HasItsNameAsALabel) {
  const Cluster cluster = Load(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: "
      "z}}\nspec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n");
  EXPECT_EQ(cluster.namespaces.at("a").labels,
            (Labels{{"kubernetes.io/metadata.name", "a"}, {"x", "z"}}));
}

TEST(ManifestNamespaceTest, IsAddedWhereItIsOnlyMentioned) {
  const std::string pod =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\nspec: "
      "{}\n---\n";
  EXPECT_EQ(Load(pod).namespaces.at("a"), MakeNamespace("a"));
  // Whichever comes first.
  const std::string declared =
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: "
      "z}}\n---\n";
  for (const std::string& text : {pod + declared, declared + pod}) {
    EXPECT_EQ(Load(text).namespaces.at("a"), MakeNamespace("a", {{"x", "z"}}));
  }
}

TEST(ManifestNamespaceTest, RefusesUnknownFieldsThroughout) {
  EXPECT_EQ(Wrong(Namespaced("a") + "spec: {x: y}\n"),
            "m.yaml:4:8: Namespace a: spec.x: expected one of finalizers, "
            "found an unknown field");
  EXPECT_EQ(Wrong(Namespaced("a") + "data: {}\n"),
            "m.yaml:4:1: Namespace a: data: expected one of apiVersion, kind, "
            "metadata, spec, status, found an unknown field");
  EXPECT_EQ(
      Wrong("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: "
            "b}\n"),
      "m.yaml:3:32: Namespace b/a: metadata.namespace: expected no namespace "
      "around objects of kind Namespace, found b");
}

TEST(ManifestNamespaceTest, RefusesAnnotationsThatAreNoStrings) {
  EXPECT_EQ(Wrong("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, "
                  "annotations: {x/y: 1}}\n"),
            "m.yaml:3:40: Namespace a: metadata.annotations[\"x/y\"]: expected "
            "a string, found the number 1");
}

TEST(ManifestServiceTest, ReadsEveryField) {
  const Cluster cluster = Load(ServiceText(
      "type: NodePort, selector: {app: db}, clusterIP: 10.96.0.10, clusterIPs: "
      "[10.96.0.10, '2001:db8::10'], ports: [{name: sql, port: 5432, "
      "targetPort: postgres, nodePort: 30000}, {port: 53, protocol: UDP, "
      "targetPort: 5353}, {name: c, port: 1}]"));
  ASSERT_EQ(cluster.services.size(), 1u);
  const Service& service = cluster.services[0];
  EXPECT_EQ(service.ns, "shop");
  EXPECT_EQ(service.name, "db");
  EXPECT_EQ(service.type, "NodePort");
  EXPECT_EQ(service.selector->ToString(), "app=db");
  EXPECT_EQ(service.cluster_ips.size(), 2u);
  EXPECT_FALSE(service.is_headless);
  const std::vector<ServicePort> ports = {
      {"sql", {Protocol::kTcp, 5432}, {}, "postgres", 30000},
      {"", {Protocol::kUdp, 53}, 5353, "", 0},
      {"c", {Protocol::kTcp, 1}, {}, "", 0}};
  EXPECT_EQ(service.ports, ports);
}

TEST(ManifestServiceTest, MayBeHeadlessOrWithoutSelector) {
  const Service headless =
      Load(ServiceText("clusterIP: None, selector: {a: b}")).services[0];
  EXPECT_TRUE(headless.is_headless);
  EXPECT_TRUE(headless.cluster_ips.empty());
  for (const char* spec :
       {"ports: [{port: 1}]", "ports: [{port: 1}], selector: {}",
        "type: ExternalName, externalName: example.com"}) {
    EXPECT_FALSE(Load(ServiceText(spec)).services[0].selector.has_value());
  }
}

TEST(ManifestServiceTest, RefusesWhatCannotBe) {
  EXPECT_EQ(Wrong(ServiceText("selector: {a: b}")),
            "m.yaml:4:7: Service shop/db: spec.ports: expected at least one "
            "port, found nothing");
  EXPECT_EQ(Wrong(ServiceText("type: Clusterip, ports: [{port: 1}]")),
            "m.yaml:4:14: Service shop/db: spec.type: expected ClusterIP, "
            "NodePort, LoadBalancer or ExternalName, found Clusterip");
  EXPECT_EQ(Wrong(ServiceText("ports: [{port: 70000}]")),
            "m.yaml:4:23: Service shop/db: spec.ports[0].port: expected a port "
            "in 1..65535, found 70000");
  EXPECT_EQ(Wrong(ServiceText("ports: [{targetPort: 1}]")),
            "m.yaml:4:16: Service shop/db: spec.ports[0].port: expected a port "
            "in 1..65535, found nothing");
  EXPECT_EQ(Wrong(ServiceText("ports: [{port: 1, target: 2}]")),
            "m.yaml:4:26: Service shop/db: spec.ports[0].target: expected one "
            "of name, protocol, appProtocol, port, targetPort, nodePort, found "
            "an unknown field");
  EXPECT_EQ(Wrong(ServiceText("ports: [{port: 1}], clusterIP: 10.0.0")),
            "m.yaml:4:39: Service shop/db: spec.clusterIP: expected an IP "
            "address, found 10.0.0");
  EXPECT_EQ(Wrong(ServiceText("ports: [{port: 1}], selectors: {}")),
            "m.yaml:4:28: Service shop/db: spec.selectors: expected selector, "
            "found an unknown field");
  EXPECT_EQ(
      Wrong(ServiceText("ports: [{port: 1}], publishNotReadyAddresses: on")),
      "m.yaml:4:54: Service shop/db: spec.publishNotReadyAddresses: expected "
      "true or false, found on");
}

}  // namespace
}  // namespace ciliumcore
