// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/meter_internal.h"

#include "ciliumcore/abi/reason.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

void Add(const cc_metric& more, cc_metric& to) {
  to.packets += more.packets;
  to.bytes += more.bytes;
}

}  // namespace

absl::StatusOr<Meter> Meter::Adopt(
    const std::function<absl::StatusOr<UniqueFd>(const char* name)>& map) {
  CC_ASSIGN_OR_RETURN(UniqueFd node_fd, map("cc_metrics"));
  CC_ASSIGN_OR_RETURN(UniqueFd forwarded_fd, map("cc_forwarded"));
  CC_ASSIGN_OR_RETURN(UniqueFd drops_fd, map("cc_drops"));
  CC_ASSIGN_OR_RETURN(Node node, Node::Adopt(std::move(node_fd)));
  CC_ASSIGN_OR_RETURN(Forwarded forwarded,
                      Forwarded::Adopt(std::move(forwarded_fd)));
  CC_ASSIGN_OR_RETURN(Drops drops, Drops::Adopt(std::move(drops_fd)));
  return Meter(std::move(node), std::move(forwarded), std::move(drops));
}

absl::Status Meter::AddForwarded(Totals& totals) const {
  return forwarded_.ForEach(
      [&](uint32_t page, const std::vector<cc_forwarded>& cpus) {
        for (uint32_t i = 0; i < CC_FORWARDED_ENDPOINTS; ++i) {
          const auto slot =
              static_cast<uint16_t>(page * CC_FORWARDED_ENDPOINTS + i);
          for (const uint8_t direction : {CC_EGRESS, CC_INGRESS}) {
            cc_metric total = {};
            for (const cc_forwarded& cpu : cpus)
              Add(cpu.at[CC_FORWARDED_AT(slot, direction)], total);
            if (total.packets != 0)
              Add(total, totals[{slot, direction, CC_REASON_FORWARDED}]);
          }
        }
      });
}

absl::StatusOr<Meter::Totals> Meter::BySlot() const {
  Totals totals;
  CC_RETURN_IF_ERROR(AddForwarded(totals));
  CC_RETURN_IF_ERROR(drops_.ForEach(
      [&](const cc_drop_key& key, const std::vector<cc_metric>& cpus) {
        for (const cc_metric& cpu : cpus)
          Add(cpu, totals[{key.slot, key.direction, key.reason}]);
      }));
  return totals;
}

absl::StatusOr<std::vector<Counter>> Meter::Read() const {
  std::map<std::pair<uint8_t, uint8_t>, cc_metric> totals;
  Totals forwarded;
  CC_RETURN_IF_ERROR(AddForwarded(forwarded));
  for (const auto& [key, metric] : forwarded)
    Add(metric, totals[{std::get<1>(key), CC_REASON_FORWARDED}]);
  CC_RETURN_IF_ERROR(
      node_.ForEach([&](uint32_t key, const std::vector<cc_metric>& cpus) {
        for (const cc_metric& cpu : cpus)
          Add(cpu, totals[{static_cast<uint8_t>(key >> 8),
                           static_cast<uint8_t>(key & 0xff)}]);
      }));
  std::vector<Counter> counters;
  for (const auto& [key, metric] : totals) {
    if (metric.packets == 0) continue;
    counters.push_back({.is_egress = key.first == CC_EGRESS,
                        .reason = key.second,
                        .packets = metric.packets,
                        .bytes = metric.bytes,
                        .endpoint = ""});
  }
  return counters;
}

absl::StatusOr<std::vector<Counter>> Meter::ReadEndpoints() const {
  CC_ASSIGN_OR_RETURN(const Totals totals, BySlot());
  std::map<uint16_t, const std::string*> names;
  for (const auto& [name, slot] : slots_) names[slot] = &name;
  std::vector<Counter> counters;
  for (const auto& [key, metric] : totals) {
    const auto& [slot, direction, reason] = key;
    const auto name = names.find(slot);
    if (name == names.end()) continue;
    Counter counter = {.is_egress = direction == CC_EGRESS,
                       .reason = reason,
                       .packets = metric.packets,
                       .bytes = metric.bytes,
                       .endpoint = *name->second};
    if (const auto before = before_.find(key); before != before_.end()) {
      counter.packets -= before->second.packets;
      counter.bytes -= before->second.bytes;
    }
    if (counter.packets != 0) counters.push_back(std::move(counter));
  }
  return counters;
}

absl::Status Meter::Note(const std::map<std::string, uint16_t>& slots) {
  std::set<uint16_t> again;  // slots that have another endpoint than before
  for (const auto& [name, slot] : slots) {
    const auto known = slots_.find(name);
    if (known != slots_.end() && known->second == slot) continue;
    if (!used_.insert(slot).second) again.insert(slot);
  }
  slots_ = slots;
  if (again.empty()) return absl::OkStatus();
  CC_ASSIGN_OR_RETURN(const Totals totals, BySlot());
  for (const auto& [key, metric] : totals) {
    if (again.contains(std::get<0>(key))) before_[key] = metric;
  }
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
