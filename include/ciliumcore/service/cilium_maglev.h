// SPDX-License-Identifier: Apache-2.0

// The Maglev tables that Cilium builds, bit for bit: a node that runs this
// library sends a client to the backend that a neighbour with Cilium sends it
// to. Who has no such neighbours wants maglev.h: its shares are exact, and its
// tables as small as the backends allow.

#ifndef CILIUMCORE_SERVICE_CILIUM_MAGLEV_H_
#define CILIUMCORE_SERVICE_CILIUM_MAGLEV_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"

namespace ciliumcore {

// Cilium's defaults: option --bpf-lb-maglev-hash-seed, 12 bytes in base64, and
// --bpf-lb-maglev-table-size.
inline constexpr char kCiliumMaglevSeed[] = "JLfvgnHc2kaSUFaI";
inline constexpr uint32_t kCiliumMaglevSize = 16381;

struct CiliumMaglevBackend {
  // What is hashed; see CiliumMaglevName. Two of one table differ.
  std::string name = {};
  // Of 0, where weights count: one slot, as Cilium gives it.
  uint16_t weight = 1;
};

// How Cilium calls an active backend when it hashes it:
// "[10.0.0.1:8080/TCP,State:active]".
std::string CiliumMaglevName(const IpAddress& address, PortProtocol port);

// Of each slot, the index of its backend. The same for the same backends in any
// order, but for the indices. Weights count if they are 2 or more on average,
// as they do in Cilium.
//
// InvalidArgument: `size` is none of Cilium's (251 to 131,071, see
// MaglevSizes); `seed` is not 12 bytes in base64; no backend, more than slots,
// or two of one name. O(size log size) on average; O(size * backends) if
// weights differ much.
absl::StatusOr<std::vector<uint16_t>> BuildCiliumMaglev(
    absl::Span<const CiliumMaglevBackend> backends,
    uint32_t size = kCiliumMaglevSize,
    absl::string_view seed = kCiliumMaglevSeed);

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_CILIUM_MAGLEV_H_
