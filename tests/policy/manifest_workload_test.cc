// SPDX-License-Identifier: Apache-2.0

// Pods, and the workloads that become pods.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

// "ns/name Kind/owner", of each pod.
std::vector<std::string> Names(const Cluster& cluster) {
  std::vector<std::string> names;
  for (const Pod& pod : cluster.pods) {
    names.push_back(absl::StrCat(pod.ns, "/", pod.name, " ", pod.owner_kind,
                                 "/", pod.owner_name));
  }
  return names;
}

using Strings = std::vector<std::string>;

std::string Workload(const std::string& kind, const std::string& spec) {
  const std::string version = kind == "Job" || kind == "CronJob" ? "batch/v1"
                              : kind == "ReplicationController"  ? "v1"
                                                                 : "apps/v1";
  return absl::StrCat("apiVersion: ", version, "\nkind: ", kind,
                      "\nmetadata: {name: web, namespace: shop}\nspec: {", spec,
                      "}\n");
}

constexpr char kTemplate[] =
    "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, "
    "image: i}]}}";

std::string PodText(const std::string& name, const std::string& rest = "",
                    const std::string& meta = "") {
  return absl::StrCat(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: ", name, ", namespace: shop",
      meta, "}\nspec: {containers: [{name: c, image: i}]}\n", rest, "\n---\n");
}

TEST(ManifestPodTest, ReadsLabelsPortsAndAddresses) {
  const Cluster cluster = Load(R"(
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web, empty: ""}
spec:
  initContainers:
  - {name: setup, image: i, ports: [{containerPort: 1}]}
  - {name: side, image: i, restartPolicy: Always, ports: [{containerPort: 2}]}
  containers:
  - name: a
    image: i
    ports:
    - {name: http, containerPort: 8080}
    - {name: dns, containerPort: 53, protocol: UDP}
  - {name: b, image: i, ports: [{containerPort: 9}]}
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}, {ip: "2001:db8::1"}]
)");
  ASSERT_EQ(cluster.pods.size(), 1u);
  const Pod& pod = cluster.pods[0];
  EXPECT_EQ(Names(cluster), Strings{"shop/web Pod/web"});
  EXPECT_EQ(pod.labels, (Labels{{"app", "web"}, {"empty", ""}}));
  const std::vector<NamedPort> ports = {{"", {Protocol::kTcp, 2}},
                                        {"http", {Protocol::kTcp, 8080}},
                                        {"dns", {Protocol::kUdp, 53}},
                                        {"", {Protocol::kTcp, 9}}};
  EXPECT_EQ(pod.ports, ports);
  const std::vector<IpAddress> addresses = {*IpAddress::Parse("10.0.0.1"),
                                            *IpAddress::Parse("2001:db8::1")};
  EXPECT_EQ(pod.addresses, addresses);
  EXPECT_FALSE(pod.host_network);
}

TEST(ManifestPodTest, LeavesOutThoseThatEnded) {
  const Cluster cluster =
      Load(PodText("a", "status: {phase: Running, podIP: 10.0.0.1}") +
           PodText("b", "status: {phase: Succeeded, podIP: 10.0.0.1}") +
           PodText("c", "status: {phase: Failed, podIP: 10.0.0.1}") +
           PodText("d", "status: {phase: Pending}"));
  EXPECT_EQ(Names(cluster), (Strings{"shop/a Pod/a", "shop/d Pod/d"}));
}

TEST(ManifestPodTest, RefusesTwoWithOneAddress) {
  EXPECT_EQ(Wrong(PodText("a", "status: {podIP: 10.0.0.1}") +
                  PodText("b", "status: {podIP: 10.0.0.1}")),
            "m.yaml:11:17: Pod shop/b: status.podIP: expected an address of "
            "its own, found 10.0.0.1 of Pod shop/a");
}

