// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/service_check.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/maps/map.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/instance_view_internal.h"
#include "lib/datapath/pins_internal.h"
#include "lib/datapath/service_check_internal.h"
#include "lib/datapath/service_maps_internal.h"
#include "lib/datapath/service_writer_internal.h"

namespace ciliumcore {
namespace internal {
namespace {

constexpr int kTries = 10;
constexpr absl::Duration kPause = absl::Milliseconds(5);

template <typename T>
T Read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

absl::StatusOr<ServiceReport> CheckOnce(const InspectOptions& options) {
  CC_ASSIGN_OR_RETURN(InstanceView view, InstanceView::Open(options));
  if (view.services.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "instance ", options.name,
        ": expected one that serves a cgroup, found one without services"));
  }
  CC_RETURN_IF_ERROR(view.Find("cc_journal").status());
  CC_ASSIGN_OR_RETURN(const Journal::Records records,
                      Journal::RecordsAt(view.journal, view.epoch()));
  ServiceSight sight = {.epoch = view.epoch(),
                        .heads = view.frontend_lines,
                        .services = view.services,
                        .slots = view.maglev,
                        .backends = view.backends};
  CC_ASSIGN_OR_RETURN(MapReader * state, view.Find("cc_state"));
  CC_ASSIGN_OR_RETURN(const auto state_entries, state->Entries<cc_state>());
  sight.seed = state_entries[0].addr_seed;
  sight.mask = state_entries[0].service_mask;
  CC_ASSIGN_OR_RETURN(sight.wanted, ServicesIn(records));
  CC_ASSIGN_OR_RETURN(MapReader * affinity, view.Find("cc_affinity"));
  CC_RETURN_IF_ERROR(affinity->Check(abi::ShapeOf<cc_affinity_key>(),
                                     abi::ShapeOf<cc_affinity>()));
  CC_RETURN_IF_ERROR(
      affinity->ForEach([&](const std::byte* key, const std::byte* value) {
        sight.affinity.emplace_back(Read<cc_affinity_key>(key),
                                    Read<cc_affinity>(value));
        return true;
      }));
  ServiceReport report = {.generation = view.epoch(),
                          .services = sight.wanted.size(),
                          .findings = FindingsIn(sight)};
  const uint32_t epoch = LoadAcquire(&state_entries[0].epoch);
  if (epoch == report.generation) return report;
  return absl::UnavailableError(absl::StrCat(
      "instance ", options.name, ": generation ", report.generation,
      " ended while it was read, ", epoch, " began"));
}

// The services of a pinned instance, written anew. All is made, and the journal
// has room for it, before anything that programs read is touched.
class Repair {
 public:
  Repair(const Pins& pins, std::string name)
      : pins_(pins), name_(std::move(name)) {}

  absl::Status Run() {
    CC_ASSIGN_OR_RETURN(auto state, MappedArray<cc_state>::OpenPinned(
                                        pins_.MapPath("cc_state")));
    const uint32_t epoch = LoadAcquire(&state[0].epoch);
    CC_ASSIGN_OR_RETURN(Journal::Lines lines, Journal::Lines::OpenPinned(
                                                  pins_.MapPath("cc_journal")));
    CC_ASSIGN_OR_RETURN(Journal journal,
                        Journal::Recover(std::move(lines), epoch));
    CC_ASSIGN_OR_RETURN(
        ServiceMaps maps,
        ServiceMaps::Adopt([this](const char* map) -> absl::StatusOr<UniqueFd> {
          UniqueFd fd = Pins::Get(pins_.MapPath(map));
          if (fd.valid()) return fd;
          return absl::NotFoundError(absl::StrCat("map ", map, ": no pin"));
        }));
    CC_ASSIGN_OR_RETURN(const Barrier barrier, KernelBarrier());
    CC_ASSIGN_OR_RETURN(const ServiceMaps made,
                        Make(maps, state[0], epoch, journal));
    CC_RETURN_IF_ERROR(Put(made, barrier, maps));
    // Its own mask may have been the damage.
    state[0].service_mask = static_cast<uint32_t>(maps.heads.size() - 1);
    return ForgetClients();
  }

