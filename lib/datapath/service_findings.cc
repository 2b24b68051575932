// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "lib/datapath/service_check_internal.h"
#include "lib/datapath/service_index_internal.h"
#include "lib/datapath/service_maps_internal.h"
#include "lib/datapath/service_slots_internal.h"

namespace ciliumcore::internal {
namespace {

using Kind = ServiceFinding::Kind;

// What a target word says.
struct Target {
  uint64_t word = CC_SERVICE_NONE;
  bool is_few() const { return (word & CC_SERVICE_IS_FEW) != 0; }
  bool is_near() const { return is_few() && (word & CC_SERVICE_IS_NEAR) != 0; }
  bool has_slots() const {
    return word != CC_SERVICE_NONE && word != CC_SERVICE_EMPTY;
  }
  uint32_t size() const {
    if (!has_slots()) return 0;
    return static_cast<uint32_t>(word >> 23 & (is_few() ? 0xf : 0x1ffff));
  }
  bool remembers() const { return (word & CC_SERVICE_REMEMBERS) != 0; }
  uint32_t line() const {
    return static_cast<uint32_t>(word >> 40 & (CC_SERVICE_MAX_LINES - 1));
  }
  uint32_t backends() const {
    return static_cast<uint32_t>(word & (CC_SERVICE_MAX_BACKENDS - 1));
  }
};

class Checker {
 public:
  explicit Checker(const ServiceSight& sight) : sight_(sight) {}

  std::vector<ServiceFinding> Run() {
    if (sight_.mask != sight_.heads.size() - 1) {
      Add(Kind::kBrokenChain, "", "cc_state", 0, "the mask of chains is ",
          sight_.mask, ", there are ", sight_.heads.size(), " lines");
    }
    WalkChains();
    CheckRanges();
    for (const auto& [frontend, service] : sight_.wanted) {
      const auto found = entries_.find(frontend);
      if (found == entries_.end()) {
        Add(Kind::kMissingService, service.options.ToString(), "cc_frontends",
            0, "no chain leads to it");
      } else {
        CheckService(service, found->second);
      }
    }
    CheckBackends();
    CheckAffinity();
    return std::move(findings_);
  }

 private:
  template <typename... What>
  void Add(Kind kind, std::string service, const char* map, uint32_t entry,
           const What&... what) {
    findings_.push_back({.kind = kind,
                         .service = std::move(service),
                         .map = map,
                         .entry = entry,
                         .what = absl::StrCat(what...)});
  }

  // Which entry each frontend has.
  void WalkChains() {
    for (uint32_t line = 0; line < sight_.heads.size(); ++line) {
      for (uint32_t head = 0; head < CC_SERVICE_HEADS; ++head)
        WalkChain(line, head);
    }
  }

  void WalkChain(uint32_t line, uint32_t head) {
    uint32_t at = sight_.heads[line].service[head];
    for (int length = 1; at != 0; ++length) {
      if (length > CC_SERVICE_CHAIN) {
        Add(Kind::kBrokenChain, "", "cc_frontends", line, "chain ", head,
            " has more than ", CC_SERVICE_CHAIN, " services");
        return;
      }
      if (at >= sight_.services.size()) {
        Add(Kind::kBrokenChain, "", "cc_frontends", line, "chain ", head,
            " leads to service ", at, " of ", sight_.services.size());
        return;
      }
      const cc_service& entry = sight_.services[at];
      const Frontend frontend = ServiceChains::KeyOf(entry);
      const uint32_t hash = ServiceChains::Hash(frontend, sight_.seed);
      if ((hash / CC_SERVICE_HEADS & (sight_.heads.size() - 1)) != line ||
          hash % CC_SERVICE_HEADS != head) {
        Add(Kind::kBrokenChain, "", "cc_frontends", line, "chain ", head,
            " leads to service ", at,
            ", which is of another: ", frontend.ToString());
        return;
      }
      if (!entries_.emplace(frontend, at).second) {
        Add(Kind::kBrokenChain, "", "cc_frontends", line, "chain ", head,
            " leads twice to ", frontend.ToString());
        return;
      }
      const uint16_t which = cc_switch_pick(entry.which, sight_.epoch);
      if (which >= std::size(entry.target)) {
        Add(Kind::kBrokenSwitch, frontend.ToString(), "cc_services", at,
            "it switches to target ", which, " of ", std::size(entry.target));
      }
      const bool is_wanted = sight_.wanted.contains(frontend);
      if (!is_wanted && TargetOf(entry).word != CC_SERVICE_NONE) {
        Add(Kind::kOrphanService, frontend.ToString(), "cc_services", at,
            "it is served, and nobody wants it");
      }
      at = entry.next;
    }
  }

