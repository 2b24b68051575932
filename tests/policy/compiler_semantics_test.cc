// SPDX-License-Identifier: Apache-2.0

// Each sentence of the NetworkPolicy v1 reference that decides a flow.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Block;
using testing::Egress;
using testing::Every;
using testing::Expression;
using testing::Ingress;
using testing::Namespaces;
using testing::On;
using testing::OnNamed;
using testing::OnRange;
using testing::Pods;
using testing::PodsIn;
using testing::Select;
using testing::Town;
using Operator = LabelSelector::Operator;

// web, api and db in "town"; web in "city", which has the label zone=green.
class PolicySemanticsTest : public ::testing::Test {
 protected:
  PolicySemanticsTest() {
    town_.AddNamespace("town", {{"zone", "blue"}});
    town_.AddNamespace("city", {{"zone", "green"}});
    town_.AddPod("town/web", {{"app", "web"}},
                 {.addresses = {"10.0.1.1"}, .ports = {{"http", "80/TCP"}}});
    town_.AddPod("town/api", {{"app", "api"}, {"tier", "back"}},
                 {.addresses = {"10.0.1.2"}, .ports = {{"http", "8080/TCP"}}});
    town_.AddPod("town/db", {{"app", "db"}, {"tier", "back"}},
                 {.addresses = {"10.0.2.1"},
                  .ports = {{"sql", "5432/TCP"}, {"http", "81/UDP"}}});
    town_.AddPod("city/web", {{"app", "web"}}, {.addresses = {"10.1.1.1"}});
  }

  Town town_;
};

TEST_F(PolicySemanticsTest, WithoutPolicyEverythingIsAllowed) {
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "1/ICMP"));
  EXPECT_TRUE(town_.Allows("town/db", "2001:db8::1", "53/UDP"));
}

