// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/yaml_tree_internal.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore::internal {
namespace {

using Refuse = absl::FunctionRef<void(TextPlace, absl::string_view)>;

TextPlace PlaceOf(const YAML::Mark& mark) {
  return {.line = mark.line + 1, .column = mark.column + 1};
}

struct Extent {
  size_t nodes = 1;
  size_t depth = 1;
};

Extent ExtentOf(const YamlNode& node) {
  Extent all;
  for (const YamlNode& item : node.items) {
    const Extent one = ExtentOf(item);
    all.nodes += one.nodes;
    all.depth = std::max(all.depth, one.depth + 1);
  }
  return all;
}

// Builds a document from the parser's events. The parser cannot be stopped
// without an exception, so once the limits are passed events are ignored.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Refuse refuse) : refuse_(refuse) {}

  bool is_refused() const { return is_refused_; }
  bool has_root() const { return has_root_; }
  const YamlNode& root() const { return root_; }
  const YAML::Mark& start() const { return start_; }
  const YAML::Mark& last_scalar() const { return last_scalar_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add({.place = PlaceOf(mark)}, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") {
      RefuseTag(mark, tag);
    }
    last_scalar_ = mark;
    Add({.kind = YamlNode::Kind::kScalar,
         .is_plain = tag == "?",
         .place = PlaceOf(mark),
         .text = value},
        anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:seq") {
      RefuseTag(mark, tag);
    }
    Open({.kind = YamlNode::Kind::kSequence, .place = PlaceOf(mark)}, anchor);
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:map") {
      RefuseTag(mark, tag);
    }
    Open({.kind = YamlNode::Kind::kMap, .place = PlaceOf(mark)}, anchor);
  }

  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (is_ignoring_) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      Stop(PlaceOf(mark),
           "expected an alias of what is complete, found one inside its own "
           "anchor");
      return;
    }
    if (!MayCopy(found->second, PlaceOf(mark))) return;
    YamlNode copy = found->second;
    copy.place = PlaceOf(mark);
    Attach(std::move(copy));
  }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<YamlKey> key = {};  // of a map: read, but not its value
    absl::flat_hash_set<std::string> seen = {};
  };

  void RefuseHere(TextPlace place, absl::string_view message) {
    is_refused_ = true;
    refuse_(place, message);
  }

  void Stop(TextPlace place, absl::string_view message) {
    RefuseHere(place, message);
    is_ignoring_ = true;
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (is_ignoring_) return;
    RefuseHere(PlaceOf(mark),
               absl::StrCat("expected no tag, found ", QuotedName(tag)));
  }

  // Whether a copy of `node` may be made, here in the tree.
  bool MayCopy(const YamlNode& node, TextPlace place) {
    const Extent extent = ExtentOf(node);
    copied_ += extent.nodes;
    if (copied_ > kMaxAliasNodes) {
      Stop(place, absl::StrCat("expected anchors and aliases of at most ",
                               kMaxAliasNodes, " nodes, found more"));
      return false;
    }
    if (stack_.size() + extent.depth > kMaxYamlDepth) {
      StopForDepth(place);
      return false;
    }
    return true;
  }

  void StopForDepth(TextPlace place) {
    Stop(place, absl::StrCat("expected at most ", kMaxYamlDepth,
                             " levels of nesting, found more"));
  }

  void Open(YamlNode node, YAML::anchor_t anchor) {
    if (is_ignoring_) return;
    if (stack_.size() >= kMaxYamlDepth) {
      StopForDepth(node.place);
      return;
    }
    stack_.push_back({.node = std::move(node), .anchor = anchor});
  }

  void Close() {
    if (is_ignoring_) return;
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    Add(std::move(frame.node), frame.anchor);
  }

  void Add(YamlNode node, YAML::anchor_t anchor) {
    if (is_ignoring_) return;
    if (anchor != YAML::NullAnchor) {
      if (!MayCopy(node, node.place)) return;
      anchors_.insert_or_assign(anchor, node);
    }
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kMap) {
      if (!frame.key.has_value()) {
        AddKey(frame, std::move(node));
        return;
      }
      frame.node.keys.push_back(*std::move(frame.key));
      frame.key.reset();
    }
    frame.node.items.push_back(std::move(node));
  }

  void AddKey(Frame& frame, YamlNode node) {
    if (node.kind != YamlNode::Kind::kScalar) {
      RefuseHere(node.place, "expected a string as a key");
    } else if (node.is_plain && node.text == "<<") {
      RefuseHere(node.place, "expected no merge key, found <<");
    } else if (!frame.seen.insert(node.text).second) {
      RefuseHere(node.place, absl::StrCat("expected each key once, found ",
                                          QuotedName(node.text), " again"));
    }
    frame.key = YamlKey{std::move(node.text), node.place, node.is_plain};
  }

  Refuse refuse_;
  bool is_refused_ = false;   // something was wrong with the document
  bool is_ignoring_ = false;  // and it goes beyond the limits
  bool has_root_ = false;
  YamlNode root_;
  YAML::Mark start_ = YAML::Mark::null_mark();
  YAML::Mark last_scalar_ = YAML::Mark::null_mark();
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  size_t copied_ = 0;  // nodes, into anchors and out of them
};

