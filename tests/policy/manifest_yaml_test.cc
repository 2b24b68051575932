// SPDX-License-Identifier: Apache-2.0

// YAML that could be misread, and YAML that means harm.

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

constexpr char kHead[] =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n";

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ManifestYamlTest, RefusesAKeyTwice) {
  EXPECT_EQ(Wrong(absl::StrCat(kHead, "  name: b\n")),
            "m.yaml:5:3: expected each key once, found \"name\" again");
  EXPECT_EQ(Wrong("{\"kind\": \"Pod\", \"kind\": \"Job\"}"),
            "m.yaml:1:17: expected each key once, found \"kind\" again");
  // Also where nobody reads.
  EXPECT_EQ(Wrong("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: "
                  "{a: '1', 'a': '2'}\n"),
            "m.yaml:4:16: expected each key once, found \"a\" again");
}

TEST(ManifestYamlTest, SaysWhereTheSyntaxIsWrong) {
  EXPECT_EQ(Wrong("a: b: c\n").substr(0, 32),
            "m.yaml:1:5: expected YAML, found");
  EXPECT_EQ(Wrong("a: [1\n").substr(0, 32), "m.yaml:2:1: expected YAML, found");
  EXPECT_EQ(Wrong("a: \"b\nc: d\n"),
            "m.yaml:1:4: expected a closing quote, found the end of the text");
  EXPECT_EQ(Wrong("a: 'b\nc: d\n"),
            "m.yaml:1:4: expected a closing quote, found the end of the text");
  EXPECT_TRUE(
      TryLoad(absl::StrCat(kHead, "  labels: {x: ''}\n  uid: 'i'")).ok());
  EXPECT_EQ(Wrong("a: *b\n").substr(0, 32), "m.yaml:1:4: expected YAML, found");
  EXPECT_EQ(Wrong("{{ .Values.x }}\n").substr(0, 11), "m.yaml:1:2:");
}

TEST(ManifestYamlTest, ComesToAnEndWhereTheParserDoesNot) {
  for (const char* text : {"]", "a: b\n]\n", "}", "- a\n}", "[a]]", "{a: b}}",
                           ",", "a: b\n---\n]"}) {
    EXPECT_NE(Wrong(text).find("expected"), std::string::npos) << text;
  }
  EXPECT_EQ(Wrong(",").substr(0, 32), "m.yaml:1:1: expected YAML, found");
}

TEST(ManifestYamlTest, KeepsTheProblemsBeforeASyntaxError) {
  const std::string wrong = Wrong(absl::StrCat(kHead, "  nam: b\n---\na: [\n"));
  EXPECT_NE(wrong.find("metadata.nam: expected name"), std::string::npos);
  EXPECT_NE(wrong.find("expected YAML"), std::string::npos);
}

TEST(ManifestYamlTest, RefusesKeysThatAreNoStrings) {
  EXPECT_EQ(Wrong("? [a]\n: b\n"), "m.yaml:1:3: expected a string as a key");
  EXPECT_EQ(Wrong("~: b\n"), "m.yaml:1:1: expected a string as a key");
}

TEST(ManifestYamlTest, RefusesLabelKeysThatMayBeReadAsOthers) {
  EXPECT_EQ(Wrong(absl::StrCat(kHead, "  labels: {on: x}\n")),
            "m.yaml:5:12: Namespace a: metadata.labels: expected a string as a "
            "key, found on without quotes");
  EXPECT_EQ(Wrong(absl::StrCat(kHead, "  labels: {010: x}\n")),
            "m.yaml:5:12: Namespace a: metadata.labels: expected a string as a "
            "key, found 010 without quotes");
  EXPECT_TRUE(TryLoad(absl::StrCat(kHead, "  labels: {'on': x}\n")).ok());
}

TEST(ManifestYamlTest, RefusesTagsAndMergeKeys) {
  EXPECT_EQ(Wrong("a: !!binary aGVsbG8=\n"),
            "m.yaml:1:4: expected no tag, found \"tag:yaml.org,2002:binary\"");
  EXPECT_EQ(Wrong("a: !mine {b: c}\n"),
            "m.yaml:1:4: expected no tag, found \"!mine\"");
  EXPECT_EQ(Wrong("a: &x {b: c}\nd:\n  <<: *x\n"),
            "m.yaml:3:3: expected no merge key, found <<");
  EXPECT_TRUE(TryLoad(absl::StrCat(kHead, "  labels: {x: !!str 010}\n")).ok());
}

