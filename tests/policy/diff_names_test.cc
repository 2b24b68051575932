// SPDX-License-Identifier: Apache-2.0

// What a change opens by domain names, of which nobody knows what they stand
// for.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/diff.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/manifest_text.h"
#include "tests/policy/two_pods_text.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PolicyDiff Between(const std::string& before, const std::string& after) {
  return Diff(*CompileCluster(Load(absl::StrCat(kTwoPods, before))),
              *CompileCluster(Load(absl::StrCat(kTwoPods, after))));
}

// "policy name source".
std::vector<std::string> Opened(const std::string& before,
                                const std::string& after) {
  std::vector<std::string> opened;
  for (const auto& opening : Between(before, after).opened_by_names) {
    opened.push_back(absl::StrCat(opening.policy.name, " ", opening.name, " ",
                                  opening.source_example));
  }
  return opened;
}

// Rules of web's egress.
std::string Rule(const std::string& pattern, const std::string& port = "443",
                 const std::string& more = "") {
  return absl::StrCat("  - toFQDNs: [{matchPattern: '", pattern,
                      "'}]\n    toPorts: [{ports: [{port: '", port,
                      "', protocol: TCP}]", more, "}]\n");
}
std::string Out(const std::string& rules, const std::string& name = "out") {
  return CiliumOf("web", name, "  egress:\n" + rules);
}

TEST(DiffNamesTest, WhatWasAllowedByAsManyNamesOpensNothing) {
  const std::string out = Out(Rule("*.example.com") + Rule("b.example.org"));
  EXPECT_THAT(Opened(out, out), IsEmpty());
  EXPECT_THAT(Opened(out, Out(Rule("*.example.com"))), IsEmpty());
  EXPECT_THAT(Opened(out, Out(Rule("api.example.com"))), IsEmpty());
  EXPECT_THAT(Opened(out, Out(Rule("api-*.example.com"))), IsEmpty());
  EXPECT_THAT(Opened(out, Out(Rule("*.example.com") + Rule("b.example.org"),
                              "by-another-name")),
              IsEmpty());
  EXPECT_THAT(Opened(Out(Rule("**.example.com")), Out(Rule("*.example.com"))),
              IsEmpty());
  EXPECT_THAT(Opened(Out(Rule("*")), Out(Rule("**.a-*.example.com"))),
              IsEmpty());
  // Where everything is allowed before, a rule for names takes away.
  EXPECT_THAT(Opened("", out), IsEmpty());
  EXPECT_THAT(Opened(out, ""), IsEmpty());
}

TEST(DiffNamesTest, AWiderNameOpens) {
  const struct {
    const char *before, *after;
  } cases[] = {
      {"api.example.com", "*.example.com"},
      {"*.example.com", "**.example.com"},
      {"*.*.example.com", "**.example.com"},
      {"a*.example.com", "*.example.com"},
      {"*.example.com", "*"},
      {"**.example.com", "*"},
      {"a*b.example.com", "a*.example.com"},
      {"*.example.com", "example.com"},
      {"*.example.com", "*.*.example.com"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(absl::StrCat(c.before, " to ", c.after));
    EXPECT_THAT(Opened(Out(Rule(c.before)), Out(Rule(c.after))),
                ElementsAre(absl::StrCat("out ", c.after, " town/web")));
  }
  // Numbers of labels that several patterns had each.
  EXPECT_THAT(Opened(Out(Rule("*.x.org") + Rule("**.*.*.x.org")),
                     Out(Rule("**.x.org"))),
              ElementsAre("out **.x.org town/web"));
}

TEST(DiffNamesTest, MorePortsOpen) {
  EXPECT_THAT(Opened(Out(Rule("a.org", "443")), Out(Rule("a.org", "444"))),
              ElementsAre("out a.org town/web"));
}

TEST(DiffNamesTest, MorePodsOpen) {
  const std::string web = Out(Rule("a.org"));
  const std::string db_shut =
      CiliumOf("db", "shut", "  egress:\n  - toEntities: [none]\n");
  const std::string db =
      CiliumOf("db", "db-out", absl::StrCat("  egress:\n", Rule("a.org")));
  EXPECT_THAT(Opened(web + db_shut, web + db),
              ElementsAre("db-out a.org town/db"));
}

TEST(DiffNamesTest, ARuleThatLeavesItsProxyOpens) {
  const std::string http = ", rules: {http: [{method: GET}]}";
  EXPECT_THAT(Opened(Out(Rule("a.org", "80", http)), Out(Rule("a.org", "80"))),
              ElementsAre("out a.org town/web"));
  EXPECT_THAT(Opened(Out(Rule("a.org", "80")), Out(Rule("a.org", "80", http))),
              IsEmpty());
}

TEST(DiffNamesTest, ADenialThatGoesOpensWhatItCovered) {
  const std::string denial = "  egressDeny:\n  - toCIDR: [203.0.113.0/24]\n";
  EXPECT_THAT(Opened(Out(Rule("a.org") + denial), Out(Rule("a.org"))),
              ElementsAre("out a.org town/web"));
}

std::string Tier(const std::string& rules, int priority = 10) {
  return absl::StrCat(R"(---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: names}
spec:
  tier: Admin
  priority: )",
                      priority, "\n  subject: {namespaces: {}}\n  egress:\n",
                      rules);
}

TEST(DiffNamesTest, PoliciesOfTheClusterAreComparedByTheirOrder) {
  const std::string accept =
      "  - {action: Accept, to: [{domainNames: ['*.example.com']}]}\n";
  const std::string deny =
      "  - {action: Deny, to: [{networks: [0.0.0.0/0, "
      "'::/0']}]}\n";
  EXPECT_THAT(Opened(Tier(deny + accept), Tier(accept + deny)),
              ElementsAre("names *.example.com town/db"));
  EXPECT_THAT(Opened(Tier(accept + deny), Tier(deny + accept)), IsEmpty());
  EXPECT_THAT(Opened(Tier(accept + deny), Tier(accept + deny, 20)), IsEmpty());
}

TEST(DiffNamesTest, WhatCannotBeComparedIsTold) {
  const std::string two =
      Rule("*.org", "80", ", rules: {http: [{method: GET}]}") +
      Rule("a.*", "80", ", listener: {envoyConfig: {name: e}, name: l}");
  const std::string out = Out(two + Rule("a.org"));
  const PolicyDiff diff = Between(out, out);
  ASSERT_EQ(diff.opened_by_names.size(), 1u);
  EXPECT_THAT(diff.opened_by_names[0].ToString(),
              HasSubstr("CiliumNetworkPolicy town/out: not compared"));
}

}  // namespace
}  // namespace ciliumcore