  // As the programs see it.
  Target TargetOf(const cc_service& entry) const {
    return {entry.target[cc_switch_pick(entry.which, sight_.epoch) & 1]};
  }

  // Each part of a map is one service's, and lies in it.
  void CheckRanges() {
    using Parts = std::vector<std::pair<JournalRange, const JournalService*>>;
    Parts lines, rooms;
    for (const auto& [frontend, service] : sight_.wanted) {
      if (service.lines.count != 0) lines.emplace_back(service.lines, &service);
      if (service.room.count != 0) rooms.emplace_back(service.room, &service);
    }
    const auto check = [this](Parts& parts, const char* map, size_t size) {
      std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
        return a.first.first < b.first.first;
      });
      for (size_t i = 0; i < parts.size(); ++i) {
        const auto& [range, service] = parts[i];
        const uint64_t end = uint64_t{range.first} + range.count;
        if (end > size) {
          Add(Kind::kOverlap, service->options.ToString(), map, range.first,
              "its part ends at ", end, ", the map at ", size);
        }
        if (i + 1 < parts.size() && end > parts[i + 1].first.first) {
          Add(Kind::kOverlap, service->options.ToString(), map, range.first,
              "its part ends at ", end, ", and that of service ",
              parts[i + 1].second->options.ToString(), " begins at ",
              parts[i + 1].first.first);
        }
      }
    };
    check(lines, "cc_maglev", sight_.slots.size());
    check(rooms, "cc_backends", sight_.backends.size());
  }

  void CheckService(const JournalService& service, uint32_t at) {
    const std::string name = service.options.ToString();
    const cc_service& entry = sight_.services[at];
    const Target target = TargetOf(entry);
    if (target.word == CC_SERVICE_NONE) {
      Add(Kind::kMissingService, name, "cc_services", at,
          "it stands for nothing");
      return;
    }
    const bool remembers = service.options.affinity == Affinity::kClientIp;
    if (target.has_slots() && (target.remembers() != remembers ||
                               (remembers && entry.affinity_ticks == 0))) {
      Add(Kind::kWrongAffinity, name, "cc_services", at, "clients are ",
          target.remembers() ? "" : "not ", "remembered, for ",
          entry.affinity_ticks, " ticks, and it has ", remembers ? "an" : "no",
          " affinity");
    }
    const std::vector<Backend> backends = BackendsInForce(service.options);
    const std::vector<std::optional<uint16_t>> numbers =
        NumbersOf(service, backends, at, name);
    if (target.has_slots() && target.backends() != service.room.first) {
      Add(Kind::kForeignTable, name, "cc_services", at,
          "its backends begin at ", target.backends(), ", its room at ",
          service.room.first);
      return;
    }
    if (target.is_few() || !target.has_slots()) {
      if (service.lines.count != 0) {
        Add(Kind::kOrphanTable, name, "cc_maglev", service.lines.first,
            service.lines.count, " lines are its own, and it has no table");
      }
    } else if (target.line() != service.lines.first) {
      Add(Kind::kForeignTable, name, "cc_services", at,
          "its slots begin at line ", target.line(), ", its own at ",
          service.lines.first);
      return;
    }
    CheckSlots(service, backends, numbers, target, at, name);
    if (target.is_near()) CheckCopies(backends, numbers, entry, at, name);
  }

