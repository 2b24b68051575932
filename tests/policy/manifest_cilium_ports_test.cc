// SPDX-License-Identifier: Apache-2.0

// Ports and ICMP types in Cilium's policies.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/policy/cilium_text.h"

namespace ciliumcore {
namespace {

std::string Ports(const std::string& ports) {
  return absl::StrCat("{toPorts: [{ports: [", ports, "]}]}");
}

std::string Icmps(const std::string& fields) {
  return absl::StrCat("{icmps: [{fields: [", fields, "]}]}");
}

TEST(ManifestCiliumPortsTest, ReadsEveryFormInEverySection) {
  const std::vector<PortRule> expected = {
      {Protocol::kAny, 80, {}, ""},       {Protocol::kTcp, 8000, 8080, ""},
      {Protocol::kUdp, 53, {}, ""},       {Protocol::kSctp, {}, {}, "diameter"},
      {Protocol::kAny, {}, {}, "http"},   {Protocol::kTcp, {}, {}, ""},
      {Protocol::kTcp, 65535, 65535, ""}, {Protocol{112}, {}, {}, ""},
      {Protocol{2}, {}, {}, ""},          {Protocol{47}, {}, {}, ""},
      {Protocol{4}, {}, {}, ""},          {Protocol{41}, {}, {}, ""},
      {Protocol{50}, {}, {}, ""},         {Protocol{51}, {}, {}, ""},
  };
  for (const char* section :
       {"ingress", "ingressDeny", "egress", "egressDeny"}) {
    const CiliumRule rule = ReadRule(section, Ports(R"({port: "80"},
        {port: "8000", endPort: 8080, protocol: TCP},
        {port: "53", protocol: UDP, endPort: 0},
        {port: diameter, protocol: SCTP}, {port: Http, protocol: ANY},
        {port: "0", protocol: TCP},
        {port: "65535", protocol: TCP, endPort: 65535},
        {protocol: VRRP}, {protocol: IGMP, port: "0"}, {protocol: GRE},
        {protocol: IPIP}, {protocol: IPV6}, {protocol: ESP}, {protocol: AH})"));
    ASSERT_EQ(rule.ports.size(), 1u);
    EXPECT_EQ(rule.ports[0].ports, expected) << section;
    EXPECT_FALSE(rule.ports[0].needs_proxy());
  }
}

TEST(ManifestCiliumPortsTest, AnEmptyListIsNoRestriction) {
  EXPECT_EQ(ReadRule("egress", "{toPorts: []}"), CiliumRule());
  EXPECT_EQ(ReadRule("egress", "{icmps: []}"), CiliumRule());
}

TEST(ManifestCiliumPortsTest, ReadsFortyPortsAndNoMore) {
  const auto ports = [](int count) {
    return Ports(
        absl::StrJoin(std::vector<std::string>(count, "{port: '1'}"), ", "));
  };
  EXPECT_EQ(ReadRule("egress", ports(40)).ports[0].ports.size(), 40u);
  for (const char* section : {"egress", "ingressDeny"}) {
    EXPECT_EQ(WrongRule(section, ports(41)),
              ".toPorts[0].ports: expected at most 40 ports, found 41");
  }
}

TEST(ManifestCiliumPortsTest, RefusesPortsThatCannotBe) {
  constexpr char kForm[] =
      "expected a port in 0..65535, or a name of at most 15 of a-z, 0-9 and "
      "single '-', with a letter in it and a letter or digit at both ends, in "
      "any case, found ";
  struct {
    const char* port;
    std::string problem;
  } cases[] = {
      {"{port: 80}", ".port: expected a string, found the number 80"},
      {"{port: '65536'}", absl::StrCat(".port: ", kForm, "\"65536\"")},
      {"{port: '080'}", absl::StrCat(".port: ", kForm, "\"080\"")},
      {"{port: '-1'}", absl::StrCat(".port: ", kForm, "\"-1\"")},
      {"{port: ''}", absl::StrCat(".port: ", kForm, "\"\"")},
      {"{port: a--b}", absl::StrCat(".port: ", kForm, "a--b")},
      {"{port: a-name-of-16-abc}",
       absl::StrCat(".port: ", kForm, "a-name-of-16-abc")},
      {"{protocol: TCP}",
       ".port: expected a port in quotes: its number, 0 for every port, or a "
       "name, found nothing"},
      {"{port: '80', endPort: 79}",
       ".endPort: expected a port in 80..65535, found 79"},
      {"{port: '80', endPort: 65536}",
       ".endPort: expected a port in 0..65535, found 65536"},
      {"{port: '80', endPort: '81'}",
       ".endPort: expected a port in 0..65535, found \"81\""},
      {"{port: http, endPort: 80}",
       ".endPort: expected a port with a number, if there is an endPort, found "
       "one with a name"},
      {"{port: '0', endPort: 80}",
       ".endPort: expected no endPort behind port 0, which is every port, "
       "found 80"},
      {"{port: '80', protocol: tcp}",
       ".protocol: expected TCP, UDP, SCTP, ANY, VRRP, IGMP, GRE, IPIP, IPV6, "
       "ESP or AH, found tcp"},
      {"{port: '8', protocol: ICMP}",
       ".protocol: expected ICMP in icmps instead of toPorts, found ICMP"},
      {"{port: '8', protocol: ICMPv6}",
       ".protocol: expected ICMP in icmps instead of toPorts, found ICMPv6"},
      {"{port: '80', protocol: GRE}",
       ".port: expected no port but 0 with GRE, which has none, found \"80\""},
      {"{protocol: ESP, endPort: 1}",
       ".endPort: expected no endPort with ESP, which has no ports, found 1"},
      {"{port: '80', portEnd: 1}",
       ".portEnd: expected one of port, endPort, protocol, found an unknown "
       "field"},
  };
  for (const auto& c : cases) {
    for (const char* section : {"ingress", "egressDeny"}) {
      EXPECT_EQ(WrongRule(section, Ports(c.port)),
                absl::StrCat(".toPorts[0].ports[0]", c.problem))
          << c.port;
    }
  }
}

TEST(ManifestCiliumPortsTest, RefusesWhatLooksLikeEveryPortAndIsNone) {
  for (const char* rule : {"{toPorts: [{}]}", "{toPorts: [{ports: []}]}"}) {
    EXPECT_EQ(WrongRule("ingress", rule),
              ".toPorts[0].ports: expected a port, such as {port: \"0\"} for "
              "all: none is none, found none");
  }
  for (const char* rule : {"{icmps: [{}]}", "{icmps: [{fields: []}]}"}) {
    EXPECT_EQ(WrongRule("ingress", rule),
              ".icmps[0].fields: expected a type: none is none, found none");
  }
}

TEST(ManifestCiliumPortsTest, ReadsIcmpTypesByNumberAndName) {
  const std::vector<CiliumIcmp> expected = {
      {false, 8}, {false, 8},  {false, 0},  {true, 128}, {true, 129},
      {false, 8}, {true, 255}, {false, 42}, {true, 160}, {false, 3},
      {true, 1},  {true, 2},   {false, 43}, {true, 158},
  };
  for (const char* section :
       {"ingress", "ingressDeny", "egress", "egressDeny"}) {
    EXPECT_EQ(ReadRule(section, R"({icmps: [
        {fields: [{type: 8}, {family: IPv4, type: EchoRequest},
                  {type: EchoReply}, {family: IPv6, type: EchoRequest},
                  {family: IPv6, type: EchoReply}, {type: "8"},
                  {family: IPv6, type: 255}, {type: ExtendedEchoRequest},
                  {family: IPv6, type: ExtendedEchoRequest}]},
        {fields: [{type: DestinationUnreachable},
                  {family: IPv6, type: DestinationUnreachable},
                  {family: IPv6, type: PacketTooBig},
                  {type: ExtendedEchoReply}, {family: IPv6, type:
                   DuplicateAddressConfirmationCodeSuffix}]}]})")
                  .icmps,
              expected);
  }
}

TEST(ManifestCiliumPortsTest, RefusesIcmpsThatCannotBe) {
  struct {
    const char* fields;
    const char* problem;
  } cases[] = {
      {"{type: 256}", "[0].type: expected an ICMP type in 0..255, found 256"},
      {"{type: -1}", "[0].type: expected an ICMP type in 0..255, found -1"},
      {"{type: '256'}",
       "[0].type: expected a type of ICMPv4, a number in 0..255 or a name such "
       "as EchoRequest, found \"256\""},
      {"{type: PacketTooBig}",
       "[0].type: expected a type of ICMPv4, a number in 0..255 or a name such "
       "as EchoRequest, found PacketTooBig"},
      {"{family: IPv6, type: Echo}",
       "[0].type: expected a type of ICMPv6, a number in 0..255 or a name such "
       "as EchoRequest, found Echo"},
      {"{family: IPv4}",
       "[0].type: expected a type of ICMPv4, a number in 0..255 or a name such "
       "as EchoRequest, found nothing"},
      {"{family: ipv4, type: 8}",
       "[0].family: expected IPv4 or IPv6, found ipv4"},
      {"{type: 8, code: 0}",
       "[0].code: expected one of family, type, found an unknown field"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WrongRule("egress", Icmps(c.fields)),
              absl::StrCat(".icmps[0].fields", c.problem));
  }
  EXPECT_EQ(WrongRule("egress",
                      "{icmps: [{fields: [{type: 8}]}], toPorts: "
                      "[{ports: [{port: '80'}]}]}"),
            ".icmps: expected a rule of its own for icmps, found them beside "
            "toPorts");
  EXPECT_EQ(WrongRule("ingress",
                      Icmps(absl::StrJoin(
                          std::vector<std::string>(41, "{type: 8}"), ","))),
            ".icmps[0].fields: expected at most 40 types, found 41");
}

}  // namespace
}  // namespace ciliumcore
