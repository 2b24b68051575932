// SPDX-License-Identifier: Apache-2.0

// What the records of the journal hold, as bytes and back. Decoders return
// nothing for bytes that no encoder wrote.

#ifndef CILIUMCORE_LIB_DATAPATH_JOURNAL_CODEC_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_JOURNAL_CODEC_INTERNAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/policy/peer.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore::internal {

// An endpoint's slot means this interface.
struct JournalEndpoint {
  std::string interface;
  bool closes = false;  // OnDetach::kClosed
};

// `count` entries of a map from `first` on.
struct JournalRange {
  uint32_t first = 0, count = 0;
};

// A service, and its room in cc_maglev and cc_backends.
struct JournalService {
  ServiceOptions options;
  JournalRange lines, room;
};

// Keys: a number, or a frontend.
std::string EncodeKey(uint32_t number);
std::optional<uint32_t> DecodeKey(absl::string_view bytes);
std::string EncodeKey(const Frontend& frontend);

std::string Encode(const JournalEndpoint& endpoint);
std::string Encode(const JournalService& service);
std::string Encode(const PeerVariety& variety);
std::string Encode(const RuleSet& set);
std::string Encode(const Labels& labels);
std::string Encode(const std::vector<uint32_t>& bounds);

std::optional<JournalEndpoint> DecodeEndpoint(absl::string_view bytes);
std::optional<JournalService> DecodeService(absl::string_view bytes);
std::optional<PeerVariety> DecodePeer(absl::string_view bytes);
std::optional<RuleSet> DecodeRuleSet(absl::string_view bytes);
std::optional<Labels> DecodeLabels(absl::string_view bytes);
std::optional<std::vector<uint32_t>> DecodeBounds(absl::string_view bytes);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_JOURNAL_CODEC_INTERNAL_H_