  // The numbers of its backends; adds what is wrong with their entries.
  std::vector<std::optional<uint16_t>> NumbersOf(
      const JournalService& service, const std::vector<Backend>& backends,
      uint32_t at, const std::string& name) {
    std::map<std::pair<IpAddress, uint16_t>, uint16_t> found;
    for (uint32_t number = 0; number < service.room.count; ++number) {
      const uint64_t place = uint64_t{service.room.first} + number;
      if (place >= sight_.backends.size()) break;
      const cc_backend& backend = sight_.backends[place];
      if (!IsInForce(backend, sight_.epoch)) continue;
      found.emplace(
          std::pair(abi::FromAddr(backend.addr), abi::FromBe16(backend.port)),
          static_cast<uint16_t>(number));
    }
    std::vector<std::optional<uint16_t>> numbers;
    for (const Backend& backend : backends) {
      const auto known = found.find({backend.address, backend.port});
      if (known == found.end()) {
        numbers.push_back(std::nullopt);
        Add(Kind::kMissingBackend, name, "cc_backends", service.room.first,
            "backend ", backend.address.ToString(), " port ", backend.port,
            " is not in its room of ", service.room.count);
        continue;
      }
      numbers.push_back(known->second);
      const uint32_t place = service.room.first + known->second;
      in_force_.insert(place);
      const uint32_t says = sight_.backends[place].service;
      if (says == at) continue;
      Add(says == 0 ? Kind::kMissingReverse : Kind::kForeignReverse, name,
          "cc_backends", place, "it says that it is of service ", says,
          ", it is of ", at);
    }
    return numbers;
  }

  uint16_t SlotOf(const Target& target, uint32_t slot) const {
    if (target.is_few())
      return static_cast<uint16_t>(target.word >> (27 + 3 * slot) & 7);
    const uint64_t line = uint64_t{target.line()} + slot / CC_SERVICE_SLOTS;
    return line < sight_.slots.size()
               ? sight_.slots[line].backend[slot % CC_SERVICE_SLOTS]
               : uint16_t{0xffff};
  }

  void CheckSlots(const JournalService& service,
                  const std::vector<Backend>& backends,
                  const std::vector<std::optional<uint16_t>>& numbers,
                  const Target& target, uint32_t at, const std::string& name) {
    const bool is_few = target.is_few() || !target.has_slots();
    const char* const map = is_few ? "cc_services" : "cc_maglev";
    const auto entry_of = [&](uint32_t slot) {
      return is_few ? at : target.line() + slot / CC_SERVICE_SLOTS;
    };
    if (target.is_few() && target.size() > CC_SERVICE_FEW) {
      Add(Kind::kTableSize, name, map, at, "it has ", target.size(),
          " slots, of which ", CC_SERVICE_FEW, " fit");
      return;
    }
    // Who may be in a slot.
    std::map<uint16_t, uint32_t> weights;
    std::vector<uint16_t> known;
    for (size_t i = 0; i < backends.size(); ++i) {
      if (!numbers[i].has_value()) continue;
      weights[*numbers[i]] = backends[i].weight;
      known.push_back(*numbers[i]);
    }
    std::map<uint16_t, uint32_t> counts;
    bool is_sound = known.size() == backends.size();
    for (uint32_t slot = 0; slot < target.size(); ++slot) {
      const uint16_t number = SlotOf(target, slot);
      ++counts[number];
      const auto weight = weights.find(number);
      if (number >= service.room.count) {
        Add(Kind::kSlotOutOfRange, name, map, entry_of(slot), "slot ", slot,
            " has backend ", number, " of ", service.room.count);
        is_sound = false;
      } else if (weight == weights.end() || weight->second == 0) {
        Add(Kind::kInactiveSlot, name, map, entry_of(slot), "slot ", slot,
            " has backend ", number, ", which is to get no new clients");
        is_sound = false;
      }
    }
    if (!is_sound) return;
    const auto wanted = SlotsOf(backends, service.options.affinity, known);
    if (!wanted.ok()) return;  // then no writer would have it
    if (wanted->size() != target.size()) {
      Add(Kind::kTableSize, name, map, entry_of(0), "it has ", target.size(),
          " slots, its backends ask for ", wanted->size());
      return;
    }
    std::map<uint16_t, uint32_t> wanted_counts;
    for (const uint16_t number : *wanted) ++wanted_counts[number];
    for (const auto& [number, count] : wanted_counts) {
      if (counts[number] == count) continue;
      Add(Kind::kWrongCount, name, map, entry_of(0), "backend ", number,
          " has ", counts[number], " slots, its weight gives it ", count);
      is_sound = false;
    }
    for (uint32_t slot = 0; is_sound && slot < target.size(); ++slot) {
      const uint16_t number = SlotOf(target, slot);
      if (number == (*wanted)[slot]) continue;
      Add(Kind::kWrongSlot, name, map, entry_of(slot), "slot ", slot,
          " has backend ", number, ", it is that of ", (*wanted)[slot]);
      return;  // one tells
    }
  }

