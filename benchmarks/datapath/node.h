// SPDX-License-Identifier: Apache-2.0

// A node as the endpoint programs see it: one sending endpoint, others beside
// it, remote pods behind an uplink, and policies that let them talk.

#ifndef CILIUMCORE_BENCHMARKS_DATAPATH_NODE_H_
#define CILIUMCORE_BENCHMARKS_DATAPATH_NODE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmarks/datapath/traffic.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::bench {

inline constexpr uint32_t kLocalBits = 6;    // 64 endpoints beside the sender
inline constexpr uint32_t kRemoteBits = 12;  // 4,096 pods on other nodes
inline constexpr uint32_t kPeers = 1024;     // identities of those
inline constexpr uint32_t kFirstPeer = 1000;
inline constexpr uint32_t kLocalPeer = 500;  // of all local endpoints
inline constexpr uint32_t kKnownAddresses = 16384;
inline constexpr uint16_t kDeniedPort = 23;
std::vector<uint16_t> AllowedPorts();  // of TCP, to everybody above
std::vector<uint32_t> AllPeers();

// Where traffic can go.
enum class Target { kRemoteByRoute, kRemoteByHop, kLocal, kFromRemote };

// The number `index` of those that `target` names.
IpAddress AddressOf(Target target, bool is_v4, uint32_t index);
IpAddress SenderAddress(bool is_v4);

// Interfaces of the node, made once: the endpoint's and the uplink.
struct Interfaces {
  uint32_t endpoint = 0;
  uint32_t uplink = 0;
};
const Interfaces& NodeInterfaces();

// What is sent for `target`.
TrafficSpec TrafficTo(Target target, bool is_v4);

// What measures a node's programs, ours or the classic ones.
class Node {
 public:
  virtual ~Node() = default;

  virtual int from_endpoint() const = 0;
  virtual int to_endpoint() const = 0;

  // Forgets every connection.
  virtual void ClearConnections() = 0;

  // Reads what events there are and forgets them.
  virtual void DiscardEvents() = 0;

  // Reads events until `stop`, woken as its programs see fit.
  virtual void ReadEvents(const std::atomic<bool>& stop) = 0;
};

// Ours, and what its events are read by.
class EventNode : public Node {
 public:
  // Decodes events until `stop` and nothing is left; returns how many.
  virtual uint64_t DecodeEvents(const std::atomic<bool>& stop) = 0;

  // Events that found the ring full.
  virtual uint64_t LostEvents() = 0;
};

std::unique_ptr<EventNode> MakeNode(bool emit_drops = true);
std::unique_ptr<Node> MakeClassicNode();

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_DATAPATH_NODE_H_
