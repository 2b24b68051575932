// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/ip.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"

namespace ciliumcore {
namespace {

using ::testing::HasSubstr;

IpAddress Ip(absl::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(IpAddress());
}

IpPrefix Prefix(absl::string_view text) {
  const auto prefix = IpPrefix::Parse(text);
  EXPECT_TRUE(prefix.ok()) << prefix.status();
  return prefix.value_or(IpPrefix());
}

// Random bytes, of which runs of zeros and IPv4 are as likely as the rest.
IpAddress RandomAddress(std::mt19937& random) {
  if (random() % 2 == 0) return IpAddress::FromV4(random());
  std::array<uint8_t, 16> bytes;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const bool zero = random() % 2 == 0;
    bytes[i] = zero ? 0 : static_cast<uint8_t>(random());
    bytes[i + 1] = zero ? 0 : static_cast<uint8_t>(random());
  }
  return IpAddress::FromBytes(bytes);
}

TEST(IpAddressTest, DefaultIsTheUnspecifiedIpv6Address) {
  EXPECT_EQ(IpAddress().ToString(), "::");
  EXPECT_FALSE(IpAddress().is_v4());
}

TEST(IpAddressTest, HoldsIpv4AsItsMappedForm) {
  const IpAddress address = Ip("10.1.2.3");
  EXPECT_TRUE(address.is_v4());
  EXPECT_EQ(address.v4(), 0x0a010203u);
  EXPECT_EQ(address, IpAddress::FromV4(0x0a010203));
  EXPECT_EQ(address, Ip("::ffff:10.1.2.3"));
  EXPECT_EQ(address, Ip("::ffff:a01:203"));
  EXPECT_EQ(address.bytes()[10], 0xff);
  EXPECT_EQ(address.bytes()[12], 10);
}

TEST(IpAddressTest, PrintsTheFormThatRfc5952Recommends) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},  // 4.2.3: first of equals
      {"2001:0db8:0:0:0:0:2:1", "2001:db8::2:1"},     // 4.2.1: all of the run
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2: not for one
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3: the longest
      {"2001:DB8::AbC", "2001:db8::abc"},                // 4.3: lower case
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"fe80:0::", "fe80::"},
      {"::1.2.3.4", "::102:304"},
      {"1::1.2.3.4", "1::102:304"},
      {"255.255.255.255", "255.255.255.255"},
  };
  for (const auto& [text, canonical] : cases) {
    EXPECT_EQ(Ip(text).ToString(), canonical) << text;
  }
}

TEST(IpAddressTest, SaysWhatIsWrongWithAText) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"10.0.0.300",
       "address \"10.0.0.300\": expected IPv4 dotted or IPv6, \"300\" is above "
       "255"},
      {"010.0.0.1", "\"010\" has a leading zero"},
      {"10.0.0.00", "\"00\" has a leading zero"},
      {"", "address \"\": expected"},
      {"10.0.0", "found 3 dotted numbers"},
      {"7", "found 1 dotted number"},
      {"1.2.3.4.5", "found more than 4 dotted numbers"},
      {"1..2.3", "a number is missing"},
      {"0x7f.0.0.1", "\"0x7f\" is not a decimal number"},
      {" 10.0.0.1", "\" 10\" is not a decimal number"},
      {"-1.0.0.1", "\"-1\" is not a decimal number"},
      {"4294967306.0.0.1", "is above 255"},
      {"18446744073709551617.0.0.1", "is above 255"},
      {"1:2:3", "found 3 groups"},
      {"1:2:3:4:5:6:7:8:9", "found more than 8 groups"},
      {"1:2:3:4::5:6:7:8", "found 8 groups around \"::\""},
      {"1::2::3", "\"::\" stands twice"},
      {":::", "\":\" where a group should begin"},
      {":1", "\":\" where a group should begin"},
      {"1:", "it ends in ':'"},
      {"12345::", "more than 4 digits"},
      {"::g", "\"g\" where a group should begin"},
      {"::1.2.3", "found 3 dotted numbers"},
      {"1:2:3:4:5:6:7:1.2.3.4", "found more than 8 groups"},
      {"fe80::1%eth0", "a zone is not part of an address"},
      {"10.0.0.1:80", "\"1:80\" is not a decimal number"},
      {"::1/64", "\"/\" after a group"},
  };
  for (const auto& [text, why] : cases) {
    const auto address = IpAddress::Parse(text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(why))
        << text;
  }
}