  void CheckCopies(const std::vector<Backend>& backends,
                   const std::vector<std::optional<uint16_t>>& numbers,
                   const cc_service& entry, uint32_t at,
                   const std::string& name) {
    for (size_t i = 0; i < backends.size(); ++i) {
      if (!numbers[i].has_value() || *numbers[i] >= CC_SERVICE_NEAR) continue;
      const uint16_t number = *numbers[i];
      const IpAddress address =
          IpAddress::FromV4(abi::FromBe32(entry.near_addr[number]));
      const uint16_t port = abi::FromBe16(entry.near_port[number]);
      if (address == backends[i].address && port == backends[i].port) continue;
      Add(Kind::kWrongCopy, name, "cc_services", at, "its copy of backend ",
          number, " is ", address.ToString(), " port ", port, ", the backend ",
          backends[i].address.ToString(), " port ", backends[i].port);
    }
  }

  // Of those that are nobody's, none is in force.
  void CheckBackends() {
    for (uint32_t at = 0; at < sight_.backends.size(); ++at) {
      const cc_backend& backend = sight_.backends[at];
      // Of a change that is being prepared, or was when its writer ended.
      if (backend.epoch == static_cast<uint16_t>(sight_.epoch + 1)) continue;
      if (!IsInForce(backend, sight_.epoch) || in_force_.contains(at)) continue;
      Add(Kind::kLeakedBackend, "", "cc_backends", at, "backend ",
          abi::FromAddr(backend.addr).ToString(), " port ",
          abi::FromBe16(backend.port), " is in force, and no service has it");
    }
  }

  // Records outlive what they are about: what counts is who believes them.
  void CheckAffinity() {
    for (const auto& [key, value] : sight_.affinity) {
      if (key.service == 0 || key.service >= sight_.services.size() ||
          value.backend >= sight_.backends.size()) {
        Add(Kind::kOrphanAffinity, "", "cc_affinity", key.service, "client ",
            key.client, " is remembered for service ", key.service,
            " and backend ", value.backend);
        continue;
      }
      const cc_backend& backend = sight_.backends[value.backend];
      const bool is_believed = IsInForce(backend, sight_.epoch) &&
                               backend.born == value.born &&
                               backend.service == key.service;
      if (!is_believed || in_force_.contains(value.backend)) continue;
      Add(Kind::kRemovedAffinity,
          ServiceChains::KeyOf(sight_.services[key.service]).ToString(),
          "cc_affinity", key.service, "client ", key.client,
          " is sent to backend ", value.backend, ", which no service has");
    }
  }

  const ServiceSight& sight_;
  std::map<Frontend, uint32_t> entries_;
  absl::flat_hash_set<uint32_t> in_force_;  // of cc_backends
  std::vector<ServiceFinding> findings_;
};

}  // namespace

std::vector<ServiceFinding> FindingsIn(const ServiceSight& sight) {
  return Checker(sight).Run();
}

}  // namespace ciliumcore::internal