TEST(ManifestPodTest, SharesItsNodesAddressInTheHostsNetwork) {
  const std::string host =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {hostNetwork: "
      "true}\nstatus: {podIP: 192.0.2.1}\n---\n";
  std::string text;
  for (const char* name : {"a", "b"}) {
    text += host;
    text.replace(text.find("NAME"), 4, name);
  }
  const Cluster cluster = Load(text);
  ASSERT_EQ(cluster.pods.size(), 2u);
  EXPECT_TRUE(cluster.pods[0].host_network);
  EXPECT_EQ(cluster.pods[1].addresses[0], *IpAddress::Parse("192.0.2.1"));
}

TEST(ManifestWorkloadTest, BecomesItsReplicas) {
  for (const char* kind : {"Deployment", "StatefulSet", "ReplicaSet"}) {
    const Cluster cluster =
        Load(Workload(kind, absl::StrCat("replicas: 2, selector: {matchLabels: "
                                         "{app: web}}, ",
                                         kTemplate)));
    const std::string owner = absl::StrCat(kind, "/web");
    EXPECT_EQ(Names(cluster),
              (Strings{"shop/web-0 " + owner, "shop/web-1 " + owner}));
    EXPECT_EQ(cluster.pods[1].labels, (Labels{{"app", "web"}}));
  }
  EXPECT_EQ(
      Names(Load(Workload(
          "ReplicationController",
          absl::StrCat("replicas: 2, selector: {app: web}, ", kTemplate)))),
      (Strings{"shop/web-0 ReplicationController/web",
               "shop/web-1 ReplicationController/web"}));
}

TEST(ManifestWorkloadTest, HasOneReplicaByDefault) {
  for (const char* kind :
       {"Deployment", "StatefulSet", "ReplicaSet", "DaemonSet", "Job"}) {
    EXPECT_EQ(Names(Load(Workload(kind, kTemplate))),
              Strings{absl::StrCat("shop/web-0 ", kind, "/web")});
  }
  EXPECT_EQ(Names(Load(Workload(
                "CronJob", absl::StrCat("schedule: '* * * * *', jobTemplate: "
                                        "{spec: {",
                                        kTemplate, "}}")))),
            Strings{"shop/web-0 CronJob/web"});
}

TEST(ManifestWorkloadTest, MayHaveNoReplicas) {
  EXPECT_TRUE(
      Load(Workload("Deployment", absl::StrCat("replicas: 0, ", kTemplate)))
          .pods.empty());
}

TEST(ManifestWorkloadTest, AJobRunsInParallelWhatIsToComplete) {
  const auto pods = [](const std::string& counts) {
    return Load(Workload("Job", absl::StrCat(counts, kTemplate))).pods.size();
  };
  EXPECT_EQ(pods("parallelism: 3, "), 3u);
  EXPECT_EQ(pods("parallelism: 3, completions: 2, "), 2u);
  EXPECT_EQ(pods("completions: 5, "), 1u);
  EXPECT_EQ(pods("parallelism: 0, "), 0u);
}

TEST(ManifestWorkloadTest, HasNoMoreReplicasThanTheOptionAllows) {
  const std::string text =
      Workload("Deployment", absl::StrCat("replicas: 2147483647, ", kTemplate));
  EXPECT_EQ(Load(text).pods.size(), 1000u);
  EXPECT_EQ(Load(text, {.max_replicas = 3}).pods.size(), 3u);
}

TEST(ManifestWorkloadTest, OfOneNameBecomePodsOfDifferentNames) {
  EXPECT_EQ(Names(Load(Workload("Deployment", kTemplate) + "---\n" +
                       Workload("DaemonSet", kTemplate))),
            (Strings{"shop/web-0 Deployment/web",
                     "shop/web-daemonset-0 DaemonSet/web"}));
}

TEST(ManifestWorkloadTest, RefusesNegativeAndWrongReplicas) {
  const auto wrong = [](const std::string& replicas) {
    return Wrong(Workload(
        "Deployment", absl::StrCat("replicas: ", replicas, ", ", kTemplate)));
  };
  const std::string head =
      "m.yaml:4:18: Deployment shop/web: spec.replicas: expected a number in "
      "0..2147483647, found ";
  EXPECT_EQ(wrong("-1"), head + "-1");
  EXPECT_EQ(wrong("'2'"), head + "\"2\"");
  EXPECT_EQ(wrong("010"), head + "010, which may be read as octal");
  EXPECT_EQ(wrong("two"), head + "two");
  EXPECT_EQ(wrong("2147483648"), head + "2147483648");
}

TEST(ManifestWorkloadTest, RefusesASelectorThatMissesItsPods) {
  EXPECT_EQ(Wrong(Workload("Deployment",
                           absl::StrCat("selector: {matchLabels: {app: db}}, ",
                                        kTemplate))),
            "m.yaml:4:18: Deployment shop/web: spec.selector: expected a "
            "selector of the template's labels, found app=db against "
            "k8s:app=web");
}

TEST(ManifestWorkloadTest, RefusesAMissingTemplate) {
  EXPECT_EQ(Wrong(Workload("DaemonSet", "")),
            "m.yaml:4:7: DaemonSet shop/web: spec.template: expected a "
            "template of pods, found nothing");
  EXPECT_EQ(Wrong(Workload("CronJob", "")),
            "m.yaml:4:7: CronJob shop/web: spec.jobTemplate: expected a "
            "template of jobs, found nothing");
}

TEST(ManifestWorkloadTest, RefusesUnknownFieldsAtTheLevelsThatAreRead) {
  const auto wrong = [](const std::string& spec) {
    return Wrong(Workload("Deployment", spec));
  };
  EXPECT_EQ(wrong(absl::StrCat("replica: 2, ", kTemplate)),
            "m.yaml:4:8: Deployment shop/web: spec.replica: expected replicas, "
            "found an unknown field");
  EXPECT_EQ(wrong("template: {labels: {}, spec: {}}"),
            "m.yaml:4:19: Deployment shop/web: spec.template.labels: expected "
            "one of metadata, spec, found an unknown field");
  EXPECT_EQ(wrong("template: {spec: {hostNetworking: true}}"),
            "m.yaml:4:26: Deployment shop/web: "
            "spec.template.spec.hostNetworking: expected a field of "
            "Kubernetes, found an unknown field");
  EXPECT_EQ(wrong("template: {spec: {containers: [{port: []}]}}"),
            "m.yaml:4:40: Deployment shop/web: "
            "spec.template.spec.containers[0].port: expected ports, found an "
            "unknown field");
  EXPECT_EQ(
      wrong("template: {spec: {containers: [{ports: [{containerport: 1}]}]}}"),
      "m.yaml:4:49: Deployment shop/web: "
      "spec.template.spec.containers[0].ports[0].containerport: expected "
      "containerPort, found an unknown field");
  EXPECT_EQ(wrong("template: {metadata: {label: {}}, spec: {}}"),
            "m.yaml:4:30: Deployment shop/web: spec.template.metadata.label: "
            "expected labels, found an unknown field");
}

TEST(ManifestWorkloadTest, AcceptsAnythingBelowThem) {
  EXPECT_TRUE(TryLoad(Workload("Deployment",
                               "template: {spec: {affinity: {any: [thing]}, "
                               "containers: [{name: c, env: [{name: A, value: "
                               "010}], securityContext: {x: yes}}]}}"))
                  .ok());
}

TEST(ManifestWorkloadTest, RefusesValuesOfTheWrongType) {
  const auto wrong = [](const std::string& pod) {
    return Wrong(Workload("Deployment", "template: {spec: {" + pod + "}}"));
  };
  const std::string head =
      "m.yaml:4:39: Deployment shop/web: spec.template.spec.hostNetwork: "
      "expected true or false, found ";
  EXPECT_EQ(wrong("hostNetwork: yes"), head + "yes");
  EXPECT_EQ(wrong("hostNetwork: 'true'"), head + "\"true\"");
  EXPECT_EQ(wrong("hostNetwork: 1"), head + "1");
  EXPECT_EQ(wrong("hostNetwork: []"), head + "a list");
  EXPECT_EQ(wrong("containers: {}"),
            "m.yaml:4:38: Deployment shop/web: spec.template.spec.containers: "
            "expected a list, found a mapping");
  EXPECT_EQ(wrong("containers: [{ports: [{containerPort: 0}]}]"),
            "m.yaml:4:64: Deployment shop/web: "
            "spec.template.spec.containers[0].ports[0].containerPort: expected "
            "a port in 1..65535, found 0");
  EXPECT_EQ(wrong("containers: [{ports: [{containerPort: 1, name: '80'}]}]"),
            "m.yaml:4:73: Deployment shop/web: "
            "spec.template.spec.containers[0].ports[0].name: expected at most "
            "15 of a-z, 0-9 and single '-', with a letter in it and a letter "
            "or digit at both ends, found \"80\"");
}

constexpr char kOwnedByReplicaSet[] =
    ", labels: {app: web, pod-template-hash: 5d4f8}, ownerReferences: "
    "[{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f8, uid: u, "
    "controller: true}]";

TEST(ManifestOwnerTest, IsTheDeploymentThatTheHashNamesIfThatIsThere) {
  const std::string pod = PodText("web-5d4f8-x", "", kOwnedByReplicaSet);
  EXPECT_EQ(Names(Load(pod + Workload("Deployment", kTemplate))),
            Strings{"shop/web-5d4f8-x Deployment/web"});
  EXPECT_EQ(Names(Load(pod)), Strings{"shop/web-5d4f8-x ReplicaSet/web-5d4f8"});
}

TEST(ManifestOwnerTest, IsTheReplicaSetWithoutAHash) {
  EXPECT_EQ(Names(Load(PodText("p", "",
                               ", ownerReferences: [{kind: ReplicaSet, name: "
                               "web-5d4f8, controller: true}]"))),
            Strings{"shop/p ReplicaSet/web-5d4f8"});
}

TEST(ManifestOwnerTest, IsTheOwnerOfTheReplicaSetIfThatIsThere) {
  const std::string set =
      "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: "
      "web-5d4f8, namespace: shop, ownerReferences: [{kind: Rollout, name: "
      "roll, controller: true}]}\nspec: {" +
      std::string(kTemplate) + "}\n";
  EXPECT_EQ(Names(Load(PodText("p", "", kOwnedByReplicaSet) + set)),
            Strings{"shop/p Rollout/roll"});
}

TEST(ManifestOwnerTest, IsNoReferenceThatDoesNotControl) {
  EXPECT_EQ(Names(Load(PodText("p", "",
                               ", ownerReferences: [{kind: ReplicaSet, name: "
                               "web-5d4f8}]"))),
            Strings{"shop/p Pod/p"});
  EXPECT_EQ(Names(Load(PodText("p", "",
                               ", ownerReferences: [{kind: Node, name: n1, "
                               "controller: true}]"))),
            Strings{"shop/p Pod/p"})
      << "a static pod";
}

TEST(ManifestOwnerTest, MakesUpNoPodsBesideThoseThatAreThere) {
  const std::string set =
      "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: "
      "web-5d4f8, namespace: shop, ownerReferences: [{kind: Deployment, name: "
      "web, controller: true}]}\nspec: {replicas: 2, " +
      std::string(kTemplate) + "}\n---\n";
  const std::string deployment =
      Workload("Deployment", absl::StrCat("replicas: 2, ", kTemplate));
  EXPECT_EQ(
      Names(Load(PodText("p", "", kOwnedByReplicaSet) + set + deployment)),
      Strings{"shop/p Deployment/web"});
  EXPECT_EQ(Names(Load(set + deployment)),
            (Strings{"shop/web-0 Deployment/web", "shop/web-1 Deployment/web"}))
      << "a Deployment's ReplicaSet is no second workload";
  EXPECT_EQ(Names(Load(PodText("p", "status: {phase: Succeeded}",
                               ", ownerReferences: [{kind: Job, name: web, "
                               "controller: true}]") +
                       Workload("Job", kTemplate))),
            Strings{})
      << "a Job that is done";
}

TEST(ManifestOwnerTest, SurvivesACircle) {
  const std::string set =
      "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: NAME, "
      "namespace: shop, ownerReferences: [{kind: ReplicaSet, name: OTHER, "
      "controller: true}]}\nspec: {" +
      std::string(kTemplate) + "}\n---\n";
  std::string text = set + set;
  for (const char* name : {"a", "b"}) {
    text.replace(text.find("NAME"), 4, name);
    text.replace(text.find("OTHER"), 5, name[0] == 'a' ? "b" : "a");
  }
  EXPECT_TRUE(TryLoad(text).ok());
}

TEST(ManifestOwnerTest, RefusesAnOwnerWithoutKindOrName) {
  EXPECT_EQ(Wrong(PodText("p", "", ", ownerReferences: [{uid: u}]")),
            "m.yaml:3:56: Pod shop/p: metadata.ownerReferences[0].kind: "
            "expected a kind, found nothing\n"
            "m.yaml:3:56: Pod shop/p: metadata.ownerReferences[0].name: "
            "expected a name, found nothing");
}

}  // namespace
}  // namespace ciliumcore
