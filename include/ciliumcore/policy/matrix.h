// SPDX-License-Identifier: Apache-2.0

// Who may talk to whom in a cluster, for every ordered pair at once.

#ifndef CILIUMCORE_POLICY_MATRIX_H_
#define CILIUMCORE_POLICY_MATRIX_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"

namespace ciliumcore {

// Addresses of one family, both ends included.
struct AddressRange {
  IpAddress first;
  IpAddress last;

  // "10.0.0.0-10.255.255.255".
  std::string ToString() const;

  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

// Ports of one protocol, both ends included.
struct PortSpan {
  Protocol protocol = Protocol::kTcp;
  uint16_t from = 1;
  uint16_t to = 65535;

  friend auto operator<=>(const PortSpan&, const PortSpan&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PortSpan& span) {
    return H::combine(std::move(h), span.protocol, span.from, span.to);
  }
};

// Of TCP, UDP and SCTP in this order; ascending, disjoint, maximal.
using PortSpans = std::vector<PortSpan>;

// A value; thread-compatible.
struct Matrix {
  struct Connection {
    uint32_t source = 0;  // number of a peer
    uint32_t destination = 0;
    uint32_t allowed = 0;  // index in `port_sets`

    friend auto operator<=>(const Connection&, const Connection&) = default;
  };

  // Peers are numbered through: first the workloads, then the ranges.
  std::vector<Workload> workloads;  // ascending
  // The addresses of both families, cut where some pod is allowed one side and
  // not the other: IPv4 ascending, then IPv6. A node's are among them, and
  // whoever else is no pod; a pod's are in them as any other.
  std::vector<AddressRange> ranges;

  // Every pair with anything allowed, ascending; none of a workload with itself
  // and none of two ranges.
  std::vector<Connection> connections;
  std::vector<PortSpans> port_sets;  // no two are equal

  size_t peer_count() const { return workloads.size() + ranges.size(); }
  // "shop/web[Deployment]" or "10.0.0.0-10.255.255.255".
  std::string PeerName(uint32_t peer) const;
};

// What the policies allow between workloads, and between workloads and
// addresses outside: allowed for any pod of a workload (and any of its
// addresses that the other end has the family of) is allowed for the workload.
// What only a proxy could allow is not.
// A workload in the host's network is as of CompileCluster: a node of the
// cluster, or else everyone's own node.
//
// Cost: pairs of workloads, not of pods.
Matrix ComputeMatrix(const CompiledCluster& cluster);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_MATRIX_H_
