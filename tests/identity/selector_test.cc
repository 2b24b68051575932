// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/selector.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ciliumcore {
namespace {

using Operator = LabelSelector::Operator;

const Labels kWeb = {{"app", "web"}, {"tier", "front"}, {"empty", ""}};

LabelSelector Expression(std::string key, Operator op,
                         std::vector<std::string> values = {}) {
  LabelSelector selector;
  selector.match_expressions.push_back({std::move(key), op, std::move(values)});
  return selector;
}

TEST(SelectorTest, WithoutTermsSelectsEverything) {
  EXPECT_TRUE(LabelSelector().matches_everything());
  EXPECT_TRUE(LabelSelector().Matches(kWeb));
  EXPECT_TRUE(LabelSelector().Matches({}));
  EXPECT_EQ(LabelSelector().ToString(), "everything");
}

TEST(SelectorTest, MatchLabelsAskForEachKeyAndValue) {
  LabelSelector selector;
  selector.match_labels = {{"app", "web"}};
  EXPECT_TRUE(selector.Matches(kWeb));
  EXPECT_FALSE(selector.Matches({}));
  selector.match_labels.emplace_back("tier", "back");
  EXPECT_FALSE(selector.Matches(kWeb));
}

TEST(SelectorTest, AnEmptyValueIsAValue) {
  LabelSelector selector;
  selector.match_labels = {{"empty", ""}};
  EXPECT_TRUE(selector.Matches(kWeb));
  selector.match_labels = {{"missing", ""}};
  EXPECT_FALSE(selector.Matches(kWeb));
}

TEST(SelectorTest, InWantsTheKeyWithOneOfTheValues) {
  EXPECT_TRUE(Expression("app", Operator::kIn, {"db", "web"}).Matches(kWeb));
  EXPECT_FALSE(Expression("app", Operator::kIn, {"db"}).Matches(kWeb));
  EXPECT_FALSE(Expression("zone", Operator::kIn, {"db"}).Matches(kWeb));
}

TEST(SelectorTest, NotInHoldsWithoutTheKey) {
  EXPECT_TRUE(Expression("app", Operator::kNotIn, {"db"}).Matches(kWeb));
  EXPECT_FALSE(Expression("app", Operator::kNotIn, {"web"}).Matches(kWeb));
  EXPECT_TRUE(Expression("zone", Operator::kNotIn, {"a"}).Matches(kWeb));
  EXPECT_TRUE(Expression("app", Operator::kNotIn, {"web"}).Matches({}));
}

TEST(SelectorTest, ExistsAndDoesNotExistAskForTheKeyAlone) {
  EXPECT_TRUE(Expression("empty", Operator::kExists).Matches(kWeb));
  EXPECT_FALSE(Expression("zone", Operator::kExists).Matches(kWeb));
  EXPECT_FALSE(Expression("empty", Operator::kDoesNotExist).Matches(kWeb));
  EXPECT_TRUE(Expression("zone", Operator::kDoesNotExist).Matches(kWeb));
}

TEST(SelectorTest, AllTermsMustHold) {
  LabelSelector selector = Expression("tier", Operator::kIn, {"front"});
  selector.match_labels = {{"app", "web"}};
  EXPECT_TRUE(selector.Matches(kWeb));
  selector.match_expressions.push_back({"app", Operator::kNotIn, {"web"}});
  EXPECT_FALSE(selector.Matches(kWeb));
}

TEST(SelectorTest, AKeyMayNameItsSource) {
  Labels labels = {{"app", "web"}};
  labels.Set({"reserved", "host", ""});
  EXPECT_TRUE(Expression("k8s:app", Operator::kExists).Matches(labels));
  EXPECT_TRUE(Expression("any:app", Operator::kExists).Matches(labels));
  EXPECT_FALSE(Expression("reserved:app", Operator::kExists).Matches(labels));
  EXPECT_TRUE(Expression("reserved:host", Operator::kExists).Matches(labels));
  EXPECT_FALSE(Expression("k8s:host", Operator::kExists).Matches(labels));
}

TEST(SelectorTest, OneOfSeveralSourcesIsEnoughForInAndTooMuchForNotIn) {
  Labels labels = {{"app", "web"}};
  labels.Set({"other", "app", "db"});
  for (const char* value : {"web", "db"}) {
    EXPECT_TRUE(Expression("app", Operator::kIn, {value}).Matches(labels));
    EXPECT_FALSE(Expression("app", Operator::kNotIn, {value}).Matches(labels));
    LabelSelector selector;
    selector.match_labels = {{"app", value}};
    EXPECT_TRUE(selector.Matches(labels));
  }
}

TEST(SelectorTest, ValidatesOperatorsAgainstTheirValues) {
  EXPECT_TRUE(Expression("a", Operator::kIn, {"b"}).Validate().ok());
  EXPECT_TRUE(Expression("a", Operator::kExists).Validate().ok());
  EXPECT_EQ(Expression("a", Operator::kIn).Validate().message(),
            "selector on a: In: expected values, found none");
  EXPECT_EQ(Expression("a", Operator::kNotIn).Validate().message(),
            "selector on a: NotIn: expected values, found none");
  EXPECT_EQ(Expression("a", Operator::kExists, {"b"}).Validate().message(),
            "selector on a: Exists: expected no values, found 1");
  EXPECT_EQ(
      Expression("a", Operator::kDoesNotExist, {"b", "c"}).Validate().message(),
      "selector on a: DoesNotExist: expected no values, found 2");
}

TEST(SelectorTest, ValidatesKeysAndValues) {
  EXPECT_FALSE(Expression("a b", Operator::kExists).Validate().ok());
  EXPECT_FALSE(Expression("a", Operator::kIn, {"b/c"}).Validate().ok());
  EXPECT_TRUE(Expression("k8s:a", Operator::kExists).Validate().ok());
  EXPECT_FALSE(Expression("k8s:a/b/c", Operator::kExists).Validate().ok());
  EXPECT_TRUE(Expression("cidr:10.0.0.0/8", Operator::kExists).Validate().ok());
  LabelSelector selector;
  selector.match_labels = {{"a", "b c"}};
  EXPECT_FALSE(selector.Validate().ok());
}

TEST(SelectorParseTest, ReadsEveryForm) {
  const auto selector = LabelSelector::Parse(
      "app=web, track==stable,env!=dev,tier in (a,b),zone notin ( x ),run,"
      "!legacy");
  ASSERT_TRUE(selector.ok()) << selector.status();
  LabelSelector wanted;
  wanted.match_labels = {{"app", "web"}, {"track", "stable"}};
  wanted.match_expressions = {{"env", Operator::kNotIn, {"dev"}},
                              {"tier", Operator::kIn, {"a", "b"}},
                              {"zone", Operator::kNotIn, {"x"}},
                              {"run", Operator::kExists, {}},
                              {"legacy", Operator::kDoesNotExist, {}}};
  EXPECT_EQ(*selector, wanted);
  EXPECT_EQ(selector->ToString(),
            "app=web, track=stable, env notin (dev), tier in (a, b), zone "
            "notin (x), run, !legacy");
}

TEST(SelectorParseTest, ReadsWhatItPrints) {
  for (const char* text : {"app=web", "a=", "a in (b, c)", "a notin (b)", "a",
                           "!a", "k8s:a=b, reserved:host", "a in (b), !c, d"}) {
    const auto selector = LabelSelector::Parse(text);
    ASSERT_TRUE(selector.ok()) << text << selector.status();
    EXPECT_EQ(LabelSelector::Parse(selector->ToString()).value(), *selector);
  }
  EXPECT_TRUE(LabelSelector::Parse(" ")->matches_everything());
}

// A parenthesis in a key would swallow the terms printed behind it.
TEST(SelectorParseTest, RefusesWhatItCouldNotReadAgain) {
  for (const char* key : {"x(y:a", "x:a)", "x:!a", "x:(", "(:a"}) {
    LabelSelector selector;
    selector.match_labels = {{key, "b"}};
    EXPECT_EQ(selector.Validate().code(), absl::StatusCode::kInvalidArgument)
        << key;
    EXPECT_FALSE(LabelSelector::Parse("a, " + std::string(key) + "=b").ok());
  }
}

TEST(SelectorParseTest, RefusesWhatIsMalformed) {
  for (const char* text :
       {",", "a,", ",a", "a b", "a in b", "a in (b", "a in b)", "in (a)",
        "a like (b)", "!", "!=b", "=b", "a=b c", "a in (b c)", "a in ((b))"}) {
    EXPECT_EQ(LabelSelector::Parse(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_EQ(LabelSelector::Parse("a b").status().message(),
            "selector term \"a b\": expected key=value, key!=value, key in (a, "
            "b), key notin (a, b), key or !key");
}

}  // namespace
}  // namespace ciliumcore
