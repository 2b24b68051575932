// SPDX-License-Identifier: Apache-2.0

// What the datapath should be: values, computed before anything is written.

#ifndef CILIUMCORE_LIB_DATAPATH_DESIRED_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_DESIRED_INTERNAL_H_

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/shared_map.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/identity/reserved.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore::internal {

// How a remote address is reached, if not by the node's routes.
struct DesiredHop {
  uint32_t ifindex = 0;
  std::optional<IpAddress> gateway;  // none: the destination is on the link
  auto operator<=>(const DesiredHop&) const = default;
};

struct DesiredEndpoint {
  std::string name;  // of its interface; unique
  uint32_t ifindex = 0;
  MacAddress mac = {}, host_mac = {};
  std::optional<IpAddress> v4, v6;
  uint32_t flags = 0;   // CC_ENDPOINT_*
  bool closes = false;  // OnDetach::kClosed
  Identity identity = Identity::kUnknown;
};

struct DesiredAddress {
  uint32_t peer = 0;
  std::optional<uint32_t> endpoint;  // index of an endpoint of this node
  std::optional<DesiredHop> hop;

  friend bool operator==(const DesiredAddress&,
                         const DesiredAddress&) = default;
};

struct DesiredPrefix {
  IpPrefix prefix;
  uint32_t peer = 0;

  friend bool operator==(const DesiredPrefix&, const DesiredPrefix&) = default;
};

// An identity, and how many endpoints and remotes have it.
struct DesiredIdentity {
  IdentityRef identity;
  uint32_t users = 0;

  friend bool operator==(const DesiredIdentity&,
                         const DesiredIdentity&) = default;
};

// Who there is and where. Immutable, and shared by states that differ in
// verdicts and services only.
struct DesiredNodes {
  std::vector<DesiredEndpoint> endpoints;
  SharedMap<IpAddress, DesiredAddress> addresses;
  std::vector<DesiredPrefix> prefixes;
  SharedMap<uint32_t, DesiredIdentity> identities;  // by number
};

// What judges an endpoint: indexes of tables; none denies all.
struct DesiredVerdicts {
  std::optional<uint32_t> egress, ingress;
};

// Services by frontend; of two tables, those that are one object are the same.
using ServiceRef = std::shared_ptr<const ServiceOptions>;
using ServiceTable = SharedMap<Frontend, ServiceRef>;

struct DesiredState {
  std::shared_ptr<const DesiredNodes> nodes =
      std::make_shared<const DesiredNodes>();
  std::vector<DesiredVerdicts> verdicts;  // by endpoint
  std::vector<TableRef> tables;
  // What the numbers in it mean: of peers, and of rule sets by id.
  std::shared_ptr<const PeerMap> peer_map = std::make_shared<const PeerMap>();
  SharedMap<uint32_t, RuleSetRef> rule_sets;
  ServiceTable services;
};

// Who an address is and where: cc_place_value as a value.
struct PlaceValue {
  uint32_t peer = CC_IDENTITY_WORLD;
  uint16_t where = CC_REMOTE;
  bool operator==(const PlaceValue&) const = default;
};

// Addresses and prefixes to values, as the datapath resolves them.
class PlaceTable {
 public:
  void SetAddress(const IpAddress& address, PlaceValue value) {
    addresses_[address] = value;
  }
  void EraseAddress(const IpAddress& address) { addresses_.erase(address); }
  void SetPrefix(const IpPrefix& prefix, PlaceValue value) {
    prefixes_[prefix] = value;
    (prefix.is_v4() ? v4_lengths_ : v6_lengths_).insert(prefix.length());
  }

  // The exact value, else that of the longest prefix, else world by routing.
  PlaceValue Of(const IpAddress& address) const {
    auto exact = addresses_.find(address);
    if (exact != addresses_.end()) return exact->second;
    return Outside(address);
  }

  // What it gets if it is not told apart from its prefix.
  PlaceValue Outside(const IpAddress& address) const {
    return Longest(address, 128);
  }

  // What an address in `prefix` gets if no longer prefix covers it.
  PlaceValue Of(const IpPrefix& prefix) const {
    return Longest(prefix.address(), prefix.length());
  }

  bool Has(const IpAddress& address) const {
    return addresses_.contains(address);
  }
  bool Has(const IpPrefix& prefix) const { return prefixes_.contains(prefix); }
  const absl::flat_hash_map<IpAddress, PlaceValue>& addresses() const {
    return addresses_;
  }
  const std::map<IpPrefix, PlaceValue>& prefixes() const { return prefixes_; }

 private:
  PlaceValue Longest(const IpAddress& address, int longest) const {
    const std::set<int>& lengths = address.is_v4() ? v4_lengths_ : v6_lengths_;
    for (auto length = lengths.rbegin(); length != lengths.rend(); ++length) {
      if (*length > longest) continue;
      auto found = prefixes_.find(IpPrefix::Of(address, *length));
      if (found != prefixes_.end()) return found->second;
    }
    return PlaceValue();
  }

  absl::flat_hash_map<IpAddress, PlaceValue> addresses_;
  std::map<IpPrefix, PlaceValue> prefixes_;
  std::set<int> v4_lengths_, v6_lengths_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_DESIRED_INTERNAL_H_
