// SPDX-License-Identifier: Apache-2.0

// The pinned maps of an instance, typed, as the current epoch sees them.

#ifndef CILIUMCORE_LIB_DATAPATH_INSTANCE_VIEW_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_INSTANCE_VIEW_INTERNAL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/datapath/inspect.h"
#include "lib/datapath/map_reader_internal.h"

namespace ciliumcore::internal {

// FailedPrecondition if `bpffs` is no bpf file system, with the remedy.
absl::Status CheckBpffs(const std::string& bpffs);

// Names in a directory, ascending; none if it cannot be read.
std::vector<std::string> NamesIn(const std::string& directory);

// What a service stands for at an epoch.
struct TargetView {
  bool is_service = false;  // nobody wants the others any more
  uint32_t size = 0, backends = 0;
  std::optional<uint32_t> line;  // where its slots are in cc_maglev
  uint64_t word = 0;
};

class InstanceView {
 public:
  // As InspectInstance.
  static absl::StatusOr<InstanceView> Open(const InspectOptions& options);

  const std::string& directory() const { return directory_; }
  std::map<std::string, MapReader>& maps() { return maps_; }
  // NotFound, naming those that are there.
  absl::StatusOr<MapReader*> Find(const std::string& map);

  uint32_t epoch() const { return epoch_; }
  absl::Span<const cc_endpoint> endpoints;
  absl::Span<const cc_subject> subjects;
  absl::Span<const cc_addr_heads> address_lines;
  absl::Span<const cc_place> places;
  absl::Span<const cc_hop> hops;
  absl::Span<const cc_table> tables;
  absl::Span<const cc_port_page> port_pages;
  absl::Span<const cc_cell> cells;
  // Empty where the instance has no services.
  absl::Span<const cc_service_heads> frontend_lines;
  absl::Span<const cc_service> services;
  absl::Span<const cc_service_slots> maglev;
  absl::Span<const cc_backend> backends;
  absl::Span<const cc_journal_line> journal;

  // All of these copy what they read once: a writer may be at work. Indices
  // out of a map's range read as zeros.
  cc_subject SubjectOf(const cc_endpoint& endpoint) const;
  cc_place_value ValueOf(uint32_t place) const;
  cc_table TableAt(uint32_t table) const;
  TargetView TargetOf(const cc_service& service) const;
  // The number of the backend in a slot of a service.
  uint16_t BackendIn(const TargetView& target, uint32_t slot) const;

  // Slots of endpoints; tables and their pages; places that addresses lead to,
  // with those of prefixes; hops; services. What the epoch refers to.
  std::vector<uint16_t> LiveEndpoints() const;
  std::set<uint16_t> LiveTables() const;
  std::set<uint32_t> LivePages() const;
  void ForEachAddress(
      absl::FunctionRef<void(uint32_t head, uint32_t place)> visit) const;
  void ForEachService(
      absl::FunctionRef<void(uint32_t head, uint32_t service)> visit) const;
  // Of a service that has them: those that are somebody's.
  std::vector<uint32_t> BackendsOf(uint32_t service) const;

  // Entries in use, for the maps of which arrays' entries all exist; nothing
  // for other maps.
  std::optional<uint64_t> UsedOf(const std::string& map) const;
  // How many of what UsedOf counts fit.
  uint64_t RoomOf(const MapReader& map) const;

 private:
  InstanceView() = default;
  template <typename T>
  absl::Status Bind(const char* map, absl::Span<const T>& entries);
  std::set<uint32_t> PrefixPlaces() const;

  std::string directory_;
  std::map<std::string, MapReader> maps_;
  uint32_t epoch_ = 0;
};

// The tables' port axis: calls `visit` with each interval and the keys
// (protocol << 16 | port) of one of its ranges, first and last.
void ForEachInterval(
    const InstanceView& view, const cc_table& table,
    absl::FunctionRef<void(uint32_t interval, uint32_t first, uint32_t last)>
        visit);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_INSTANCE_VIEW_INTERNAL_H_