TEST(IpAddressTest, QuotesHostileTextSafely) {
  const std::string hostile =
      std::string("1\n\0\xff", 4) + std::string(500, 'x');
  const std::string message(IpAddress::Parse(hostile).status().message());
  EXPECT_LT(message.size(), 500u);
  for (const char c : message) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(IpAddressTest, ParsesWhatItPrints) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const IpAddress address = RandomAddress(random);
    EXPECT_EQ(Ip(address.ToString()), address) << address.ToString();
  }
}

TEST(IpAddressTest, AgreesWithTheLibcOnTextsNearAddresses) {
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string text = RandomAddress(random).ToString();
    for (unsigned edits = random() % 3; edits > 0; --edits) {
      text[random() % text.size()] = "0123456789abcdef:. "[random() % 19];
    }
    in6_addr v6;
    in_addr v4;
    const bool expected = inet_pton(AF_INET6, text.c_str(), &v6) == 1 ||
                          inet_pton(AF_INET, text.c_str(), &v4) == 1;
    const auto address = IpAddress::Parse(text);
    EXPECT_EQ(address.ok(), expected) << text << ": " << address.status();
    if (address.ok() && text.find(':') != std::string::npos) {
      EXPECT_EQ(std::memcmp(&v6, address->bytes().data(), 16), 0) << text;
    }
  }
}

TEST(IpAddressTest, OrdersWithinAFamilyByNumber) {
  EXPECT_LT(Ip("10.0.0.9"), Ip("10.0.0.10"));
  EXPECT_LT(Ip("2001:db8::9"), Ip("2001:db8::10"));
}

TEST(IpAddressTest, EqualAddressesHashAlike) {
  const absl::Hash<IpAddress> hash;
  EXPECT_EQ(hash(Ip("10.0.0.1")), hash(Ip("::ffff:10.0.0.1")));
  EXPECT_NE(hash(Ip("10.0.0.1")), hash(Ip("10.0.0.2")));
}

TEST(IpPrefixTest, CountsItsLengthInTermsOfItsFamily) {
  EXPECT_EQ(Prefix("10.0.0.0/8").length(), 8);
  EXPECT_EQ(Prefix("10.0.0.0/8").bits(), 104);
  EXPECT_TRUE(Prefix("10.0.0.0/8").is_v4());
  EXPECT_EQ(Prefix("2001:db8::/32").length(), 32);
  EXPECT_EQ(Prefix("2001:db8::/32").bits(), 32);
  EXPECT_EQ(Prefix("::ffff:10.0.0.0/104"), Prefix("10.0.0.0/8"));
  EXPECT_EQ(IpPrefix(), Prefix("::/0"));
}

TEST(IpPrefixTest, TakesALoneAddressAsThePrefixOfItself) {
  EXPECT_EQ(Prefix("10.0.0.1").ToString(), "10.0.0.1/32");
  EXPECT_EQ(Prefix("::1").ToString(), "::1/128");
}

TEST(IpPrefixTest, NamesTheCanonicalFormWhereHostBitsAreSet) {
  const auto prefix = IpPrefix::Parse("10.1.0.0/8");
  EXPECT_EQ(prefix.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(prefix.status().message(),
            "prefix \"10.1.0.0/8\": bits are set past its length; the prefix "
            "is 10.0.0.0/8");
}

TEST(IpPrefixTest, ClearsHostBitsWhenLenient) {
  EXPECT_EQ(IpPrefix::ParseLenient("10.1.0.0/8")->ToString(), "10.0.0.0/8");
  EXPECT_EQ(IpPrefix::ParseLenient("2001:db8::1/33")->ToString(),
            "2001:db8::/33");
}

TEST(IpPrefixTest, SaysWhatIsWrongWithAText) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"10.0.0.0/33", "length \"33\" is above 32"},
      {"::/129", "length \"129\" is above 128"},
      {"10.0.0.0/08", "length \"08\" has a leading zero"},
      {"10.0.0.0/", "a number is missing"},
      {"10.0.0.0/8/8", "length \"8/8\" is not"},
      {"10.0.0/8", "found 3 dotted numbers"},
      {"/8", "a number is missing"},
      {"::ffff:0.0.0.0/95", "a length of at least 96"},
  };
  for (const auto& [text, why] : cases) {
    for (const auto& prefix :
         {IpPrefix::Parse(text), IpPrefix::ParseLenient(text)}) {
      EXPECT_EQ(prefix.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(prefix.status().message()), HasSubstr(why));
    }
  }
}

