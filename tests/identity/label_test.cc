// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/label.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ciliumcore {
namespace {

Label Read(absl::string_view text) {
  const auto label = Label::Parse(text);
  EXPECT_TRUE(label.ok()) << label.status();
  return label.value_or(Label());
}

TEST(LabelTest, ReadsSourceKeyAndValue) {
  EXPECT_EQ(Read("k8s:app=web"), (Label{"k8s", "app", "web"}));
  EXPECT_EQ(Read("any:app"), (Label{"any", "app", ""}));
  EXPECT_EQ(Read("reserved:host"), (Label{"reserved", "host", ""}));
  EXPECT_EQ(Read("cidr:10.0.0.0/8"), (Label{"cidr", "10.0.0.0/8", ""}));
  EXPECT_EQ(Read("k8s:app.kubernetes.io/name=web"),
            (Label{"k8s", "app.kubernetes.io/name", "web"}));
}

TEST(LabelTest, IsOfKubernetesWithoutASource) {
  EXPECT_EQ(Read("app=web"), (Label{"k8s", "app", "web"}));
  EXPECT_EQ(Read("app="), (Label{"k8s", "app", ""}));
  EXPECT_EQ(Read("app"), (Label{"k8s", "app", ""}));
}

TEST(LabelTest, FindsTheSourceOnlyBeforeTheValue) {
  EXPECT_EQ(Read("image=repo:tag"), (Label{"k8s", "image", "repo:tag"}));
  EXPECT_EQ(Read("k8s:a=b=c"), (Label{"k8s", "a", "b=c"}));
}

TEST(LabelTest, RefusesWhatNamesNothing) {
  for (const char* text : {"", "=", "=web", "k8s:", "k8s:=web", ":app=web",
                           "app=a b", "a\tb", "a;b=c", "a,b", "a\x01=b"}) {
    const auto label = Label::Parse(text);
    EXPECT_EQ(label.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_EQ(Label::Parse("a;b").status().message(),
            "label \"a;b\": expected [source:]key[=value] without blanks, "
            "control characters, ',' and ';'");
}

TEST(LabelTest, ParsesWhatItPrints) {
  for (const char* text : {"k8s:app=web", "reserved:host", "any:app",
                           "cidr:2001-db8--0/32", "k8s:a=b=c"}) {
    EXPECT_EQ(Read(text).ToString(), text);
  }
}

TEST(CidrLabelTest, IsTheCanonicalPrefixInCiliumsForm) {
  const auto key = [](absl::string_view prefix) {
    return CidrLabel(*IpPrefix::Parse(prefix)).ToString();
  };
  EXPECT_EQ(key("10.0.0.0/8"), "cidr:10.0.0.0/8");
  EXPECT_EQ(key("10.0.0.1"), "cidr:10.0.0.1/32");
  EXPECT_EQ(key("2001:db8::/32"), "cidr:2001-db8--0/32");
  EXPECT_EQ(key("::/0"), "cidr:0--0/0");
  EXPECT_EQ(key("::1/128"), "cidr:0--1/128");
}

TEST(LabelsTest, HaveOneOfEachSourceAndKey) {
  Labels labels = {{"app", "web"}, {"tier", "front"}, {"app", "db"}};
  EXPECT_EQ(labels.CanonicalKey(), "k8s:app=db;k8s:tier=front;");
  labels.Set({"reserved", "app", ""});
  EXPECT_EQ(labels.size(), 3u);
  EXPECT_TRUE(labels.Erase("k8s", "app"));
  EXPECT_FALSE(labels.Erase("k8s", "app"));
  EXPECT_EQ(labels.ToString(), "k8s:tier=front, reserved:app");
}

TEST(LabelsTest, AreFoundByKeyOrBySourceAndKey) {
  Labels labels = {{"app", "web"}};
  labels.Set({"any", "app", "other"});
  EXPECT_EQ(*labels.Get("app"), "other");
  EXPECT_EQ(*labels.Get("k8s", "app"), "web");
  EXPECT_EQ(labels.Get("tier"), nullptr);
  EXPECT_EQ(labels.Get("reserved", "app"), nullptr);
}

TEST(LabelsTest, DoNotDependOnTheOrderOfSetting) {
  const Labels a = {{"a", "1"}, {"b", "2"}};
  const Labels b = {{"b", "2"}, {"a", "1"}};
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.CanonicalKey(), b.CanonicalKey());
  EXPECT_NE(a, (Labels{{"a", "1"}}));
  EXPECT_NE(a, (Labels{{"a", "2"}, {"b", "2"}}));
}

TEST(LabelsTest, ParseTheirCanonicalKey) {
  std::mt19937 random(1);
  const std::string letters = "abc:=/.-_";
  for (int i = 0; i < 2000; ++i) {
    Labels labels;
    for (int n = random() % 5; n > 0; --n) {
      std::string text;
      for (int c = 1 + random() % 6; c > 0; --c) {
        text += letters[random() % letters.size()];
      }
      if (const auto label = Label::Parse(text); label.ok()) labels.Set(*label);
    }
    const auto read = Labels::Parse(labels.CanonicalKey());
    ASSERT_TRUE(read.ok()) << labels.CanonicalKey() << read.status();
    ASSERT_EQ(*read, labels) << labels.CanonicalKey();
  }
}

TEST(LabelsTest, RefuseALabelTwice) {
  EXPECT_EQ(Labels::Parse("app=web,app=db").status().message(),
            "labels \"app=web,app=db\": k8s:app comes twice");
  EXPECT_EQ(Labels::Parse("app=web,=").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Labels::Parse("app=web,any:app=db").ok());
  EXPECT_TRUE(Labels::Parse("")->empty());
}

TEST(NamespaceOfTest, IsDefaultUnlessTheLabelsNameOne) {
  EXPECT_EQ(NamespaceOf({}), "default");
  EXPECT_EQ(NamespaceOf({{"app", "web"}}), "default");
  const Labels labels = {{kNamespaceKey, "shop"}};
  EXPECT_EQ(NamespaceOf(labels), "shop");
}

TEST(LabelRulesTest, AcceptTheKeysOfKubernetes) {
  for (const char* key : {"app", "App_1.x-y", "a",
                          "kubernetes.io/metadata.name", "a.b-c.d/E", "0/1"}) {
    EXPECT_TRUE(ValidateLabelKey(key).ok()) << key;
  }
  EXPECT_TRUE(ValidateLabelKey(std::string(63, 'a')).ok());
  EXPECT_TRUE(
      ValidateLabelKey(std::string(253, 'a') + "/" + std::string(63, 'a'))
          .ok());
}

TEST(LabelRulesTest, RefuseOtherKeys) {
  for (const char* key : {"", "-app", "app-", "a b", "a/b/c", "/app", "app/",
                          "UPPER/app", "a..b/app", "ä", "k8s:app"}) {
    EXPECT_FALSE(ValidateLabelKey(key).ok()) << key;
  }
  EXPECT_FALSE(ValidateLabelKey(std::string(64, 'a')).ok());
  EXPECT_FALSE(ValidateLabelKey(std::string(254, 'a') + "/a").ok());
  EXPECT_EQ(ValidateLabelKey("a b").message(),
            "expected a label key, [DNS subdomain/]name with at most 63 of "
            "A-Z, a-z, 0-9, '-', '_' and '.' in the name and a letter or digit "
            "at both its ends, found \"a b\"");
}

TEST(LabelRulesTest, AllowAnEmptyValueOnly) {
  EXPECT_TRUE(ValidateLabelValue("").ok());
  EXPECT_TRUE(ValidateLabelValue("v1.2_3-X").ok());
  for (const char* value : {"-", "a/b", "a b", ".a", "a:"}) {
    EXPECT_FALSE(ValidateLabelValue(value).ok()) << value;
  }
  EXPECT_FALSE(ValidateLabelValue(std::string(64, 'a')).ok());
}

}  // namespace
}  // namespace ciliumcore
