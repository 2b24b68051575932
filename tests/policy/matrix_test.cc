// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/matrix.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using ::testing::AllOf;
using testing::Block;
using testing::Egress;
using ::testing::ElementsAre;
using testing::Every;
using ::testing::HasSubstr;
using testing::Ingress;
using ::testing::IsEmpty;
using testing::On;
using testing::OnRange;
using testing::Pods;
using testing::Select;

constexpr char kAll[] = "TCP 1-65535, UDP 1-65535, SCTP 1-65535";

// Two replicas of a Deployment web, a StatefulSet db of one, in "town".
class MatrixTest : public ::testing::Test {
 protected:
  MatrixTest() {
    AddPod("web", "web-0", {"10.0.1.1"});
    AddPod("web", "web-1", {"10.0.1.2"});
    AddPod("db", "db-0", {"10.0.2.1"}).owner_kind = "StatefulSet";
  }

  Pod& AddPod(const std::string& owner, const std::string& name,
              std::vector<std::string> addresses) {
    Pod& pod = cluster_.pods.emplace_back();
    pod.ns = "town";
    pod.name = name;
    pod.labels.Set("app", owner);
    pod.owner_kind = "Deployment";
    pod.owner_name = owner;
    for (const std::string& address : addresses) {
      pod.addresses.push_back(*IpAddress::Parse(address));
    }
    return pod;
  }

  void Add(NetworkPolicy policy, const std::string& app) {
    policy.name = absl::StrCat("p", cluster_.policies.size());
    policy.pod_selector = Select({{"app", app.c_str()}});
    cluster_.policies.push_back(std::move(policy));
  }

  CompiledCluster Compiled() {
    absl::StatusOr<CompiledCluster> compiled = CompileCluster(cluster_);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return *std::move(compiled);
  }

  // "source -> destination: TCP 1-65535, ..."; only those with `part`.
  std::vector<std::string> Lines(const std::string& part) {
    const Matrix matrix = ComputeMatrix(Compiled());
    std::vector<std::string> lines;
    for (const Matrix::Connection& connection : matrix.connections) {
      std::string line = absl::StrCat(
          matrix.PeerName(connection.source), " -> ",
          matrix.PeerName(connection.destination), ": ",
          absl::StrJoin(matrix.port_sets[connection.allowed], ", ",
                        [](std::string* out, const PortSpan& span) {
                          absl::StrAppend(out, ProtocolName(span.protocol), " ",
                                          span.from, "-", span.to);
                        }));
      if (line.find(part) != std::string::npos) lines.push_back(line);
    }
    return lines;
  }

  std::vector<std::string> Ranges() {
    std::vector<std::string> ranges;
    for (const AddressRange& range : ComputeMatrix(Compiled()).ranges) {
      ranges.push_back(range.ToString());
    }
    return ranges;
  }

  Cluster cluster_;
};

TEST_F(MatrixTest, WithoutPolicyEveryPairIsAllowedEverything) {
  const std::string v4 = "0.0.0.0-255.255.255.255";
  const std::string v6 = "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string db = "town/db[StatefulSet]";
  const std::string web = "town/web[Deployment]";
  const auto line = [](const std::string& from, const std::string& to) {
    return absl::StrCat(from, " -> ", to, ": ", kAll);
  };
  EXPECT_THAT(Lines(""), ElementsAre(line(db, web), line(db, v4), line(db, v6),
                                     line(web, db), line(web, v4),
                                     line(web, v6), line(v4, db), line(v4, web),
                                     line(v6, db), line(v6, web)));
}

TEST_F(MatrixTest, PairsWithNothingAllowedAreLeftOut) {
  Add(Ingress({}), "db");
  EXPECT_THAT(Lines("-> town/db"), IsEmpty());
  EXPECT_EQ(Lines("town/db[StatefulSet] ->").size(), 3u);
}

TEST_F(MatrixTest, TellsPortsByProtocol) {
  Add(Ingress({{{Pods({})},
                {On("80/TCP"), OnRange("81/TCP", 90), Every(Protocol::kUdp),
                 On("443/TCP"), On("0/SCTP")}}}),
      "db");
  EXPECT_THAT(Lines("-> town/db"),
              ElementsAre("town/web[Deployment] -> town/db[StatefulSet]: TCP "
                          "80-90, TCP 443-443, UDP 1-65535"));
}

TEST_F(MatrixTest, BothEndsMustAllow) {
  Add(Ingress({{{Pods({})}, {OnRange("80/TCP", 90)}}}), "db");
  Add(Egress({{{}, {OnRange("85/TCP", 95), On("53/UDP")}}}), "web");
  EXPECT_THAT(Lines("web[Deployment] -> town/db"),
              ElementsAre("town/web[Deployment] -> town/db[StatefulSet]: TCP "
                          "85-90"));
}

TEST_F(MatrixTest, AllowedForOnePodIsAllowedForTheWorkload) {
  Add(Ingress({{{Block("10.0.1.1/32")}, {On("80/TCP")}},
               {{Block("10.0.1.2/32")}, {On("81/TCP")}}}),
      "db");
  EXPECT_THAT(Lines("web[Deployment] -> town/db"),
              ElementsAre("town/web[Deployment] -> town/db[StatefulSet]: TCP "
                          "80-81"));
}

