// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "lib/policy/port_sets_internal.h"

namespace ciliumcore {
namespace {

constexpr Protocol kProtocols[] = {Protocol::kTcp, Protocol::kUdp,
                                   Protocol::kSctp};

// Sorts `spans` and joins those that meet.
PortSpans Joined(PortSpans spans) {
  std::sort(spans.begin(), spans.end());
  PortSpans joined;
  for (const PortSpan& span : spans) {
    if (!joined.empty() && joined.back().protocol == span.protocol &&
        span.from <= uint32_t{joined.back().to} + 1) {
      joined.back().to = std::max(joined.back().to, span.to);
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

uint64_t PairOf(uint32_t a, uint32_t b) {
  return uint64_t{std::min(a, b)} << 32 | std::max(a, b);
}

}  // namespace

PortSets::PortSets() {
  Intern({});
  PortSpans every;
  for (Protocol protocol : kProtocols) every.push_back({protocol, 1, 65535});
  Intern(std::move(every));
}

uint32_t PortSets::Intern(PortSpans spans) {
  const auto [at, inserted] =
      numbers_.try_emplace(spans, static_cast<uint32_t>(sets_.size()));
  if (inserted) sets_.push_back(std::move(spans));
  return at->second;
}

uint32_t PortSets::Of(const CompiledTable& table, uint32_t cls) {
  PortSpans spans;
  const Cell* const row = table.cells.data() + cls * table.intervals();
  for (size_t i = 0; i < table.intervals(); ++i) {
    if (row[i].verdict != Verdict::kAllow) continue;
    const uint32_t first = i == 0 ? 0 : table.bounds[i - 1];
    const uint32_t last =
        i == table.bounds.size() ? kMaxPortKey : table.bounds[i] - 1;
    for (Protocol protocol : kProtocols) {
      const uint32_t from = std::max(first, PortKey(protocol, 1));
      const uint32_t to = std::min(last, PortKey(protocol, 65535));
      if (from > to) continue;
      spans.push_back(
          {protocol, static_cast<uint16_t>(from), static_cast<uint16_t>(to)});
    }
  }
  return Intern(Joined(std::move(spans)));
}

uint32_t PortSets::Intersection(uint32_t a, uint32_t b) {
  if (a == b || b == kEvery || a == kNone) return a;
  if (a == kEvery || b == kNone) return b;
  const auto [at, inserted] = intersections_.try_emplace(PairOf(a, b), kNone);
  if (!inserted) return at->second;
  PortSpans both;
  for (const PortSpan& one : sets_[a]) {
    for (const PortSpan& other : sets_[b]) {
      const uint16_t from = std::max(one.from, other.from);
      const uint16_t to = std::min(one.to, other.to);
      if (one.protocol == other.protocol && from <= to) {
        both.push_back({one.protocol, from, to});
      }
    }
  }
  return at->second = Intern(Joined(std::move(both)));
}

uint32_t PortSets::Union(uint32_t a, uint32_t b) {
  if (a == b || b == kNone || a == kEvery) return a;
  if (a == kNone || b == kEvery) return b;
  const auto [at, inserted] = unions_.try_emplace(PairOf(a, b), kNone);
  if (!inserted) return at->second;
  PortSpans either = sets_[a];
  either.insert(either.end(), sets_[b].begin(), sets_[b].end());
  return at->second = Intern(Joined(std::move(either)));
}

}  // namespace ciliumcore
