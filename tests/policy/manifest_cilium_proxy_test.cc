// SPDX-License-Identifier: Apache-2.0

// What Cilium's policies leave to a proxy: HTTP, DNS, TLS, listeners; and
// authentication.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/policy/cilium_text.h"

namespace ciliumcore {
namespace {

// A rule for TCP port 80 with more fields.
std::string OnPort80(const std::string& fields) {
  return absl::StrCat("{toPorts: [{ports: [{port: '80', protocol: TCP}], ",
                      fields, "}]}");
}

std::string WithPorts(const std::string& ports, const std::string& rules) {
  return absl::StrCat("{toPorts: [{ports: [", ports, "], rules: ", rules,
                      "}]}");
}

CiliumPortRule PortRuleOf(const std::string& section, const std::string& rule) {
  const CiliumRule read = ReadRule(section, rule);
  EXPECT_EQ(read.ports.size(), 1u);
  return read.ports.empty() ? CiliumPortRule() : read.ports[0];
}

TEST(ManifestCiliumProxyTest, ReadsHttp) {
  for (const char* section : {"ingress", "egress"}) {
    const CiliumPortRule rule = PortRuleOf(section, OnPort80(R"(rules: {http: [
        {method: "GET|HEAD", path: "/carts/[0-9]+", host: "shop\\.example",
         headers: ["X-Token: 1", X-Trace],
         headerMatches: [
           {name: X-A, value: a, mismatch: REPLACE},
           {name: X-B, secret: {name: b, namespace: shop}, mismatch: LOG},
           {name: X-C, mismatch: ADD, value: c}, {name: X-D, mismatch: DELETE},
           {name: X-E}]},
        {}]})"));
    const std::vector<HttpRule> expected = {
        {.path = "/carts/[0-9]+",
         .method = "GET|HEAD",
         .host = "shop\\.example",
         .headers = {"X-Token: 1", "X-Trace"},
         .header_matches = {{.name = "X-A",
                             .value = "a",
                             .mismatch = HttpHeaderMatch::Mismatch::kReplace},
                            {.name = "X-B",
                             .secret = SecretRef{.ns = "shop", .name = "b"},
                             .mismatch = HttpHeaderMatch::Mismatch::kLog},
                            {.name = "X-C",
                             .value = "c",
                             .mismatch = HttpHeaderMatch::Mismatch::kAdd},
                            {.name = "X-D",
                             .mismatch = HttpHeaderMatch::Mismatch::kDelete},
                            {.name = "X-E"}}},
        {}};
    EXPECT_EQ(rule.http, expected);
    EXPECT_TRUE(rule.dns.empty());
    EXPECT_TRUE(rule.needs_proxy());
  }
}

TEST(ManifestCiliumProxyTest, ReadsDns) {
  const CiliumPortRule rule = PortRuleOf(
      "egress", WithPorts("{port: '53', protocol: ANY}, {port: dns, protocol: "
                          "UDP}, {port: '53', protocol: TCP, endPort: 53}",
                          "{dns: [{matchPattern: '*'}, {matchName: a.b}]}"));
  const std::vector<DnsMatch> expected = {{.pattern = "*"}, {.name = "a.b"}};
  EXPECT_EQ(rule.dns, expected);
  EXPECT_TRUE(rule.needs_proxy());
}

TEST(ManifestCiliumProxyTest, ReadsTls) {
  const CiliumPortRule rule = PortRuleOf("egress", OnPort80(R"(
      serverNames: [api.example, "*.example", "**.deep.example"],
      terminatingTLS: {secret: {name: shown, namespace: tls},
                       certificate: c, privateKey: k},
      originatingTLS: {secret: {name: roots}, trustedCA: ca.pem},
      rules: {http: [{}]})"));
  const std::vector<std::string> names = {"api.example", "*.example",
                                          "**.deep.example"};
  EXPECT_EQ(rule.server_names, names);
  EXPECT_EQ(rule.terminating_tls,
            (TlsContext{.secret = {.ns = "tls", .name = "shown"},
                        .certificate = "c",
                        .private_key = "k"}));
  EXPECT_EQ(rule.originating_tls,
            (TlsContext{.secret = {.name = "roots"}, .trusted_ca = "ca.pem"}));
  for (const char* one :
       {"serverNames: [a.b]", "terminatingTLS: {secret: {name: a}}",
        "originatingTLS: {secret: {name: a}}"}) {
    EXPECT_TRUE(PortRuleOf("ingress", OnPort80(one)).needs_proxy()) << one;
  }
}

TEST(ManifestCiliumProxyTest, ReadsListenersWithTheirDefaults) {
  const CiliumPortRule rule = PortRuleOf(
      "egress", OnPort80("listener: {envoyConfig: {kind: "
                         "CiliumClusterwideEnvoyConfig, name: e}, name: l, "
                         "priority: 7}"));
  EXPECT_EQ(rule.listener,
            (EnvoyListener{.config_kind = "CiliumClusterwideEnvoyConfig",
                           .config_name = "e",
                           .name = "l",
                           .priority = 7}));
  EXPECT_TRUE(rule.needs_proxy());
  const std::string plain =
      OnPort80("listener: {envoyConfig: {name: e}, name: l}");
  EXPECT_EQ(PortRuleOf("egress", plain).listener->config_kind,
            "CiliumEnvoyConfig");
  EXPECT_EQ(PortRuleOf("egress", plain).listener->priority, 0);
  EXPECT_EQ(OnlySpec(ClusterwideText(RuleText("egress", plain)))
                .egress[0]
                .ports[0]
                .listener->config_kind,
            "CiliumClusterwideEnvoyConfig");
}

TEST(ManifestCiliumProxyTest, ReadsAuthentication) {
  const auto mode = [](const std::string& text) {
    return ReadRule("ingress",
                    absl::StrCat("{authentication: {mode: ", text, "}}"))
        .authentication;
  };
  EXPECT_EQ(mode("disabled"), CiliumAuthentication::kDisabled);
  EXPECT_EQ(mode("required"), CiliumAuthentication::kRequired);
  EXPECT_EQ(mode("test-always-fail"), CiliumAuthentication::kAlwaysFail);
  EXPECT_EQ(ReadRule("egress", "{}").authentication, std::nullopt);
}

TEST(ManifestCiliumProxyTest, RefusesProxiesInDenials) {
  struct {
    const char* name;
    const char* value;
  } cases[] = {{"rules", "{http: [{}]}"},
               {"serverNames", "[a.b]"},
               {"terminatingTLS", "{secret: {name: a}}"},
               {"originatingTLS", "{secret: {name: a}}"},
               {"listener", "{envoyConfig: {name: e}, name: l}"}};
  for (const auto& c : cases) {
    const std::string wrong =
        WrongRule("egressDeny", OnPort80(absl::StrCat(c.name, ": ", c.value)));
    EXPECT_EQ(wrong.substr(0, wrong.find(", found")),
              absl::StrCat(".toPorts[0].", c.name, ": expected no ", c.name,
                           " in a denial, which is by address and port alone"));
  }
}

TEST(ManifestCiliumProxyTest, RefusesRulesThatCannotBe) {
  struct {
    const char* section;
    std::string rule;
    const char* problem;
  } cases[] = {
      {"ingress", OnPort80("rules: {}"),
       "rules: expected either http or dns, found neither"},
      {"egress", OnPort80("rules: {http: [{}], dns: [{matchName: a}]}"),
       "rules: expected either http or dns, found both"},
      {"ingress", OnPort80("rules: {http: []}"),
       "rules.http: expected a rule, since none would allow everything, found "
       "an empty list"},
      {"ingress", OnPort80("rules: {http: }"),
       "rules.http: expected a value, or no such field, found null"},
      {"ingress", OnPort80("rules: {kafka: [{topic: a}]}"),
       "rules.kafka: expected no kafka, which Cilium 1.20 removed, found a "
       "list"},
      {"ingress", OnPort80("rules: {l7proto: r2d2, l7: [{}]}"),
       "rules.l7: expected no l7, which Cilium 1.20 removed, found a list"},
      {"ingress", OnPort80("rules: {grpc: [{}]}"),
       "rules.grpc: expected one of http, dns, kafka, l7, l7proto, found an "
       "unknown field"},
      {"ingress", WithPorts("{port: '53'}", "{dns: [{matchName: a}]}"),
       "rules.dns: expected no dns at ingress: it is who asks that is "
       "restricted, found a list"},
      {"ingress", WithPorts("{port: '80', protocol: UDP}", "{http: [{}]}"),
       "rules: expected http on ports of TCP only, found UDP too"},
      {"ingress", WithPorts("{port: '80'}", "{http: [{}]}"),
       "rules: expected http on ports of TCP only, found ANY too"},
      {"egress",
       WithPorts("{port: '53', protocol: SCTP}", "{dns: [{matchName: a}]}"),
       "rules: expected dns on ports of TCP, UDP or ANY only, found SCTP too"},
      {"egress",
       WithPorts("{port: '53', endPort: 54}", "{dns: [{matchName: a}]}"),
       "rules: expected dns on single ports, found a range"},
      {"egress", WithPorts("{port: '0', protocol: TCP}", "{http: [{}]}"),
       "rules: expected no rules on port 0, which is every port, found a "
       "mapping"},
      {"egress", WithPorts("{port: '53'}", "{dns: [{matchName: 'a*'}]}"),
       "rules.dns[0].matchName: expected a DNS name, at most 255 of A-Z, a-z, "
       "0-9, '-', '_' and single '.', found \"a*\""},
      {"ingress", OnPort80("rules: {http: [{headerMatches: [{value: a}]}]}"),
       "rules.http[0].headerMatches[0].name: expected the name of a header, "
       "found nothing"},
      {"ingress",
       OnPort80(
           "rules: {http: [{headerMatches: [{name: a, mismatch: drop}]}]}"),
       "rules.http[0].headerMatches[0].mismatch: expected LOG, ADD, DELETE or "
       "REPLACE, found drop"},
      {"ingress",
       OnPort80("rules: {http: [{headerMatches: [{name: a, secret: {}}]}]}"),
       "rules.http[0].headerMatches[0].secret.name: expected the name of a "
       "secret, found nothing"},
      {"ingress", OnPort80("rules: {http: [{headers: ['']}]}"),
       "rules.http[0].headers[0]: expected a header, found \"\""},
      {"egress", OnPort80("serverNames: []"),
       "serverNames: expected a name, or no serverNames, found an empty list"},
      {"egress", OnPort80("serverNames: ['']"),
       "serverNames[0]: expected a DNS name, at most 255 of A-Z, a-z, 0-9, "
       "'-', '_', '*' and single '.', found \"\""},
      {"egress", OnPort80("serverNames: [a.b, a.b]"),
       "serverNames[1]: expected each name once, found it again"},
      {"egress", OnPort80("serverNames: [a.b], rules: {http: [{}]}"),
       "serverNames: expected terminatingTLS, if there are serverNames and "
       "rules, which are inside of TLS, found none"},
      {"egress", OnPort80("terminatingTLS: {}"),
       "terminatingTLS.secret: expected a secret, found nothing"},
      {"egress", OnPort80("originatingTLS: {secret: {}}"),
       "originatingTLS.secret.name: expected the name of a secret, found "
       "nothing"},
      {"ingress", OnPort80("listener: {envoyConfig: {name: e}, name: l}"),
       "listener: expected no listener at ingress, found a mapping"},
      {"egress",
       OnPort80("listener: {envoyConfig: {name: e}, name: l}, rules: {http: "
                "[{}]}"),
       "listener: expected no listener beside rules, which it replaces, found "
       "a mapping"},
      {"egress", OnPort80("listener: {name: l}"),
       "listener.envoyConfig: expected an Envoy configuration, found nothing"},
      {"egress", OnPort80("listener: {envoyConfig: {}, name: l}"),
       "listener.envoyConfig.name: expected the name of an Envoy "
       "configuration, found nothing"},
      {"egress", OnPort80("listener: {envoyConfig: {name: e}}"),
       "listener.name: expected the name of a listener, found nothing"},
      {"egress",
       OnPort80("listener: {envoyConfig: {name: e, kind: Envoy}, name: l}"),
       "listener.envoyConfig.kind: expected CiliumEnvoyConfig or "
       "CiliumClusterwideEnvoyConfig, found Envoy"},
      {"egress",
       OnPort80("listener: {envoyConfig: {name: e}, name: l, priority: 0}"),
       "listener.priority: expected a priority in 1..100, found 0"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WrongRule(c.section, c.rule),
              absl::StrCat(".toPorts[0].", c.problem))
        << c.rule;
  }
  EXPECT_EQ(WrongRule("ingress", "{authentication: {mode: always}}"),
            ".authentication.mode: expected disabled, required or "
            "test-always-fail, found always");
  EXPECT_EQ(WrongRule("egress", "{authentication: {}}"),
            ".authentication.mode: expected disabled, required or "
            "test-always-fail, found nothing");
}

TEST(ManifestCiliumProxyTest, HoldsNodesAndClusterwidePoliciesToTheirLimits) {
  const auto nodes = [](const std::string& section, const std::string& rule) {
    return WrongText(ClusterwideText(absl::StrCat(
        "  nodeSelector: {}\n  ", section, ":\n  - ", rule, "\n")));
  };
  for (const char* section : {"ingress", "egress"}) {
    EXPECT_EQ(nodes(section, OnPort80("rules: {http: [{}]}")),
              absl::StrCat("spec.", section,
                           "[0].toPorts[0].rules.http: expected no http where "
                           "nodes are the subjects: their traffic goes through "
                           "no proxy, found a list"));
  }
  EXPECT_EQ(
      nodes("egress", WithPorts("{port: '53'}", "{dns: [{matchName: a}]}")),
      "");
  EXPECT_EQ(WrongText(ClusterwideText(RuleText(
                "egress", OnPort80("listener: {envoyConfig: {kind: "
                                   "CiliumEnvoyConfig, name: e}, name: l}")))),
            "spec.egress[0].toPorts[0].listener.envoyConfig.kind: expected "
            "CiliumClusterwideEnvoyConfig in a policy that is in no namespace, "
            "found CiliumEnvoyConfig");
}

TEST(ManifestCiliumProxyTest, ReadsRegularExpressionsOfRe2) {
  for (const char* regex : {"",
                            "/public$",
                            "GET|POST|",
                            "^/a(?:b|c)*?$",
                            "[^/]+",
                            "[]a-]",
                            "a{2,5}",
                            "a{,5}",
                            "{",
                            "\\d+\\.\\w",
                            "(?i)abc",
                            "(?P<id>[0-9]+)",
                            "(?<id>a)",
                            "\\x{263a}\\x41\\012",
                            "[[:alpha:]_\\-]",
                            "\\pL\\p{Greek}",
                            "\\Q(*\\E",
                            "(a{30}){30}",
                            "[\\d-]",
                            "\\bA\\z",
                            "()",
                            "(?s:.)*"}) {
    const CiliumRule rule = ReadRule(
        "ingress",
        OnPort80(absl::StrCat("rules: {http: [{path: '", regex, "'}]}")));
    ASSERT_EQ(rule.ports.size(), 1u) << regex;
    EXPECT_EQ(rule.ports[0].http[0].path, regex);
  }
}

TEST(ManifestCiliumProxyTest, RefusesRegularExpressionsThatRe2WouldRefuse) {
  struct {
    const char* regex;
    const char* fault;
  } cases[] = {
      {"(", "a '(' without its ')'"},
      {"a)", "a ')' without its '('"},
      {"[a", "a '[' without its ']'"},
      {"[]", "a '[' without its ']'"},
      {"*a", "a repetition of nothing"},
      {"a|+", "a repetition of nothing"},
      {"{2}", "a repetition of nothing"},
      {"a**", "a repetition of a repetition"},
      {"a*?*", "a repetition of a repetition"},
      {"a{3,2}", "a repetition of fewer than its least"},
      {"a{1001}", "more than 1000 repetitions"},
      {"(a{40}){40}", "more than 1000 repetitions"},
      {"a{99999999999999999999}", "more than 1000 repetitions"},
      {"[z-a]", "a range in [] that ends before it begins"},
      {"[a-\\d]", "a range in [] that ends before it begins"},
      {"[[:foo:]]", "a class [: :] that is not known"},
      {"\\1", "a reference to a group"},
      {"\\y", "a '\\' before a letter that it gives no meaning"},
      {"[\\b]", "a '\\' in [] before a letter that it gives no meaning"},
      {"a\\", "a '\\' at the end"},
      {"\\x4", "a '\\x' without the number of a character"},
      {"\\x{110000}", "a '\\x' without the number of a character"},
      {"\\p", "a '\\p' without the name of a class"},
      {"\\p{", "a '\\p' without the name of a class"},
      {"\\p{}", "a '\\p' without the name of a class"},
      {"(?=a)", "a group of a kind that RE2 does not have"},
      {"(?<!a)", "a group with a name that cannot be"},
      {"(?P<>a)", "a group with a name that cannot be"},
      {"(?P<a>b)(?P<a>c)", "two groups of one name"},
      {"(?x)a", "a group of a kind that RE2 does not have"},
  };
  for (const auto& c : cases) {
    for (const char* field : {"path", "method", "host"}) {
      EXPECT_EQ(
          WrongRule("ingress", OnPort80(absl::StrCat("rules: {http: [{", field,
                                                     ": '", c.regex, "'}]}"))),
          absl::StrCat(".toPorts[0].rules.http[0].", field,
                       ": expected a regular expression of RE2, found ",
                       c.fault))
          << c.regex;
    }
  }
  EXPECT_EQ(WrongRule("ingress",
                      OnPort80(absl::StrCat("rules: {http: [{path: '",
                                            std::string(100000, '('), "'}]}"))),
            ".toPorts[0].rules.http[0].path: expected a regular expression of "
            "RE2, found groups nested too deeply");
}

}  // namespace
}  // namespace ciliumcore
