// SPDX-License-Identifier: Apache-2.0

#include "tests/bpf/state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace ciliumcore::testing {
namespace {

// The port axis of a table: where its intervals begin, and which rule decides
// in each of them for a peer.
class Axis {
 public:
  explicit Axis(const std::vector<Rule>& rules) : rules_(rules) {
    for (const Rule& rule : rules) {
      if (rule.protocol == 0) continue;
      const uint32_t base = uint32_t{rule.protocol} << 16;
      bounds_.insert(base + rule.first);
      bounds_.insert(base + rule.last + 1);
    }
  }

  const std::set<uint32_t>& bounds() const { return bounds_; }
  uint16_t intervals() const {
    return static_cast<uint16_t>(bounds_.size() + 1);
  }
  uint16_t IntervalOf(uint32_t at) const {
    return static_cast<uint16_t>(
        std::distance(bounds_.begin(), bounds_.upper_bound(at)));
  }

  cc_cell Decide(std::optional<uint32_t> peer, uint16_t interval) const {
    // Any place in the interval stands for all of it.
    const uint32_t at =
        interval == 0 ? 0 : *std::next(bounds_.begin(), interval - 1);
    for (size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.peer && rule.peer != peer) continue;
      const uint32_t base = uint32_t{rule.protocol} << 16;
      if (rule.protocol != 0 &&
          (at < base + rule.first || at > base + rule.last)) {
        continue;
      }
      return {.rule_set = rule.rule_set != 0 ? rule.rule_set
                                             : static_cast<uint32_t>(100 + i),
              .proxy_port = 0,
              .verdict = static_cast<uint8_t>(rule.verdict),
              .auth = 0};
    }
    return {
        .rule_set = 99, .proxy_port = 0, .verdict = CC_VERDICT_DENY, .auth = 0};
  }

 private:
  const std::vector<Rule>& rules_;
  std::set<uint32_t> bounds_;
};

}  // namespace

IpAddress Ip(absl::string_view text) {
  absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << text;
  return address.value_or(IpAddress());
}

State::State(std::vector<ProgramRunner*> runners)
    : runners_(std::move(runners)),
      heads_(kStateHeads),
      written_heads_(kStateHeads),
      places_(kStatePlaces),
      written_places_(kStatePlaces),
      index_(&state_, absl::MakeSpan(heads_), absl::MakeSpan(places_)) {}

void State::PutBytes(absl::string_view map, const void* key,
                     const void* value) {
  for (ProgramRunner* runner : runners_) {
    const absl::Status status = runner->PutBytes(map, key, value);
    EXPECT_TRUE(status.ok()) << map << ": " << status;
  }
}

void State::Epoch(uint32_t epoch) {
  state_.epoch = epoch;
  Put("cc_state", uint32_t{0}, state_);
}

void State::Ticks(uint32_t ticks) {
  Put("cc_clock", uint32_t{0}, cc_clock{.ticks = ticks, .pad = 0});
}

void State::Endpoint(uint16_t slot, const EndpointSpec& spec) {
  cc_endpoint endpoint = {};
  endpoint.subject = spec.subject;
  endpoint.v4 = abi::ToAddr(spec.v4);
  endpoint.v6 = abi::ToAddr(spec.v6);
  std::copy(spec.mac.begin(), spec.mac.end(), endpoint.mac);
  std::copy(spec.host_mac.begin(), spec.host_mac.end(), endpoint.host_mac);
  endpoint.ifindex = spec.ifindex;
  endpoint.flags = spec.flags;
  Put("cc_endpoints", uint32_t{slot}, endpoint);
  Put(spec.ifindex < CC_IFINDEX_DIRECT ? "cc_ifindex" : "cc_ifindex_far",
      spec.ifindex, uint32_t{slot});
}

void State::RemoveEndpoint(uint16_t slot, uint32_t ifindex) {
  Put("cc_ifindex", ifindex, uint32_t{0});
  Put("cc_endpoints", uint32_t{slot}, cc_endpoint{});
}

void State::Subject(uint16_t index, const cc_subject& subject) {
  Put("cc_subjects", uint32_t{index}, subject);
}

