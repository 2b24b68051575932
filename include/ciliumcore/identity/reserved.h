// SPDX-License-Identifier: Apache-2.0

// Identities: the numbers that the datapath knows workloads by.

#ifndef CILIUMCORE_IDENTITY_RESERVED_H_
#define CILIUMCORE_IDENTITY_RESERVED_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"

namespace ciliumcore {

// An open enumeration: any number is an identity; these have fixed meanings,
// which are Cilium's.
enum class Identity : uint32_t {
  kUnknown = 0,
  kHost = 1,
  kWorld = 2,
  kUnmanaged = 3,
  kHealth = 4,
  kInit = 5,
  kRemoteNode = 6,
  kKubeApiserver = 7,
  kIngress = 8,
  kWorldIpv4 = 9,
  kWorldIpv6 = 10,
};

inline constexpr uint32_t kLastReservedIdentity = 255;

// Identities of the cluster's label sets.
inline constexpr uint32_t kFirstClusterIdentity = 256;
inline constexpr uint32_t kLastClusterIdentity = 65535;

// Identities that only this node knows: those of CIDRs.
inline constexpr uint32_t kFirstLocalIdentity = 0x01000001;
inline constexpr uint32_t kLastLocalIdentity = 0x01ffffff;

// "world", or the number.
std::string IdentityName(Identity identity);

// The reserved identity of that name ("host"), if there is one.
std::optional<Identity> ReservedIdentity(absl::string_view name);

// Its labels: "reserved:host"; an API server is also a remote node. Empty if
// the identity has no fixed meaning.
Labels ReservedLabels(Identity identity);

// The reserved identity that has exactly these labels, or whose name is the
// only one of them, if there is one.
std::optional<Identity> ReservedIdentityOf(const Labels& labels);

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_RESERVED_H_