 private:
  // In the epoch that is in force: what somebody may have prepared for the next
  // one is not to become true.
  absl::StatusOr<ServiceMaps> Make(const ServiceMaps& maps,
                                   const cc_state& state, uint32_t epoch,
                                   Journal& journal) const {
    CC_ASSIGN_OR_RETURN(const auto wanted, ServicesIn(journal.records()));
    std::vector<std::pair<Frontend, ServiceRef>> table;
    for (const auto& [frontend, service] : wanted) {
      table.emplace_back(
          frontend, std::make_shared<const ServiceOptions>(service.options));
    }
    cc_state scratch = state;
    CC_ASSIGN_OR_RETURN(
        ServiceMaps made,
        ServiceMaps::CreateInMemory(
            {.heads = static_cast<uint32_t>(maps.heads.size()),
             .services = static_cast<uint32_t>(maps.services.size()),
             .slots = static_cast<uint32_t>(maps.slots.size()),
             .backends = static_cast<uint32_t>(maps.backends.size())}));
    GraceKeeper nobody_reads([] { return absl::OkStatus(); });
    nobody_reads.Published(epoch);
    ServiceWriter writer(&scratch, std::move(made), &nobody_reads,
                         TickSeconds());
    Staging staging;
    absl::Status done = writer.Stage(ServiceTable::FromSorted(std::move(table)),
                                     epoch, staging);
    if (done.ok()) {
      done =
          journal.Append(epoch, staging.records(), [](const Journal::Key& key) {
            return key.first != JournalKind::kService;
          });
    }
    if (!done.ok()) return Annotate(done, absl::StrCat("instance ", name_));
    return std::move(writer.maps());
  }

  // No program may be among the services when they go.
  static absl::Status Put(const ServiceMaps& made, const Barrier& barrier,
                          ServiceMaps& maps) {
    const auto store_heads = [&](bool are_there) {
      for (size_t line = 0; line < maps.heads.size(); ++line) {
        for (uint32_t i = 0; i < CC_SERVICE_HEADS; ++i) {
          StoreRelease(&maps.heads[line].service[i],
                       are_there ? made.heads[line].service[i] : uint32_t{0});
        }
      }
    };
    const auto copy = [](const auto& from, auto& to) {
      for (size_t i = 0; i < from.size(); ++i) to[i] = from[i];
    };
    store_heads(false);
    CC_RETURN_IF_ERROR(barrier());
    copy(made.services, maps.services);
    copy(made.slots, maps.slots);
    copy(made.backends, maps.backends);
    store_heads(true);
    return absl::OkStatus();
  }

  absl::Status ForgetClients() const {
    using Affinity = Map<cc_affinity_key, cc_affinity>;
    CC_ASSIGN_OR_RETURN(Affinity affinity,
                        Affinity::OpenPinned(pins_.MapPath("cc_affinity")));
    std::vector<cc_affinity_key> keys;
    CC_RETURN_IF_ERROR(
        affinity.ForEach([&](const cc_affinity_key& key, const cc_affinity&) {
          keys.push_back(key);
        }));
    for (const cc_affinity_key& key : keys) {
      const absl::Status erased = affinity.Erase(key);
      if (!erased.ok() && !absl::IsNotFound(erased)) return erased;
    }
    return absl::OkStatus();
  }

  const Pins& pins_;
  const std::string name_;
};

}  // namespace

absl::StatusOr<std::map<Frontend, JournalService>> ServicesIn(
    const Journal::Records& records) {
  std::map<Frontend, JournalService> services;
  const Found found = {.epoch = 0, .records = &records};
  CC_RETURN_IF_ERROR(found.ForEach(
      JournalKind::kService,
      [&](const std::string&, const std::string& value) -> absl::Status {
        auto service = DecodeService(value);
        if (!service.has_value()) {
          return absl::DataLossError(
              "map cc_journal: a record of a service cannot be read");
        }
        const Frontend frontend = service->options.frontend;
        services.insert_or_assign(frontend, *std::move(service));
        return absl::OkStatus();
      }));
  return services;
}

}  // namespace internal

