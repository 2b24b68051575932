// SPDX-License-Identifier: Apache-2.0

// Lays down the state that the programs read, map by map and by hand: what a
// test writes here is what it means, and nothing decides in between.

#ifndef CILIUMCORE_TESTS_BPF_STATE_H_
#define CILIUMCORE_TESTS_BPF_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/policy.h"
#include "ciliumcore/abi/state.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/testing/packet.h"
#include "ciliumcore/testing/program.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::testing {

// The address that a literal names.
IpAddress Ip(absl::string_view text);

// One line of a verdict table. Of the lines that match, the first decides.
struct Rule {
  std::optional<uint32_t> peer = {};  // none: any
  uint8_t protocol = 0;               // 0: any, and then all ports
  uint16_t first = 0, last = 0xffff;
  cc_verdict verdict = CC_VERDICT_ALLOW;
  uint32_t rule_set = 0;  // 0: 100 and the line's place
};

// Rules that allow everything.
inline std::vector<Rule> AllowAll() { return {Rule{}}; }

struct EndpointSpec {
  uint32_t ifindex = 0;
  uint64_t subject = 0;        // CC_SWITCH
  IpAddress v4 = {}, v6 = {};  // :: for none
  MacAddress mac = {}, host_mac = {};
  uint32_t flags = 0;
};

// Entries that State wants in cc_addrs and cc_places; a place that is given to
// Place() is below kStateOwnPlaces.
inline constexpr uint32_t kStateHeads = 2, kStatePlaces = 256,
                          kStateOwnPlaces = 64;

// Writes to every runner it is given. Fails the running test if a map refuses.
class State {
 public:
  explicit State(std::vector<ProgramRunner*> runners);

  void Epoch(uint32_t epoch);
  void Ticks(uint32_t ticks);
  void Endpoint(uint16_t slot, const EndpointSpec& spec);
  void RemoveEndpoint(uint16_t slot, uint32_t ifindex);
  void Subject(uint16_t index, const cc_subject& subject);
  // Puts `rules` into table `index` with cells of its own. `paged` uses port
  // pages even where the bounds would fit into the table.
  void Table(uint16_t index, const std::vector<Rule>& rules,
             bool paged = false);
  void Place(uint32_t index, const cc_place& place);
  // A place with one value, whatever the epoch.
  void Place(uint32_t index, uint32_t peer, uint16_t where);
  // From now on `address` has what `place` has, also when that changes.
  void Address(const IpAddress& address, uint32_t place);
  void ForgetAddress(const IpAddress& address);
  void Prefix(const IpPrefix& prefix, uint32_t place);
  void Hop(uint32_t index, const cc_hop& hop);

  template <typename K, typename V>
  void Put(absl::string_view map, const K& key, const V& value) {
    PutBytes(map, &key, &value);
  }

 private:
  // An address in the hash, in a place of its own.
  struct Named {
    uint32_t own = 0;
    uint32_t like = 0;  // the place whose value it has
    bool is_linked = false;
  };

  void PutBytes(absl::string_view map, const void* key, const void* value);
  void WriteAddresses();

  std::vector<ProgramRunner*> runners_;
  cc_state state_ = {
      .epoch = 0, .addr_seed = 0x5eed, .addr_mask = 0, .service_mask = 0};
  std::vector<cc_addr_heads> heads_, written_heads_;
  std::vector<cc_place> places_, written_places_;
  internal::AddressIndex index_;
  std::map<IpAddress, Named> addresses_;
  uint32_t next_cell_ = 1;
  uint32_t next_page_ = 1;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_STATE_H_