TEST_F(PolicySemanticsTest, ASelectedPodIsIsolatedOnlyInTheStatedDirection) {
  town_.Add(Ingress({}));
  EXPECT_FALSE(town_.Allows("city/web", "town/web"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/web"));
  EXPECT_TRUE(town_.Allows("town/web", "city/web"));
  EXPECT_TRUE(town_.Allows("town/web", "8.8.8.8"));
}

TEST_F(PolicySemanticsTest, EgressIsolationDoesNotTouchIngress) {
  town_.Add(Egress({}));
  EXPECT_FALSE(town_.Allows("town/web", "city/web"));
  EXPECT_TRUE(town_.Allows("city/web", "town/web"));
}

TEST_F(PolicySemanticsTest, APolicySelectsPodsOfItsOwnNamespaceOnly) {
  town_.Add(Ingress({}));
  EXPECT_TRUE(town_.Allows("town/web", "city/web"));
}

TEST_F(PolicySemanticsTest, ThePodSelectorSaysWhoIsIsolated) {
  NetworkPolicy policy = Ingress({});
  policy.pod_selector = Select({{"app", "db"}});
  town_.Add(policy);
  EXPECT_FALSE(town_.Allows("town/web", "town/db"));
  EXPECT_TRUE(town_.Allows("town/web", "town/api"));
}

TEST_F(PolicySemanticsTest, RulesOfADirectionThatIsNotIsolatedMeanNothing) {
  NetworkPolicy policy = Ingress({{}});
  policy.egress = {{{Pods(Select({{"app", "db"}}))}, {}}};
  town_.Add(policy);
  EXPECT_TRUE(town_.Allows("town/web", "city/web"));
}

TEST_F(PolicySemanticsTest, AnEmptyRuleAllowsEveryPeerAndPort) {
  town_.Add(Ingress({{}}));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/web", "1/SCTP"));
  EXPECT_TRUE(town_.Allows("2001:db8::1", "town/web", "0/ICMPv6"));
}

TEST_F(PolicySemanticsTest, APodSelectorAloneMeansThePolicysNamespace) {
  town_.Add(Ingress({{{Pods(Select({{"app", "web"}}))}, {}}}));
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_FALSE(town_.Allows("city/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/api", "town/db"));
}

TEST_F(PolicySemanticsTest, AnEmptyPodSelectorMeansEveryPodOfTheNamespace) {
  town_.Add(Ingress({{{Pods({})}, {}}}));
  EXPECT_TRUE(town_.Allows("town/api", "town/db"));
  EXPECT_FALSE(town_.Allows("city/web", "town/db"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db"));
}

TEST_F(PolicySemanticsTest, ANamespaceSelectorMeansEveryPodThere) {
  town_.Add(Ingress({{{Namespaces(Select({{"zone", "green"}}))}, {}}}));
  EXPECT_TRUE(town_.Allows("city/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db"));
}

TEST_F(PolicySemanticsTest, AnEmptyNamespaceSelectorMeansEveryPodAnywhere) {
  town_.Add(Ingress({{{Namespaces({})}, {}}}));
  EXPECT_TRUE(town_.Allows("city/web", "town/db"));
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db"));
}

TEST_F(PolicySemanticsTest, BothSelectorsInOnePeerMustMatch) {
  town_.AddPod("city/api", {{"app", "api"}});
  town_.Add(Ingress(
      {{{PodsIn(Select({{"zone", "green"}}), Select({{"app", "web"}}))}, {}}}));
  EXPECT_TRUE(town_.Allows("city/web", "town/db"));
  EXPECT_FALSE(town_.Allows("city/api", "town/db"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db"));
}

TEST_F(PolicySemanticsTest, TwoPeersAreAlternatives) {
  town_.AddPod("city/api", {{"app", "api"}});
  town_.Add(Ingress({{{Namespaces(Select({{"zone", "green"}})),
                       Pods(Select({{"app", "web"}}))},
                      {}}}));
  EXPECT_TRUE(town_.Allows("city/api", "town/db"));
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/api", "town/db"));
}

TEST_F(PolicySemanticsTest, NamespacesAreSelectableByTheirName) {
  town_.AddPod("unlisted/web", {{"app", "web"}});
  town_.Add(
      Ingress({{{Namespaces(Expression("kubernetes.io/metadata.name",
                                       Operator::kIn, {"city", "unlisted"}))},
                {}}}));
  EXPECT_TRUE(town_.Allows("city/web", "town/db"));
  EXPECT_TRUE(town_.Allows("unlisted/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db"));
}

TEST_F(PolicySemanticsTest, ExpressionsSelectPeersAndSubjects) {
  NetworkPolicy in =
      Ingress({{{Pods(Expression("tier", Operator::kDoesNotExist))}, {}}});
  in.pod_selector = Expression("app", Operator::kIn, {"db", "cache"});
  town_.Add(in);
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/api", "town/db"));
  EXPECT_TRUE(town_.Allows("town/api", "town/web"));

  NetworkPolicy out =
      Egress({{{Pods(Expression("app", Operator::kNotIn, {"db"}))}, {}}});
  out.pod_selector = Expression("tier", Operator::kExists);
  town_.Add(out);
  EXPECT_TRUE(town_.Allows("town/api", "town/web"));
  EXPECT_FALSE(town_.Allows("town/db", "town/db"));
  EXPECT_FALSE(town_.Allows("town/api", "city/web"));
}

TEST_F(PolicySemanticsTest, PoliciesAdd) {
  town_.Add(Ingress({}));
  town_.Add(Ingress({{{Pods(Select({{"app", "web"}}))}, {On("80/TCP")}}}));
  town_.Add(Ingress({{{Namespaces(Select({{"zone", "green"}}))}, {}}}));
  EXPECT_TRUE(town_.Allows("town/web", "town/db", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db", "81/TCP"));
  EXPECT_TRUE(town_.Allows("city/web", "town/db", "81/TCP"));
  EXPECT_FALSE(town_.Allows("town/api", "town/db", "80/TCP"));
}

TEST_F(PolicySemanticsTest, BothEndsMustAllow) {
  town_.Add(Egress({{{Pods(Select({{"app", "db"}}))}, {On("80/TCP")}}}));
  town_.Add(Ingress({{{Pods(Select({{"app", "web"}}))}, {On("81/TCP")}}}));
  EXPECT_FALSE(town_.Allows("town/web", "town/db", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db", "81/TCP"));
  town_.Add(Ingress({{{}, {OnRange("79/TCP", 80)}}}));
  EXPECT_TRUE(town_.Allows("town/web", "town/db", "80/TCP"));
}

TEST_F(PolicySemanticsTest, PortsNameTheirProtocol) {
  town_.Add(Ingress({{{}, {On("53/UDP"), Every(Protocol::kSctp)}}}));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "53/UDP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "53/TCP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "54/UDP"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "1/SCTP"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "65535/SCTP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "0/ICMP"));
}

TEST_F(PolicySemanticsTest, ARuleWithoutPortsAllowsIcmpToo) {
  town_.Add(Ingress({{{Pods({})}, {}}}));
  EXPECT_TRUE(town_.Allows("town/web", "town/db", "0/ICMP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "0/ICMP"));
}

TEST_F(PolicySemanticsTest, EndPortIsIncluded) {
  town_.Add(Ingress({{{}, {OnRange("1000/TCP", 2000)}}}));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "999/TCP"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "1000/TCP"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "2000/TCP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "2001/TCP"));
}

TEST_F(PolicySemanticsTest, AnIngressPortNameMeansTheSubjectsPort) {
  town_.Add(Ingress({{{}, {OnNamed("http")}}}));
  EXPECT_TRUE(town_.Allows("city/web", "town/web", "80/TCP"));
  EXPECT_FALSE(town_.Allows("city/web", "town/web", "8080/TCP"));
  EXPECT_TRUE(town_.Allows("city/web", "town/api", "8080/TCP"));
  EXPECT_FALSE(town_.Allows("city/web", "town/api", "80/TCP"));
  // db's http is UDP.
  EXPECT_FALSE(town_.Allows("city/web", "town/db", "81/TCP"));
  EXPECT_FALSE(town_.Allows("city/web", "town/db", "81/UDP"));
}

TEST_F(PolicySemanticsTest, AnEgressPortNameMeansEachDestinationsPort) {
  town_.Add(Egress({{{}, {OnNamed("http"), On("443/TCP")}}}));
  EXPECT_TRUE(town_.Allows("town/db", "town/web", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/db", "town/web", "8080/TCP"));
  EXPECT_TRUE(town_.Allows("town/db", "town/api", "8080/TCP"));
  EXPECT_FALSE(town_.Allows("town/db", "8.8.8.8", "80/TCP"));
  EXPECT_TRUE(town_.Allows("town/db", "8.8.8.8", "443/TCP"));
  EXPECT_TRUE(town_.Allows("town/db", "town/api", "443/TCP"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db", "81/UDP"));
}

TEST_F(PolicySemanticsTest, PodsOfOneIdentityMayNamePortsDifferently) {
  town_.AddPod("town/web2", {{"app", "web"}}, {.ports = {{"http", "90/TCP"}}});
  town_.AddPod("town/web3", {{"app", "web"}});
  town_.Add(Egress({{{Pods(Select({{"app", "web"}}))}, {OnNamed("http")}}}));
  EXPECT_TRUE(town_.Allows("town/db", "town/web", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/db", "town/web", "90/TCP"));
  EXPECT_TRUE(town_.Allows("town/db", "town/web2", "90/TCP"));
  EXPECT_FALSE(town_.Allows("town/db", "town/web2", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/db", "town/web3", "80/TCP"));
}

TEST_F(PolicySemanticsTest, AnIpBlockCoversItsAddressesButForItsExceptions) {
  town_.Add(
      Ingress({{{Block("172.16.0.0/12", {"172.16.5.0/24"})}, {On("80/TCP")}}}));
  EXPECT_TRUE(town_.Allows("172.16.4.1", "town/db"));
  EXPECT_TRUE(town_.Allows("172.31.255.255", "town/db"));
  EXPECT_FALSE(town_.Allows("172.16.5.1", "town/db"));
  EXPECT_FALSE(town_.Allows("172.32.0.0", "town/db"));
  EXPECT_FALSE(town_.Allows("172.16.4.1", "town/db", "81/TCP"));
  EXPECT_FALSE(town_.Allows("2001:db8::1", "town/db"));
}

TEST_F(PolicySemanticsTest, AnIpBlockCoversPodsToo) {
  town_.Add(Ingress({{{Block("10.0.1.0/24", {"10.0.1.2/32"})}, {}}}));
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
  EXPECT_FALSE(town_.Allows("town/api", "town/db"));
  EXPECT_FALSE(town_.Allows("city/web", "town/db"));
}

TEST_F(PolicySemanticsTest, APodWithoutAddressIsInNoIpBlock) {
  town_.AddPod("town/new", {{"app", "new"}});
  town_.Add(Ingress({{{Block("0.0.0.0/0"), Block("::/0")}, {}}}));
  EXPECT_FALSE(town_.Allows("town/new", "town/db"));
  EXPECT_TRUE(town_.Allows("town/web", "town/db"));
}

TEST_F(PolicySemanticsTest, AnExceptionOfOneRuleIsNoneOfAnother) {
  town_.Add(Egress({{{Block("0.0.0.0/0", {"10.0.0.0/8"})}, {}},
                    {{Block("10.0.2.0/24")}, {On("80/TCP")}}}));
  EXPECT_TRUE(town_.Allows("town/web", "8.8.8.8", "1/UDP"));
  EXPECT_FALSE(town_.Allows("town/web", "10.3.0.1"));
  EXPECT_TRUE(town_.Allows("town/web", "town/db", "80/TCP"));
  EXPECT_FALSE(town_.Allows("town/web", "town/db", "81/TCP"));
}

TEST_F(PolicySemanticsTest, FamiliesAreBlocksOfTheirOwn) {
  town_.Add(Egress({{{Block("::/0", {"2001:db8::/32"})}, {}}}));
  EXPECT_TRUE(town_.Allows("town/web", "2600::1"));
  EXPECT_TRUE(town_.Allows("town/web", "::1"));
  EXPECT_FALSE(town_.Allows("town/web", "2001:db8::1"));
  EXPECT_FALSE(town_.Allows("town/web", "8.8.8.8"));
}

TEST_F(PolicySemanticsTest, EveryPeerMeansAddressesOfAnIpBlockToo) {
  town_.Add(Ingress({{{}, {On("80/TCP")}}}));
  town_.Add(Ingress({{{Block("172.16.0.0/12")}, {On("81/TCP")}}}));
  EXPECT_TRUE(town_.Allows("172.16.0.1", "town/db", "80/TCP"));
  EXPECT_TRUE(town_.Allows("172.16.0.1", "town/db", "81/TCP"));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/db", "80/TCP"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/db", "81/TCP"));
}

TEST_F(PolicySemanticsTest, ThePodsNodeIsAboveEveryPolicy) {
  town_.input().host_addresses = {*IpAddress::Parse("192.168.0.1")};
  town_.Add(Ingress({}));
  town_.Add(Egress({}));
  EXPECT_TRUE(town_.Allows("192.168.0.1", "town/db"));
  EXPECT_TRUE(town_.Allows("town/db", "192.168.0.1", "53/UDP"));
  EXPECT_FALSE(town_.Allows("192.168.0.2", "town/db"));
}

TEST_F(PolicySemanticsTest, AnotherNodeIsAnAddressAsAnyOther) {
  town_.input().remote_node_addresses = {*IpAddress::Parse("192.168.0.2"),
                                         *IpAddress::Parse("192.168.1.2")};
  town_.Add(Ingress({{{Block("192.168.0.0/24"), Namespaces({})}, {}}}));
  EXPECT_TRUE(town_.Allows("192.168.0.2", "town/db"));
  EXPECT_FALSE(town_.Allows("192.168.1.2", "town/db"));
}

TEST_F(PolicySemanticsTest, APodInTheHostsNetworkIsTheHost) {
  town_.AddPod("town/agent", {{"app", "web"}},
               {.addresses = {"192.168.0.1"}, .host_network = true});
  town_.AddPod("town/agent2", {{"app", "agent"}},
               {.addresses = {"192.168.0.1"}, .host_network = true});
  town_.Add(Ingress({}));
  town_.Add(Egress({}));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/agent"));
  EXPECT_TRUE(town_.Allows("town/agent", "town/agent2"));
  EXPECT_TRUE(town_.Allows("town/agent", "town/db"));
  EXPECT_TRUE(town_.Allows("town/db", "town/agent"));
  EXPECT_EQ(town_.Compiled().endpoints[town_.Endpoint("town/agent")].ingress,
            kNoTable);
}

}  // namespace
}  // namespace ciliumcore
