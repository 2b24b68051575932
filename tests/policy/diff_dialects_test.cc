// SPDX-License-Identifier: Apache-2.0

// Diff where policies are of different dialects.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/diff.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/manifest_text.h"
#include "tests/policy/two_pods_text.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string AllowWeb(const std::string& port, const std::string& rules = "") {
  return CiliumDbFromWeb("db", port, rules);
}

PolicyDiff Between(absl::string_view before, absl::string_view after) {
  return Diff(*CompileCluster(Load(absl::StrCat(kTwoPods, before))),
              *CompileCluster(Load(absl::StrCat(kTwoPods, after))));
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
      Lines(Between(kDbFromWeb, AllowWeb("80"))),
      ElementsAre("other rules TCP 80: allow, allowed by NetworkPolicy town/db "
                  "ingress[0] -> allow, allowed by CiliumNetworkPolicy town/db "
                  "ingress[0]"));
  EXPECT_THAT(
      Lines(Between(kDbFromWeb, AllowWeb("81"))),
      ElementsAre("opens TCP 81: deny, default deny: isolated for ingress by "
                  "NetworkPolicy town/db, and no rule allows this -> allow, "
                  "allowed by CiliumNetworkPolicy town/db ingress[0]",
                  "closes TCP 80: allow, allowed by NetworkPolicy town/db "
                  "ingress[0] -> deny, default deny: isolated for ingress by "
                  "CiliumNetworkPolicy town/db, and no rule allows this"));
}

TEST(DiffDialectsTest, ADenialClosesAndIsNamed) {
  const std::string denial = CiliumOfDb(
      "db", "  ingressDeny:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n");
  const PolicyDiff diff = Between(kDbFromWeb, absl::StrCat(kDbFromWeb, denial));
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
  const std::string admin = ClusterOfDb(
      "Admin",
      "{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: "
      "{destinationPort: {number: 9100}}}]}");
  EXPECT_THAT(
      Lines(Between(kDbFromWeb, absl::StrCat(kDbFromWeb, admin))),
      ElementsAre("opens TCP 9100: deny, default deny: isolated for ingress by "
                  "NetworkPolicy town/db, and no rule allows this -> allow, "
                  "allowed by ClusterNetworkPolicy guard ingress[0]"));
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
      Lines(Between(
          CiliumOfDb("db", "  ingress: [{}]\n"),
          CiliumOfDb("db", "  ingressDeny:\n  - fromEntities: [all]\n"))),
      IsEmpty());
}

}  // namespace
}  // namespace ciliumcore