TEST(IpPrefixTest, HoldsNoAddressOfTheOtherFamily) {
  EXPECT_TRUE(Prefix("0.0.0.0/0").Contains(Ip("10.0.0.1")));
  EXPECT_FALSE(Prefix("0.0.0.0/0").Contains(Ip("::1")));
  EXPECT_TRUE(Prefix("::/0").Contains(Ip("::1")));
  EXPECT_FALSE(Prefix("::/0").Contains(Ip("10.0.0.1")));
  EXPECT_FALSE(Prefix("::/0").Contains(Prefix("10.0.0.0/8")));
  EXPECT_FALSE(Prefix("::/80").Contains(Prefix("0.0.0.0/0")));
}

TEST(IpPrefixTest, HoldsFromItsFirstToItsLastAddress) {
  const IpPrefix prefix = Prefix("10.64.0.0/10");
  EXPECT_EQ(prefix.first(), Ip("10.64.0.0"));
  EXPECT_EQ(prefix.last(), Ip("10.127.255.255"));
  EXPECT_TRUE(prefix.Contains(Ip("10.64.0.0")));
  EXPECT_TRUE(prefix.Contains(Ip("10.127.255.255")));
  EXPECT_FALSE(prefix.Contains(Ip("10.63.255.255")));
  EXPECT_FALSE(prefix.Contains(Ip("10.128.0.0")));
}

TEST(IpPrefixTest, HoldsItselfAndLongerPrefixesWithin) {
  EXPECT_TRUE(Prefix("10.0.0.0/8").Contains(Prefix("10.0.0.0/8")));
  EXPECT_TRUE(Prefix("10.0.0.0/8").Contains(Prefix("10.9.0.0/16")));
  EXPECT_FALSE(Prefix("10.9.0.0/16").Contains(Prefix("10.0.0.0/8")));
  EXPECT_FALSE(Prefix("10.0.0.0/8").Contains(Prefix("11.0.0.0/16")));
}

TEST(IpPrefixTest, AgreesWithBitByBitComparison) {
  std::mt19937 random(3);
  const auto bit = [](const IpAddress& a, int i) {
    return a.bytes()[i / 8] >> (7 - i % 8) & 1;
  };
  for (int i = 0; i < 20000; ++i) {
    const IpAddress a = RandomAddress(random);
    const IpPrefix prefix =
        IpPrefix::Of(a, static_cast<int>(random() % (a.is_v4() ? 33 : 129)));
    EXPECT_EQ(Prefix(prefix.ToString()), prefix);
    EXPECT_TRUE(prefix.Contains(a));
    EXPECT_TRUE(prefix.Contains(prefix.first()));
    // Differs from `a` in one bit.
    const int flipped = static_cast<int>(random() % 128);
    auto bytes = a.bytes();
    bytes[flipped / 8] ^= static_cast<uint8_t>(0x80 >> flipped % 8);
    const IpAddress b = IpAddress::FromBytes(bytes);
    bool expected = a.is_v4() == b.is_v4();
    for (int j = 0; j < prefix.bits(); ++j) {
      expected = expected && bit(prefix.address(), j) == bit(b, j);
    }
    EXPECT_EQ(prefix.Contains(b), expected);
  }
}

TEST(IpPrefixTest, ComesBeforeWhatItHolds) {
  const std::set<IpPrefix> sorted = {Prefix("10.0.0.0/16"),
                                     Prefix("10.0.0.0/8"), Prefix("9.0.0.0/8"),
                                     Prefix("10.0.0.0/9")};
  std::vector<std::string> text;
  for (const IpPrefix& prefix : sorted) text.push_back(prefix.ToString());
  EXPECT_THAT(text, ::testing::ElementsAre("9.0.0.0/8", "10.0.0.0/8",
                                           "10.0.0.0/9", "10.0.0.0/16"));
}

TEST(IpPrefixDeathTest, OfALengthBeyondItsFamilyEndsTheProgram) {
  EXPECT_DEATH(IpPrefix::Of(Ip("10.0.0.1"), 33), "");
  EXPECT_DEATH(IpPrefix::Of(Ip("::1"), -1), "");
}

}  // namespace
}  // namespace ciliumcore
