// SPDX-License-Identifier: Apache-2.0

// What a regular expression costs. Which are refused:
// manifest_cilium_proxy_test.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/policy/regex_fault_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr int kTimes = 20000;

std::string Repeated(const std::string& text) {
  std::string all;
  for (int i = 0; i < kTimes; ++i) all += text;
  return all;
}

// How often each character of `regex` is looked at, on average.
double LooksPerCharacter(const std::string& regex) {
  size_t looks = 0;
  RegexFault(regex, &looks);
  EXPECT_GT(looks, 0u);
  return static_cast<double>(looks) / static_cast<double>(regex.size());
}

TEST(RegexFaultTest, LooksAtEachCharacterAFewTimes) {
  std::string groups;
  for (int i = 0; i < kTimes; ++i) absl::StrAppend(&groups, "(?P<g", i, ">a)");
  EXPECT_EQ(RegexFault(groups), "");
  const std::string cases[] = {
      groups,
      // Each may be the beginning of "[:alpha:]".
      "[" + Repeated("[:") + "a]",
      "[" + Repeated("[:alpha:]") + "]",
      Repeated("(?i)"),
      Repeated("{1"),
      Repeated("a{1,1000}"),
      Repeated("\\Qa\\E"),
      Repeated("\\Q"),
      Repeated("\\pL\\p{Greek}"),
      Repeated("\\x{10}"),
      "\\x{" + Repeated("0"),
      "\\p{" + Repeated("A"),
      "(?" + Repeated("i"),
      "(?P<" + Repeated("a"),
      Repeated("(?:a)"),
      Repeated("\xc3\xa9") + "[" + Repeated("\xc3\xa9") + "]",
  };
  for (const std::string& regex : cases) {
    EXPECT_LT(LooksPerCharacter(regex), 4) << regex.substr(0, 40);
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