TEST(ManifestYamlTest, KnowsWhatAnyYamlReadsAsANumberOrABoolean) {
  for (const char* value :
       {"1",    "-1",   "+1",  "010", "0o10",   "0x1F", "0b1",   "1_000",
        "1.5",  "1.",   ".5",  "1e3", "1.5E-3", ".inf", "-.INF", ".NaN",
        "true", "True", "yes", "No",  "ON",     "off",  "y",     "N"}) {
    EXPECT_FALSE(
        TryLoad(absl::StrCat(kHead, "  labels: {x: ", value, "}\n")).ok())
        << value;
    EXPECT_TRUE(
        TryLoad(absl::StrCat(kHead, "  annotations: {x: '", value, "'}\n"))
            .ok())
        << value;
  }
  for (const char* value : {"1a", "v1", "1.2.3", "0xg", "1-2", "e1", "truth",
                            "yesterday", "a", "0b2x", "1e", "10.0.0.1"}) {
    EXPECT_TRUE(
        TryLoad(absl::StrCat(kHead, "  labels: {x: ", value, "}\n")).ok())
        << value;
  }
}

TEST(ManifestYamlTest, ReadsAliases) {
  const Cluster cluster = Load(absl::StrCat(
      kHead, "  labels: &l {x: z}\n---\n",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: &m {a: &v b}, "
      "annotations: *m}\nspec: {hostname: *v}\n"));
  EXPECT_EQ(cluster.pods[0].labels, (Labels{{"a", "b"}}));
}

TEST(ManifestYamlTest, RefusesAliasesThatExplode) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " [",
                    Repeated(absl::StrCat("*a", i - 1, ", "), 9), "*a", i - 1,
                    "]\n");
  }
  EXPECT_EQ(Wrong(text),
            "m.yaml:5:40: expected anchors and aliases of at most 100000 "
            "nodes and 16777216 bytes of text, found more");
}

TEST(ManifestYamlTest, RefusesAliasesOfMuchText) {
  const auto text = [](int aliases) {
    return absl::StrCat(kHead, "  annotations:\n    x: &x ",
                        std::string(1 << 20, 'x'), "\n", "  finalizers: [",
                        Repeated("*x, ", aliases), "]\n");
  };
  // The anchor is a copy, too.
  EXPECT_EQ(Wrong(text(15)), "");
  EXPECT_EQ(Wrong(text(16)),
            "m.yaml:7:76: expected anchors and aliases of at most 100000 nodes "
            "and 16777216 bytes of text, found more");
  // Keys are text as well.
  EXPECT_EQ(Wrong(absl::StrCat("a: &m {? ", std::string(1 << 20, 'k'),
                               " : ~}\nb: [", Repeated("*m, ", 16), "]\n")),
            "m.yaml:2:65: expected anchors and aliases of at most 100000 nodes "
            "and 16777216 bytes of text, found more");
}

TEST(ManifestYamlTest, DocumentsOfATextShareWhatAliasesMayCopy) {
  const std::string document =
      absl::StrCat("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
                   "data: {x: &x [", Repeated("a, ", 9999), "], y: [",
                   Repeated("*x, ", 5), "]}\n");
  EXPECT_EQ(Wrong(document), "");
  EXPECT_EQ(Wrong(absl::StrCat(document, "---\n", document)),
            "m.yaml:9:30031: expected anchors and aliases of at most 100000 "
            "nodes and 16777216 bytes of text, found more");
}

TEST(ManifestYamlTest, AnAliasMeansTheLastAnchorThatBeganBeforeIt) {
  const auto value_of_annotation = [](const std::string& labels) {
    return Wrong(absl::StrCat(kHead, "  labels: ", labels,
                              "\n  annotations: {v: *a}\n"));
  };
  // The inner one is the last, though the outer one ends later.
  EXPECT_EQ(value_of_annotation("&a {x: &a b}"), "");
  EXPECT_EQ(value_of_annotation("{x: &a b, z: &a c}"), "");
  EXPECT_EQ(value_of_annotation("&a {x: b}"),
            "m.yaml:6:20: Namespace a: metadata.annotations.v: expected a "
            "string, found a mapping");
  // While the outer one is open.
  EXPECT_EQ(
      Load(absl::StrCat(kHead, "  labels: &a {x: &a b, z: *a}\n"))
          .namespaces.at("a")
          .labels,
      (Labels{{"kubernetes.io/metadata.name", "a"}, {"x", "b"}, {"z", "b"}}));
  EXPECT_EQ(Wrong("a: &a [&a x, &a [*a]]\n"),
            "m.yaml:1:18: expected an alias of what is complete, found one "
            "inside its own anchor");
}