void State::Table(uint16_t index, const std::vector<Rule>& rules, bool paged) {
  const Axis axis(rules);
  std::map<uint32_t, uint32_t> classes;  // by peer
  for (const Rule& rule : rules) {
    if (rule.peer) {
      classes.emplace(*rule.peer, static_cast<uint32_t>(classes.size() + 1));
    }
  }
  cc_table table = {};
  table.cells = next_cell_;
  table.interval_count = axis.intervals();
  table.class_count = static_cast<uint32_t>(classes.size() + 1);
  next_cell_ += table.interval_count * table.class_count;
  const auto put_cells = [&](uint32_t cls, std::optional<uint32_t> peer) {
    for (uint16_t i = 0; i < table.interval_count; ++i) {
      Put("cc_cells", table.cells + cls * table.interval_count + i,
          axis.Decide(peer, i));
    }
  };
  put_cells(0, std::nullopt);
  for (const auto& [peer, cls] : classes) {
    put_cells(cls, peer);
    Put("cc_classes", cc_class_key{.table = index, .peer = peer},
        cc_class_value{.check = cc_class_check(index, peer), .cls = cls});
  }

  if (!paged && axis.bounds().size() <= CC_INLINE_BOUNDS) {
    table.bound_count = static_cast<uint16_t>(axis.bounds().size());
    std::fill(std::begin(table.axis), std::end(table.axis), ~0u);
    std::copy(axis.bounds().begin(), axis.bounds().end(), table.axis);
  } else {
    table.bound_count = CC_BOUNDS_PAGED;
    const std::pair<cc_port_root, uint32_t> roots[] = {
        {CC_ROOT_TCP, 6},  {CC_ROOT_UDP, 17},    {CC_ROOT_SCTP, 132},
        {CC_ROOT_ICMP, 1}, {CC_ROOT_ICMPV6, 58},
    };
    for (const auto& [root, protocol] : roots) {
      cc_port_page page = {};
      const uint32_t root_index = next_page_++;
      for (uint32_t high = 0; high < CC_PORT_PAGE; ++high) {
        const uint32_t at = protocol << 16 | high << 8;
        page.entry[high] = axis.IntervalOf(at);
        if (axis.IntervalOf(at + 255) == page.entry[high]) continue;
        cc_port_page deep = {};
        for (uint32_t low = 0; low < CC_PORT_PAGE; ++low) {
          deep.entry[low] = axis.IntervalOf(at + low);
        }
        page.entry[high] = static_cast<uint16_t>(CC_PORT_DEEP | next_page_);
        Put("cc_port_pages", next_page_++, deep);
      }
      Put("cc_port_pages", root_index, page);
      table.axis[root] = root_index;
    }
    table.axis[CC_ROOT_OTHER] = axis.IntervalOf(0);
  }
  Put("cc_tables", uint32_t{index}, table);
}

void State::Place(uint32_t index, const cc_place& place) {
  places_[index] = place;
  for (auto& [address, named] : addresses_) {
    if (named.like != index) continue;
    places_[named.own].which = place.which;
    std::copy(std::begin(place.value), std::end(place.value),
              places_[named.own].value);
  }
  WriteAddresses();
}

void State::Place(uint32_t index, uint32_t peer, uint16_t where) {
  cc_place place = {};
  place.value[0] = {.peer = peer, .where = where, .pad = 0};
  Place(index, place);
}

void State::Address(const IpAddress& address, uint32_t place) {
  const auto fresh = static_cast<uint32_t>(addresses_.size());
  Named& named = addresses_[address];
  if (named.own == 0) named.own = kStateOwnPlaces + fresh;
  named.like = place;
  if (!named.is_linked) {
    const absl::Status linked = index_.Link(address, named.own);
    EXPECT_TRUE(linked.ok()) << linked;
    named.is_linked = true;
  }
  Place(place, cc_place{places_[place]});
}

void State::ForgetAddress(const IpAddress& address) {
  Named& named = addresses_[address];
  if (!named.is_linked) return;
  index_.Unlink(named.own);
  named.is_linked = false;
  WriteAddresses();
}

void State::WriteAddresses() {
  const auto write = [this](const char* map, const auto& now, auto& written) {
    for (uint32_t i = 0; i < now.size(); ++i) {
      if (std::memcmp(&now[i], &written[i], sizeof(now[i])) == 0) continue;
      written[i] = now[i];
      Put(map, i, now[i]);
    }
  };
  write("cc_addrs", heads_, written_heads_);
  write("cc_places", places_, written_places_);
}

void State::Prefix(const IpPrefix& prefix, uint32_t place) {
  Put("cc_prefixes",
      cc_prefix_key{.bits = static_cast<uint32_t>(prefix.bits()),
                    .addr = abi::ToAddr(prefix.address())},
      place);
}

void State::Hop(uint32_t index, const cc_hop& hop) {
  Put("cc_hops", index, hop);
}

}  // namespace ciliumcore::testing