// The parser takes the character 0x04 for the end of the text, and would drop
// what follows without a word.
bool RefusesControlCharacters(absl::string_view text, Refuse refuse) {
  TextPlace place;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      refuse(place, absl::StrCat("expected text, found the control character ",
                                 absl::Hex(byte, absl::kZeroPad2)));
      return true;
    }
    ++place.column;
    if (c == '\n') place = {.line = place.line + 1, .column = 1};
  }
  return false;
}

// Whether the quotes that open at `at`, if there are any, do not close. To the
// parser the end of the text closes them, and what it has swallowed is no
// error.
bool IsUnclosed(absl::string_view text, const YAML::Mark& at) {
  if (at.is_null() || static_cast<size_t>(at.pos) >= text.size()) return false;
  const char quote = text[at.pos];
  if (quote != '"' && quote != '\'') return false;
  for (size_t i = at.pos + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      return false;
    }
  }
  return true;
}

}  // namespace

const YamlNode* YamlNode::Find(absl::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

void ReadYaml(absl::string_view text,
              absl::FunctionRef<void(const YamlNode&)> visit, Refuse refuse) {
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // a byte order mark
  if (RefusesControlCharacters(text, refuse)) return;
  bool is_refused = false;  // by the document that is being read
  const auto refuse_once = [&](TextPlace place, absl::string_view message) {
    if (!is_refused) refuse(place, message);
  };
  // The boundary: nothing that the parser throws leaves this function.
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    int last_start = -1;
    while (parser) {
      TreeBuilder builder(refuse);
      is_refused = false;
      try {
        if (!parser.HandleNextDocument(builder)) return;
      } catch (...) {
        is_refused = builder.is_refused();
        throw;
      }
      // A token that begins no node, such as a lone ',', is a document to the
      // parser, again and again.
      if (builder.start().pos == last_start) {
        refuse(PlaceOf(builder.start()), "expected YAML, found a stray token");
        return;
      }
      last_start = builder.start().pos;
      if (IsUnclosed(text, builder.last_scalar())) {
        refuse(PlaceOf(builder.last_scalar()),
               "expected a closing quote, found the end of the text");
        return;
      }
      if (builder.is_refused() || !builder.has_root()) continue;
      if (builder.root().kind != YamlNode::Kind::kNull) visit(builder.root());
    }
  } catch (const YAML::Exception& error) {
    refuse_once(error.mark.is_null() ? TextPlace() : PlaceOf(error.mark),
                absl::StrCat("expected YAML, found: ", error.msg));
  } catch (const std::exception& error) {
    refuse_once({}, absl::StrCat("expected YAML, found: ", error.what()));
  }
}

}  // namespace ciliumcore::internal
