// SPDX-License-Identifier: Apache-2.0

// What a regular expression costs. Which are refused:
// manifest_cilium_proxy_test.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/policy/regex_fault_internal.h"

namespace ciliumcore::internal {
namespace {

// So often that what is not linear takes longer than a test may.
constexpr int kTimes = 1'000'000;

std::string Repeated(const std::string& text) {
  std::string all;
  for (int i = 0; i < kTimes; ++i) all += text;
  return all;
}

TEST(RegexFaultTest, VeryLongOnesAreReadInTime) {
  std::string groups;
  for (int i = 0; i < kTimes; ++i) absl::StrAppend(&groups, "(?P<g", i, ">a)");
  EXPECT_EQ(RegexFault(groups), "");
  const std::pair<std::string, bool> cases[] = {
      // Each may be the beginning of "[:alpha:]".
      {"[" + Repeated("[:") + "a]", true},
      {"[" + Repeated("[:alpha:]") + "]", true},
      {Repeated("(?i)"), true},
      {Repeated("{1"), true},
      {Repeated("a{1,1000}"), true},
      {Repeated("\\Qa\\E"), true},
      {Repeated("\\Q"), true},
      {Repeated("\\pL\\p{Greek}"), true},
      {Repeated("\\x{10}"), true},
      {"\\x{" + Repeated("0"), false},
      {"\\p{" + Repeated("A"), false},
      {"(?" + Repeated("i"), false},
      {"(?P<" + Repeated("a"), false},
      {Repeated("(?:a)"), true},
      {Repeated("\xc3\xa9") + "[" + Repeated("\xc3\xa9") + "]", true},
  };
  for (const auto& [regex, is_right] : cases) {
    EXPECT_EQ(RegexFault(regex).empty(), is_right) << regex.substr(0, 40);
  }
}

TEST(RegexFaultTest, GroupsOfOneNameAreFoundHoweverFarApart) {
  std::string groups = "(?P<twice>a)";
  for (int i = 0; i < kTimes; ++i) absl::StrAppend(&groups, "(?P<g", i, ">a)");
  EXPECT_EQ(RegexFault(groups + "(?P<twice>a)"), "two groups of one name");
}

TEST(RegexFaultTest, ANamedClassIsKnownBehindWhatLooksLikeOne) {
  EXPECT_EQ(RegexFault("[[:][[:alpha:]]"), "a class [: :] that is not known");
  EXPECT_EQ(RegexFault("[[:alpha:]][[:]"), "");
}

}  // namespace
}  // namespace ciliumcore::internal
