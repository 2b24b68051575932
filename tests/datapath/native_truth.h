// SPDX-License-Identifier: Apache-2.0

// What the programs do, asked exhaustively: their native twins, on the memory
// of the kernel's maps. It shares nothing with what verifies maps.

#ifndef CILIUMCORE_TESTS_DATAPATH_NATIVE_TRUTH_H_
#define CILIUMCORE_TESTS_DATAPATH_NATIVE_TRUTH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bpf/native/world.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/maps/map.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::testing {

// The maps on which judgements depend, of a pinned instance.
struct JudgingMaps {
  MappedArray<cc_state> state;
  MappedArray<cc_endpoint> endpoints;
  MappedArray<cc_subject> subjects;
  MappedArray<cc_addr_heads> addresses;
  MappedArray<cc_place> places;
  MappedArray<cc_hop> hops;
  MappedArray<cc_table> tables;
  MappedArray<cc_port_page> port_pages;
  MappedArray<cc_cell> cells;
  Map<uint32_t, uint32_t> ifindex;
  Map<cc_prefix_key, uint32_t> prefixes;
  Map<cc_class_key, cc_class_value> classes;

  // `path_of` says where a map is pinned. Ends the test if one is not.
  static JudgingMaps Open(
      const std::function<std::string(const char* map)>& path_of);
};

class NativeTruth {
 public:
  // Who there is to be asked about.
  struct Subjects {
    std::vector<uint32_t> interfaces;  // with programs
    // Some of each kind that policy knows; with whose interface it is.
    std::map<IpAddress, uint32_t> addresses;
    std::vector<uint32_t> peers;  // one that nobody has is asked about as well
  };

  NativeTruth(JudgingMaps* maps, Subjects subjects);

  // Of everything that is asked, in a fixed order: what the verdict is, and
  // which rules made it. `more` is asked as well.
  struct Answers {
    std::vector<uint64_t> verdicts;
    std::vector<uint32_t> rule_sets;  // of identities

    friend bool operator==(const Answers&, const Answers&) = default;
  };
  Answers Ask(const std::vector<IpAddress>& more_addresses = {},
              const std::vector<uint32_t>& more_keys = {});

  // Whether the table has pages and was in use when this was made.
  bool IsPaged(uint32_t table) const { return intervals_.contains(table); }
  // A key of each change between the intervals of these tables' ports now and
  // then; all ports, or those by whose high or low byte the entry `at` of a
  // page is read.
  std::vector<uint32_t> KeysWhosePortsChanged(
      std::optional<uint32_t> at = std::nullopt);

  // The programs' copies of hashes.
  native::World& world() { return world_; }

 private:
  using Intervals = std::vector<uint16_t>;

  using Addresses = std::map<IpAddress, uint32_t>;

  // What a table says of a peer, folded into a number.
  void AskTable(uint32_t table, const std::vector<uint32_t>& keys,
                const Addresses& addresses, Answers& answers);
  void AskPackets(const Addresses& addresses, Answers& answers);
  uint64_t SendPacket(bool is_egress, uint32_t ifindex, uint32_t ingress,
                      const IpAddress& source, const IpAddress& destination);
  const std::string& PacketOf(const IpAddress& source,
                              const IpAddress& destination);
  Intervals IntervalsOf(uint32_t table) const;

  JudgingMaps& maps_;
  const Subjects subjects_;
  native::World world_;
  std::vector<uint32_t> keys_;               // on both sides of every bound
  std::map<uint32_t, Intervals> intervals_;  // by table with pages, in use
  std::map<std::pair<IpAddress, IpAddress>, std::string> packets_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_DATAPATH_NATIVE_TRUTH_H_
