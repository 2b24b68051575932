// SPDX-License-Identifier: Apache-2.0

// Diff where policies are of different dialects.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/diff.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kPods[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: town, labels: {app: web}}
spec: {}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: town, labels: {app: db}}
spec: {}
)";

constexpr char kNetwork[] = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: town}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 80}]
)";

std::string Cilium(const std::string& sections) {
  return absl::StrCat(
      "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
      "metadata: {name: db, namespace: town}\nspec:\n"
      "  endpointSelector: {matchLabels: {app: db}}\n",
      sections);
}

std::string AllowWeb(const std::string& port, const std::string& rules = "") {
  return Cilium(absl::StrCat(
      "  ingress:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n"
      "    toPorts:\n    - ports: [{port: '",
      port, "', protocol: TCP}]\n", rules));
}

constexpr char kHttp[] = "      rules: {http: [{method: GET}]}\n";

PolicyDiff Between(const std::string& before, const std::string& after) {
  return Diff(*CompileCluster(Load(kPods + before)),
              *CompileCluster(Load(kPods + after)));
}

std::string Told(const PolicyDiff& diff,
                 const std::optional<PairDecision>& decision) {
  const Cell& cell = decision->ingress;
  return absl::StrCat(std::string(VerdictName(cell.verdict)), ", ",
                      diff.FindRuleSet(cell.rule_set)->ToString());
}

// "opens TCP 80: deny, ... -> allow, ...", of what is between web and db.
std::vector<std::string> Lines(const PolicyDiff& diff) {
  std::vector<std::string> lines;
  for (const PolicyDiff::Change& change : diff.changes) {
    if (diff.PeerName(change.source) != "town/web[Pod]") continue;
    lines.push_back(absl::StrCat(std::string(ChangeName(change.kind)), " ",
                                 PortsToString(diff.port_sets[change.ports]),
                                 ": ", Told(diff, change.before), " -> ",
                                 Told(diff, change.after)));
  }
  return lines;
}

TEST(DiffDialectsTest, ACiliumPolicyOnOneSideIsComparedByWhatItAllows) {
  EXPECT_THAT(
      Lines(Between(kNetwork, AllowWeb("80"))),
      ElementsAre("other rules TCP 80: allow, allowed by NetworkPolicy town/db "
                  "ingress[0] -> allow, allowed by CiliumNetworkPolicy town/db "
                  "ingress[0]"));
  EXPECT_THAT(
      Lines(Between(kNetwork, AllowWeb("81"))),
      ElementsAre("opens TCP 81: deny, default deny: isolated for ingress by "
                  "NetworkPolicy town/db, and no rule allows this -> allow, "
                  "allowed by CiliumNetworkPolicy town/db ingress[0]",
                  "closes TCP 80: allow, allowed by NetworkPolicy town/db "
                  "ingress[0] -> deny, default deny: isolated for ingress by "
                  "CiliumNetworkPolicy town/db, and no rule allows this"));
}

TEST(DiffDialectsTest, ADenialClosesAndIsNamed) {
  const std::string denial = Cilium(
      "  ingressDeny:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n");
  const PolicyDiff diff = Between(kNetwork, kNetwork + denial);
  EXPECT_THAT(
      Lines(diff),
      ElementsAre("closes TCP 80: allow, allowed by NetworkPolicy town/db "
                  "ingress[0] -> deny, denied by CiliumNetworkPolicy town/db "
                  "ingressDeny[0]"));
  EXPECT_EQ(diff.opened.pairs, 0u);
  EXPECT_EQ(diff.closed.pairs, 1u);
  EXPECT_EQ(diff.closed.ports, 1u);
}

TEST(DiffDialectsTest, TheAdminTierOpensWhatNetworkPoliciesDeny) {
  const std::string admin = R"(---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: monitoring}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {podSelector: {matchLabels: {app: db}}}}
  ingress:
  - action: Accept
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {number: 9100}}}]
)";
  EXPECT_THAT(
      Lines(Between(kNetwork, kNetwork + admin)),
      ElementsAre("opens TCP 9100: deny, default deny: isolated for ingress by "
                  "NetworkPolicy town/db, and no rule allows this -> allow, "
                  "allowed by ClusterNetworkPolicy monitoring ingress[0]"));
}

TEST(DiffDialectsTest, ARedirectCountsAsAllowedButIsToldApart) {
  const PolicyDiff diff = Between(AllowWeb("80", kHttp), AllowWeb("80"));
  EXPECT_THAT(
      Lines(diff),
      ElementsAre(
          "other rules TCP 80: redirect, allowed by CiliumNetworkPolicy "
          "town/db ingress[0] -> allow, allowed by CiliumNetworkPolicy "
          "town/db ingress[0]"));
  EXPECT_EQ(diff.opened.pairs + diff.closed.pairs, 0u);
  EXPECT_THAT(Lines(Between(AllowWeb("80", kHttp), AllowWeb("80", kHttp))),
              IsEmpty());
}

TEST(DiffDialectsTest, TheSameDenialForAnotherReasonIsNoChange) {
  EXPECT_THAT(
      Lines(Between(Cilium("  ingress: [{}]\n"),
                    Cilium("  ingressDeny:\n  - fromEntities: [all]\n"))),
      IsEmpty());
}

}  // namespace
}  // namespace ciliumcore
