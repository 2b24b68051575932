// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/abi/convert.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace ciliumcore::abi {
namespace {

TEST(ByteOrderTest, AgreesWithTheLibc) {
  EXPECT_EQ(ToBe16(0x1234), htons(0x1234));
  EXPECT_EQ(ToBe32(0x12345678), htonl(0x12345678));
  EXPECT_EQ(FromBe16(htons(443)), 443);
  EXPECT_EQ(FromBe32(htonl(0x0a000001)), 0x0a000001u);
}

TEST(AddrTest, HoldsIpv4AsBpfProgramsMakeIt) {
  const cc_addr addr = ToAddr(IpAddress::FromV4(0x0a010203));
  EXPECT_EQ(addr.w[0], 0u);
  EXPECT_EQ(addr.w[1], 0u);
  EXPECT_EQ(addr.w[2], htonl(0xffff));
  EXPECT_EQ(addr.w[3], htonl(0x0a010203));
}

TEST(AddrTest, HoldsIpv6InNetworkOrder) {
  in6_addr expected;
  ASSERT_EQ(inet_pton(AF_INET6, "2001:db8::7", &expected), 1);
  const cc_addr addr = ToAddr(*IpAddress::Parse("2001:db8::7"));
  EXPECT_EQ(std::memcmp(&addr, &expected, sizeof(addr)), 0);
}

TEST(AddrTest, ComesBackAsItWent) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::array<uint8_t, 16> bytes;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const IpAddress address = IpAddress::FromBytes(bytes);
    EXPECT_EQ(FromAddr(ToAddr(address)), address);
  }
}

}  // namespace
}  // namespace ciliumcore::abi
