// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/port.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ciliumcore {
namespace {

TEST(ProtocolTest, ReadsNamesInAnyCase) {
  EXPECT_EQ(*ParseProtocol("TCP"), Protocol::kTcp);
  EXPECT_EQ(*ParseProtocol("udp"), Protocol::kUdp);
  EXPECT_EQ(*ParseProtocol("Sctp"), Protocol::kSctp);
  EXPECT_EQ(*ParseProtocol("ICMPv6"), Protocol::kIcmpv6);
  EXPECT_EQ(*ParseProtocol("any"), Protocol::kAny);
}

TEST(ProtocolTest, RefusesAnUnknownNameAndSaysWhatIsKnown) {
  const auto protocol = ParseProtocol("TPC");
  EXPECT_EQ(protocol.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(protocol.status().message(),
            "protocol \"TPC\": expected TCP, UDP, SCTP, ICMP, ICMPv6, ANY or a "
            "number in 0..255");
  EXPECT_FALSE(ParseProtocol("256").ok());
  EXPECT_FALSE(ParseProtocol("06").ok());
  EXPECT_FALSE(ParseProtocol("").ok());
}

TEST(ProtocolTest, ParsesWhatItPrintsForEveryNumber) {
  for (int number = 0; number < 256; ++number) {
    const Protocol protocol = static_cast<Protocol>(number);
    EXPECT_EQ(*ParseProtocol(ProtocolName(protocol)), protocol);
  }
  EXPECT_EQ(ProtocolName(static_cast<Protocol>(47)), "47");
}

TEST(PortTest, RefusesWhatIsNoPort) {
  EXPECT_EQ(ParsePort("65536").status().message(),
            "port \"65536\": expected 0..65535, \"65536\" is above 65535");
  for (const char* text : {"", "-1", "+80", " 80", "080", "0x50", "80 ", "http",
                           "18446744073709551696"}) {
    EXPECT_EQ(ParsePort(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_EQ(*ParsePort("65535"), 65535);
}

TEST(PortProtocolTest, IsTcpUnlessItSaysOtherwise) {
  EXPECT_EQ(*PortProtocol::Parse("8080"), (PortProtocol{Protocol::kTcp, 8080}));
  EXPECT_EQ(*PortProtocol::Parse("53/UDP"), (PortProtocol{Protocol::kUdp, 53}));
}

TEST(PortProtocolTest, RefusesHalfAText) {
  for (const char* text : {"/TCP", "80/", "80/TCP/", "80:TCP", "/"}) {
    EXPECT_EQ(PortProtocol::Parse(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(PortProtocolTest, ParsesWhatItPrints) {
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    const PortProtocol value = {static_cast<Protocol>(random()),
                                static_cast<uint16_t>(random())};
    EXPECT_EQ(*PortProtocol::Parse(value.ToString()), value);
  }
}

TEST(PortProtocolTest, OrdersByProtocolThenPort) {
  EXPECT_LT((PortProtocol{Protocol::kTcp, 443}),
            (PortProtocol{Protocol::kUdp, 53}));
  EXPECT_LT((PortProtocol{Protocol::kTcp, 80}),
            (PortProtocol{Protocol::kTcp, 443}));
}

}  // namespace
}  // namespace ciliumcore
