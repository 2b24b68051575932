// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/yaml_tree_internal.h"

#include <yaml.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/yaml_anchors_internal.h"

namespace ciliumcore::internal {
namespace {

using Refuse = absl::FunctionRef<void(TextPlace, absl::string_view)>;

TextPlace PlaceOf(const yaml_mark_t& mark) {
  return {.line = static_cast<int>(mark.line) + 1,
          .column = static_cast<int>(mark.column) + 1};
}

TextPlace PlaceAt(absl::string_view text, size_t offset) {
  const absl::string_view before = text.substr(0, offset);
  // Behind the last line break; 0 if there is none.
  const size_t start = before.rfind('\n') + 1;
  return {
      .line =
          static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
      .column = static_cast<int>(before.size() - start) + 1};
}

// "" where there is none.
absl::string_view TextOf(const yaml_char_t* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

bool MeansNull(absl::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" ||
         text == "NULL";
}

// Builds a document from the parser's events.
class TreeBuilder {
 public:
  TreeBuilder(YamlCopies& copies, Refuse refuse)
      : copies_(copies), refuse_(refuse) {}

  bool is_refused() const { return is_refused_; }
  bool is_over() const { return is_over_; }  // beyond the limits
  const YamlNode& root() const { return root_; }

  void Take(const yaml_event_t& event) {
    const TextPlace place = PlaceOf(event.start_mark);
    switch (event.type) {
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        const absl::string_view tag = TextOf(scalar.tag);
        CheckTag(place, tag, "str");
        YamlNode node = {
            .kind = YamlNode::Kind::kScalar,
            .is_plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && tag.empty(),
            .place = place,
            .text = std::string(TextOf(scalar.value).data(), scalar.length)};
        if (node.is_plain && MeansNull(node.text)) node = {.place = place};
        Add(std::move(node), anchors_.Begin(TextOf(scalar.anchor)));
        break;
      }
      case YAML_SEQUENCE_START_EVENT: {
        const auto& start = event.data.sequence_start;
        CheckTag(place, TextOf(start.tag), "seq");
        Open({.kind = YamlNode::Kind::kSequence, .place = place},
             TextOf(start.anchor));
        break;
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& start = event.data.mapping_start;
        CheckTag(place, TextOf(start.tag), "map");
        Open({.kind = YamlNode::Kind::kMap, .place = place},
             TextOf(start.anchor));
        break;
      }
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        Close();
        break;
      case YAML_ALIAS_EVENT:
        Copy(place, TextOf(event.data.alias.anchor));
        break;
      default:
        break;
    }
  }

 private:
  struct Frame {
    YamlNode node;
    YamlAnchor anchor = {};
    std::optional<YamlKey> key = {};  // of a map: read, but not its value
    absl::flat_hash_set<std::string> seen = {};
  };

  void RefuseHere(TextPlace place, absl::string_view message) {
    is_refused_ = true;
    refuse_(place, message);
  }

  void Stop(TextPlace place, absl::string_view message) {
    RefuseHere(place, message);
    is_over_ = true;
  }

  // "!" leaves the type to the form, as no tag does.
  void CheckTag(TextPlace place, absl::string_view tag,
                absl::string_view allowed) {
    if (tag.empty() || tag == "!" ||
        tag == absl::StrCat("tag:yaml.org,2002:", allowed)) {
      return;
    }
    RefuseHere(place, absl::StrCat("expected no tag, found ", QuotedName(tag)));
  }

  void Copy(TextPlace place, absl::string_view anchor) {
    const std::optional<YamlNode>* node = anchors_.Find(anchor);
    if (node == nullptr) {
      Stop(place, "expected YAML, found: an alias of no anchor");
      return;
    }
    if (!node->has_value()) {
      Stop(place,
           "expected an alias of what is complete, found one inside its own "
           "anchor");
      return;
    }
    if (!MayCopy(**node, place)) return;
    YamlNode copy = **node;
    copy.place = place;
    Attach(std::move(copy));
  }

  // Whether a copy of `node` may be made, here in the tree.
  bool MayCopy(const YamlNode& node, TextPlace place) {
    const YamlExtent extent = ExtentOf(node);
    if (!copies_.Add(extent)) {
      Stop(place, absl::StrCat("expected anchors and aliases of at most ",
                               kMaxAliasNodes, " nodes and ", kMaxAliasBytes,
                               " bytes of text, found more"));
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

  void Open(YamlNode node, absl::string_view anchor) {
    if (stack_.size() >= kMaxYamlDepth) {
      StopForDepth(node.place);
      return;
    }
    stack_.push_back(
        {.node = std::move(node), .anchor = anchors_.Begin(anchor)});
  }

  void Close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    Add(std::move(frame.node), frame.anchor);
  }

  void Add(YamlNode node, const YamlAnchor& anchor) {
    if (anchors_.IsLast(anchor)) {
      if (!MayCopy(node, node.place)) return;
      anchors_.Complete(anchor, node);
    }
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
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

  YamlCopies& copies_;
  Refuse refuse_;
  bool is_refused_ = false;  // something was wrong with the document
  bool is_over_ = false;
  YamlNode root_;
  std::vector<Frame> stack_;
  YamlAnchors anchors_;
};

// Such characters are for terminals, and messages go there.
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

// The parser compares each with all before, and no tag is of use.
bool RefusesTagDirectives(absl::string_view text, Refuse refuse) {
  constexpr int kMost = 100;
  constexpr absl::string_view kDirective = "%TAG";
  int count = 0;
  for (size_t at = text.find(kDirective); at != absl::string_view::npos;
       at = text.find(kDirective, at + 1)) {
    // A line break is one of several characters, none of them printable ASCII.
    if (at != 0 &&
        absl::ascii_isprint(static_cast<unsigned char>(text[at - 1]))) {
      continue;
    }
    if (++count <= kMost) continue;
    refuse(PlaceAt(text, at),
           absl::StrCat("expected at most ", kMost,
                        " lines that begin with %TAG, found more"));
    return true;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(absl::string_view text) {
    is_ready_ = yaml_parser_initialize(&parser_) != 0;
    if (!is_ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &parser_, reinterpret_cast<const unsigned char*>(text.data()),
        text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (is_ready_) yaml_parser_delete(&parser_);
  }

  // False if there is none, but an error.
  bool Next(absl::FunctionRef<void(const yaml_event_t&)> take) {
    yaml_event_t event;
    if (!is_ready_ || yaml_parser_parse(&parser_, &event) == 0) return false;
    take(event);
    yaml_event_delete(&event);
    return true;
  }

  void RefuseError(absl::string_view text, Refuse refuse) const {
    const absl::string_view problem =
        parser_.problem == nullptr ? "no memory" : parser_.problem;
    if (parser_.error == YAML_READER_ERROR) {
      // It has no mark.
      refuse(
          PlaceAt(text, std::min<size_t>(parser_.problem_offset, text.size())),
          absl::StrCat("expected YAML, found: ", problem));
      return;
    }
    const absl::string_view context =
        parser_.context == nullptr ? "" : parser_.context;
    if (context == "while scanning a quoted scalar" &&
        problem == "found unexpected end of stream") {
      refuse(PlaceOf(parser_.context_mark),
             "expected a closing quote, found the end of the text");
      return;
    }
    refuse(PlaceOf(parser_.problem_mark),
           absl::StrCat("expected YAML, found: ", problem));
  }

 private:
  yaml_parser_t parser_;
  bool is_ready_ = false;
};

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
  if (RefusesControlCharacters(text, refuse) ||
      RefusesTagDirectives(text, refuse)) {
    return;
  }
  Parser parser(text);
  YamlCopies copies;
  std::optional<TreeBuilder> builder;  // of the document that is being read
  bool is_end = false;
  while (!is_end) {
    const bool has_event = parser.Next([&](const yaml_event_t& event) {
      if (event.type == YAML_STREAM_END_EVENT) {
        is_end = true;
      } else if (event.type == YAML_DOCUMENT_START_EVENT) {
        builder.emplace(copies, refuse);
      } else if (event.type == YAML_DOCUMENT_END_EVENT) {
        if (!builder->is_refused() &&
            builder->root().kind != YamlNode::Kind::kNull) {
          visit(builder->root());
        }
        builder.reset();
      } else if (builder.has_value()) {
        builder->Take(event);
        is_end = builder->is_over();
      }
    });
    if (has_event) continue;
    // One complaint of a document is enough.
    if (!builder.has_value() || !builder->is_refused()) {
      parser.RefuseError(text, refuse);
    }
    return;
  }
}

}  // namespace ciliumcore::internal
