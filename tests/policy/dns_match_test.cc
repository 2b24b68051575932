// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/dns_match_internal.h"

#include "gtest/gtest.h"

namespace ciliumcore {
namespace {

TEST(DnsMatchTest, WithoutNameAndPatternNothingIsMeant) {
  for (const DnsMatch& match :
       {DnsMatch(), DnsMatch{.name = "", .pattern = "."}}) {
    EXPECT_FALSE(Matches(match, "example.com"));
    EXPECT_FALSE(Matches(match, ""));
    EXPECT_FALSE(Selects(NameSelectorOf(match), "example.com"));
  }
}

TEST(DnsMatchTest, StarsAloneMeanEveryName) {
  for (const char* pattern : {"*", "**", "***", "*."}) {
    EXPECT_TRUE(Matches({.name = "", .pattern = pattern}, "a.example.com"))
        << pattern;
  }
}

}  // namespace
}  // namespace ciliumcore