TEST(ManifestYamlTest, RefusesAnAliasInsideItself) {
  EXPECT_EQ(Wrong("a: &a [*a]\n"),
            "m.yaml:1:8: expected an alias of what is complete, found one "
            "inside its own anchor");
}

TEST(ManifestYamlTest, RefusesAliasesOfNothing) {
  EXPECT_EQ(Wrong("a: *b\nb: &b c\n"),
            "m.yaml:1:4: expected YAML, found: an alias of no anchor");
  // An anchor is one of its document.
  EXPECT_EQ(Wrong(absl::StrCat(kHead, "  uid: &b c\n---\na: *b\n")),
            "m.yaml:7:4: expected YAML, found: an alias of no anchor");
  // The latest of a name is meant, complete or not.
  EXPECT_EQ(Wrong("a: &a b\nc: &a [*a]\n"),
            "m.yaml:2:8: expected an alias of what is complete, found one "
            "inside its own anchor");
}

TEST(ManifestYamlTest, RefusesBytesThatAreNoText) {
  EXPECT_EQ(Wrong("a: b\nc: \xff\n").substr(0, 32),
            "m.yaml:2:4: expected YAML, found");
  // A byte order mark is for UTF-8 alone.
  EXPECT_TRUE(TryLoad(absl::StrCat("\xef\xbb\xbf", kHead)).ok());
  EXPECT_FALSE(TryLoad("\xff\xfe").ok());
}

TEST(ManifestYamlTest, RefusesDirectivesWithoutNumber) {
  const auto text = [](int directives) {
    std::string all;
    for (int i = 0; i < directives; ++i) {
      absl::StrAppend(&all, "%TAG !a", i, "! x\n");
    }
    return absl::StrCat(all, "---\n", kHead);
  };
  EXPECT_TRUE(TryLoad(text(100)).ok());
  EXPECT_EQ(Wrong(text(101)),
            "m.yaml:101:1: expected at most 100 lines that begin with %TAG, "
            "found more");
}

TEST(ManifestYamlTest, ReadsJsonAsOthersWriteIt) {
  const Cluster cluster = Load(
      "{\n\t\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\n\t\"metadata\":{"
      "\"name\":\"a\",\"annotations\":{\"x\":\"\\u00e9\\/\\\"" +
      std::string(5000, 'z') + "\"}}}\n");
  EXPECT_EQ(cluster.namespaces.count("a"), 1u);
}

TEST(ManifestYamlTest, RefusesDeepNesting) {
  const std::string message =
      "expected at most 100 levels of nesting, found more";
  EXPECT_EQ(Wrong(Repeated("[", 101) + Repeated("]", 101)),
            "m.yaml:1:101: " + message);
  EXPECT_NE(Wrong(Repeated("[", 100000)).find(message), std::string::npos);
  EXPECT_NE(Wrong(Repeated("- ", 300) + "x").find(message), std::string::npos);
  EXPECT_NE(Wrong(Repeated("{a: ", 300)).find(message), std::string::npos);
  // By way of aliases.
  std::string text = "a0: &a0 [x]\n";
  for (int i = 1; i < 200; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " [*a", i - 1, "]\n");
  }
  EXPECT_NE(Wrong(text).find(message), std::string::npos);
}

TEST(ManifestYamlTest, RefusesControlCharacters) {
  // The parser takes 0x04 for the end, and the second document would vanish.
  EXPECT_EQ(Wrong(absl::StrCat(kHead, "\x04\n---\n", kHead)),
            "m.yaml:5:1: expected text, found the control character 04");
  EXPECT_EQ(Wrong(std::string("a\0b", 3)),
            "m.yaml:1:2: expected text, found the control character 00");
}

TEST(ManifestYamlTest, IsNotSurprisedByTheEndOfTheText) {
  const std::string text = absl::StrCat(
      kHead, "  labels: {x: z}\n  annotations:\n    z: |\n      block\n");
  for (size_t length = 0; length <= text.size(); ++length) {
    const auto cluster = TryLoad(text.substr(0, length));
    EXPECT_TRUE(cluster.ok() || !cluster.status().message().empty());
  }
}

}  // namespace
}  // namespace ciliumcore