TEST_F(MatrixTest, AnAddressMeetsOnlyAddressesOfItsFamily) {
  AddPod("dual", "dual-0", {"10.0.3.1", "fd00::1"});
  Add(Ingress({{{Block("fd00::/8")}, {}}}), "db");
  EXPECT_THAT(Lines("dual[Deployment] -> town/db"), IsEmpty());
  Add(Ingress({{{Block("10.0.3.0/24")}, {On("80/TCP")}}}), "db");
  EXPECT_EQ(Lines("dual[Deployment] -> town/db").size(), 1u);
}

TEST_F(MatrixTest, CutsAddressesWhereThePoliciesTellThemApart) {
  Add(Egress({{{Block("10.0.0.0/8", {"10.1.0.0/16"})}, {}}}), "web");
  EXPECT_THAT(Ranges(),
              ElementsAre("0.0.0.0-9.255.255.255", "10.0.0.0-10.0.255.255",
                          "10.1.0.0-10.1.255.255", "10.2.0.0-10.255.255.255",
                          "11.0.0.0-255.255.255.255",
                          "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_THAT(Lines("web[Deployment] -> 1").size(), 2u);
  EXPECT_THAT(Lines("web[Deployment] -> ::"), IsEmpty());
}

TEST_F(MatrixTest, CutsAtAddressesOfNodesAndOfApiServers) {
  cluster_.pods.resize(1);
  cluster_.nodes["n1"] = {.name = "n1",
                          .addresses = {*IpAddress::Parse("192.168.0.1"),
                                        *IpAddress::Parse("192.168.0.2")}};
  // Whose address is not told beside its workload's.
  Pod& agent = AddPod("agent", "agent-x", {"192.168.0.2"});
  agent.host_network = true;
  CiliumPolicy& policy = cluster_.cilium_policies.emplace_back();
  policy.ns = "town";
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector.emplace();
  CiliumRule& rule = spec.egress.emplace_back();
  rule.peers = {
      .entities = {CiliumEntity::kRemoteNode, CiliumEntity::kKubeApiServer}};
  EXPECT_THAT(Lines("web[Deployment] ->"),
              ElementsAre(HasSubstr("-> town/agent[Deployment]"),
                          HasSubstr("-> 192.168.0.1-192.168.0.1")));

  CompiledCluster compiled = Compiled();
  PolicyInput input;
  static_cast<Policies&>(input) = PoliciesOf(cluster_);
  static_cast<PolicyContext&>(input) = PolicyContextOf(cluster_);
  input.api_server_addresses = {*IpAddress::Parse("10.96.0.1")};
  input.endpoints = {{.identity = Identity{1000},
                      .labels = cluster_.pods[0].labels,
                      .ns = "town",
                      .addresses = cluster_.pods[0].addresses},
                     {.identity = Identity::kRemoteNode,
                      .ns = "town",
                      .addresses = agent.addresses,
                      .host_network = true}};
  PeerRegistry peers;
  RuleSetTable rule_sets;
  compiled.policy = *Compile(input, peers, rule_sets);
  const Matrix matrix = ComputeMatrix(compiled);
  std::vector<std::string> reached;
  for (const Matrix::Connection& connection : matrix.connections) {
    if (matrix.PeerName(connection.source) == "town/web[Deployment]") {
      reached.push_back(matrix.PeerName(connection.destination));
    }
  }
  EXPECT_THAT(reached,
              ElementsAre("town/agent[Deployment]", "10.96.0.1-10.96.0.1",
                          "192.168.0.1-192.168.0.1"));
}

TEST_F(MatrixTest, DoesNotCutWhereNoPodIsTreatedOtherwise) {
  // Two neighbours with one meaning, one block that selects nobody.
  Add(Egress({{{Block("10.0.0.0/9"), Block("10.128.0.0/9")}, {}}}), "web");
  Add(Egress({{{Block("172.16.0.0/12")}, {}}}), "nobody");
  EXPECT_THAT(Ranges(),
              ElementsAre("0.0.0.0-9.255.255.255", "10.0.0.0-10.255.255.255",
                          "11.0.0.0-255.255.255.255",
                          "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST_F(MatrixTest, CutsIpv6AroundTheMappedIpv4) {
  Add(Egress({{{Block("::/0", {"::fffe:0:0/96", "2001:db8::/32"})}, {}}}),
      "web");
  EXPECT_THAT(
      Ranges(),
      ElementsAre("0.0.0.0-255.255.255.255", "::-::fffd:ffff:ffff",
                  "::fffe:0:0-::fffe:ffff:ffff",
                  "::1:0:0:0-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2001:db9::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST_F(MatrixTest, AWorkloadInTheHostsNetworkIsEveryonesOwnNode) {
  AddPod("agent", "agent-x", {"192.168.0.1"}).host_network = true;
  Add(Ingress({}), "web");
  Add(Egress({}), "web");
  Add(Ingress({}), "agent");
  EXPECT_THAT(Lines("agent[Deployment] -> town/web"),
              ElementsAre(HasSubstr(kAll)));
  EXPECT_THAT(Lines("web[Deployment] -> town/agent"),
              ElementsAre(HasSubstr(kAll)));
  EXPECT_THAT(Lines("db[StatefulSet] -> town/agent").size(), 1u);
  EXPECT_THAT(Lines("0.0.0.0-255.255.255.255 -> town/agent").size(), 1u);
}

TEST_F(MatrixTest, AssignsAddressesFromACidr) {
  AddPod("new", "new-0", {});
  AddPod("new", "new-1", {});
  const std::vector<IpPrefix> cidr = {*IpPrefix::Parse("10.0.1.0/29")};
  absl::StatusOr<CompiledCluster> compiled =
      CompileCluster(cluster_, {.pod_cidrs = cidr});
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_THAT(PodsWithoutAddress(compiled->cluster), IsEmpty());
  // web has .1 and .2.
  EXPECT_EQ(compiled->cluster.pods[3].addresses[0].ToString(), "10.0.1.3");
  EXPECT_EQ(compiled->cluster.pods[4].addresses[0].ToString(), "10.0.1.4");
  EXPECT_EQ(
      CompileCluster(cluster_, {.pod_cidrs = {*IpPrefix::Parse("10.0.1.0/30")}})
          .status()
          .code(),
      absl::StatusCode::kResourceExhausted);
}

TEST_F(MatrixTest, NamesThePoliciesForWhichAddressesMatter) {
  AddPod("new", "new-0", {});
  Add(Ingress({{{Block("10.0.0.0/8")}, {}}}), "web");
  Add(Ingress({{{Pods({})}, {}}}), "web");
  Add(Ingress({{{Block("10.0.0.0/8")}, {}}}), "nobody");
  EXPECT_THAT(PodsWithoutAddress(cluster_), ElementsAre(3u));
  EXPECT_THAT(PoliciesWithIpBlock(cluster_),
              ElementsAre(PolicyRef{"NetworkPolicy", "town", "p0"}));
}

TEST_F(MatrixTest, NamesPoliciesOfTheClusterForWhichAddressesMatter) {
  const auto add = [this](const char* name, const char* app, ClusterPeer peer) {
    ClusterPolicy& policy = cluster_.cluster_policies.emplace_back();
    policy.name = name;
    policy.subject.pod_selector = Select({{"app", app}});
    policy.egress = {{.peers = {std::move(peer)}}};
  };
  add("by-network", "web", NetworkPeers{{*IpPrefix::Parse("10.0.0.0/8")}});
  add("by-labels", "web", NamespacedPods{});
  add("for-nobody", "nobody", NetworkPeers{{*IpPrefix::Parse("10.0.0.0/8")}});
  add("elsewhere", "web", NetworkPeers{{*IpPrefix::Parse("10.0.0.0/8")}});
  cluster_.cluster_policies.back().subject.namespace_selector =
      Select({{"kubernetes.io/metadata.name", "city"}});
  EXPECT_THAT(PoliciesWithIpBlock(cluster_),
              ElementsAre(PolicyRef{"ClusterNetworkPolicy", "", "by-network"}));
}

// Two rules for db: web's port 80 through a proxy, and 81.
TEST_F(MatrixTest, WhatAProxyShouldJudgeIsNotAllowed) {
  CiliumPolicy& policy = cluster_.cilium_policies.emplace_back();
  policy.ns = "town";
  policy.name = "db";
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector = Select({{"app", "db"}});
  for (const uint16_t port : {uint16_t{80}, uint16_t{81}}) {
    CiliumRule& rule = spec.ingress.emplace_back();
    rule.peers = CiliumPeers{.endpoints = {Select({{"app", "web"}})}};
    CiliumPortRule& ports = rule.ports.emplace_back();
    ports.ports.emplace_back().port = port;
    if (port == 80) ports.http = {{.method = "GET"}};
  }
  EXPECT_THAT(
      Lines("web[Deployment] -> town/db"),
      ElementsAre("town/web[Deployment] -> town/db[StatefulSet]: TCP 81-81"));
  const CompiledCluster compiled = Compiled();
  EXPECT_THAT(RulesForProxies(compiled.policy),
              ElementsAre(RuleRef{
                  .kind = "CiliumNetworkPolicy", .ns = "town", .name = "db"}));
  const CompiledPolicy& compiled_policy = compiled.policy;
  const PairDecision decision = compiled_policy.DecidePair(
      compiled_policy.PartyOf(0u), compiled_policy.PartyOf(2u), Protocol::kTcp,
      80);
  EXPECT_FALSE(decision.allowed());
  EXPECT_TRUE(decision.needs_proxy());
}

TEST_F(MatrixTest, RefusesOneAddressForTwoPods) {
  AddPod("twin", "twin-0", {"10.0.1.1"});
  const absl::Status status = CompileCluster(cluster_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("town/web-0"), HasSubstr("town/twin-0"),
                    HasSubstr("10.0.1.1")));
}

}  // namespace
}  // namespace ciliumcore