absl::string_view ServiceFindingKindName(ServiceFinding::Kind kind) {
  using Kind = ServiceFinding::Kind;
  switch (kind) {
    case Kind::kBrokenChain:
      return "broken chain";
    case Kind::kMissingService:
      return "missing service";
    case Kind::kBrokenSwitch:
      return "broken switch";
    case Kind::kOrphanService:
      return "orphan service";
    case Kind::kOverlap:
      return "overlap";
    case Kind::kOrphanTable:
      return "orphan table";
    case Kind::kForeignTable:
      return "foreign table";
    case Kind::kTableSize:
      return "table size";
    case Kind::kSlotOutOfRange:
      return "slot out of range";
    case Kind::kInactiveSlot:
      return "inactive slot";
    case Kind::kWrongCount:
      return "wrong count";
    case Kind::kWrongSlot:
      return "wrong slot";
    case Kind::kMissingBackend:
      return "missing backend";
    case Kind::kMissingReverse:
      return "missing reverse entry";
    case Kind::kForeignReverse:
      return "foreign reverse entry";
    case Kind::kWrongCopy:
      return "wrong copy";
    case Kind::kLeakedBackend:
      return "leaked backend";
    case Kind::kWrongAffinity:
      return "wrong affinity";
    case Kind::kOrphanAffinity:
      return "orphan affinity";
    case Kind::kRemovedAffinity:
      return "affinity to a removed backend";
  }
  return "";
}

std::string ServiceFinding::ToString() const {
  return absl::StrCat(ServiceFindingKindName(kind), ": map ", map, ", entry ",
                      entry, ": ", service.empty() ? "" : "service ", service,
                      service.empty() ? "" : ": ", what);
}

absl::StatusOr<std::vector<ServiceOptions>> ListServices(
    const InspectOptions& instance) {
  CC_ASSIGN_OR_RETURN(internal::InstanceView view,
                      internal::InstanceView::Open(instance));
  CC_RETURN_IF_ERROR(view.Find("cc_journal").status());
  CC_ASSIGN_OR_RETURN(const internal::Journal::Records records,
                      internal::Journal::RecordsAt(view.journal, view.epoch()));
  CC_ASSIGN_OR_RETURN(auto wanted, internal::ServicesIn(records));
  std::vector<ServiceOptions> services;
  for (auto& [frontend, service] : wanted)
    services.push_back(std::move(service.options));
  return services;
}

absl::StatusOr<ServiceReport> CheckServices(const InspectOptions& instance) {
  absl::StatusOr<ServiceReport> report = internal::CheckOnce(instance);
  for (int i = 1; i < internal::kTries; ++i) {
    const bool is_sure = report.ok() ? report->findings.empty()
                                     : !absl::IsUnavailable(report.status()) &&
                                           !absl::IsDataLoss(report.status());
    if (is_sure) return report;
    absl::SleepFor(internal::kPause);
    absl::StatusOr<ServiceReport> again = internal::CheckOnce(instance);
    const bool is_found_again =
        report.ok() && again.ok() && report->findings == again->findings;
    report = std::move(again);
    if (is_found_again) return report;
  }
  if (!report.ok() || report->findings.empty()) return report;
  return absl::UnavailableError(
      absl::StrCat("instance ", instance.name,
                   ": its maps differed in another place each time that they "
                   "were read: somebody is writing them"));
}

absl::StatusOr<ServiceReport> RepairServices(const InspectOptions& instance) {
  // Whoever asks about what is not there makes no directories.
  const absl::Status there = internal::CheckOnce(instance).status();
  if (!there.ok() && !absl::IsUnavailable(there)) return there;
  CC_ASSIGN_OR_RETURN(const auto pins,
                      internal::Pins::Open(instance.bpffs, instance.name));
  CC_ASSIGN_OR_RETURN(ServiceReport report, internal::CheckOnce(instance));
  if (report.findings.empty()) return report;
  CC_RETURN_IF_ERROR(internal::Repair(*pins, instance.name).Run());
  return report;
}

}  // namespace ciliumcore
