// SPDX-License-Identifier: Apache-2.0

// What a datapath is told: its scope, its endpoints, and what it knows of
// others.

#ifndef CILIUMCORE_DATAPATH_OPTIONS_H_
#define CILIUMCORE_DATAPATH_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/policy/cluster.h"

namespace ciliumcore {

// How long the datapath works.
enum class Lifetime {
  kProcess,  // until the Datapath goes: the kernel removes all of it with the
             // process
  kPinned,   // until Datapath::Remove: pinned under <bpffs>/ciliumcore/<name>/
};

// How a packet for another node leaves an endpoint.
enum class Forward {
  kStack,  // by the node's own network stack
  kFib,    // by the node's routes, past its stack
};

// Room, fixed when the programs are loaded. The kernel makes the records of
// connections beforehand, which is most of what opening takes; the oldest make
// room for new ones.
struct DatapathCapacity {
  // One for both directions and both ends.
  uint32_t connections = 262144;
  uint32_t addresses = 524288;
  uint32_t prefixes = 65536;
  uint32_t classes = 262144;       // (verdict table, peer) pairs
  uint32_t cells = 1048576;        // verdicts
  uint32_t services = 65536;       // only with DatapathOptions::cgroup
  uint32_t backends = 262144;      // of all services
  uint32_t event_bytes = 4 << 20;  // a power of two
  // What a pinned instance knows of its numbers: half of it is about 150 bytes
  // for each service and 60 for each peer and rule set.
  uint32_t journal_bytes = 8 << 20;
};

// Silence after which a connection is forgotten. The defaults are Cilium's.
struct ConnectionTimeouts {
  absl::Duration tcp = absl::Seconds(21600);
  absl::Duration tcp_opening = absl::Seconds(60);
  absl::Duration tcp_closing = absl::Seconds(10);
  absl::Duration other = absl::Seconds(60);
};

struct DatapathOptions {
  // Of the instance: 1..64 of [a-z0-9-]. One writer per name and bpffs.
  std::string name = "default";
  Lifetime lifetime = Lifetime::kProcess;
  // A mounted bpf file system. Used by kPinned.
  std::string bpffs = "/sys/fs/bpf";
  // The network namespace of the endpoints' host side: a path such as
  // /run/netns/node or /proc/self/fd/7. Empty: the caller's.
  std::string netns = {};
  // A directory of cgroup v2, as /sys/fs/cgroup/kubepods. Sockets of its
  // processes reach services: connect and sendmsg to a frontend go to one of
  // its backends. Empty: there are no services.
  std::string cgroup = {};
  Forward forward = Forward::kStack;
  // Judge and tell, but let what policy denies pass.
  bool audit_only = false;
  // What events there are: of new connections, of drops, of TCP connections
  // that both sides closed or one reset, and of known connections that are
  // judged again after a change. That one was evicted or fell silent no event
  // tells. Nothing depends on them; counters are exact without.
  bool report_new = true;
  bool report_drops = true;
  bool report_ends = true;
  bool report_verdicts = false;
  // Of the drops of one reason, tell every 2^n-th on each CPU; at most 31.
  uint8_t drop_sample_shift = 0;
  DatapathCapacity capacity = {};
  ConnectionTimeouts timeouts = {};
};

// What becomes of an endpoint's traffic when it is detached.
enum class OnDetach {
  kOpen,    // the interface is nobody's: its traffic is the node's to handle
  kClosed,  // the programs stay and drop everything, until it is attached again
};

// An interface of this node that is judged.
struct EndpointOptions {
  // The host side of a veth or netkit pair, in the datapath's namespace.
  std::string interface = {};
  // Its own addresses, at most one IPv4 and one IPv6: all it may send from.
  std::vector<IpAddress> addresses = {};
  IdentityRef identity = {};
  // What port names in policies mean here.
  std::vector<NamedPort> ports = {};
  // Of the endpoint's own interface; asked from the kernel if it is not given.
  std::optional<MacAddress> mac = {};
  OnDetach on_detach = OnDetach::kOpen;
  // Of the pod, "shop/web-0": what flows call it.
  std::string name = {};
};

// How a remote address is reached, where the routes of the node should not be
// asked.
struct NextHop {
  std::string interface = {};
  std::optional<IpAddress> gateway =
      {};  // none: the destination is on the link

  friend bool operator==(const NextHop&, const NextHop&) = default;
};

// An address elsewhere with an identity: a pod of another node.
struct RemoteOptions {
  std::vector<IpAddress> addresses = {};
  IdentityRef identity = {};
  std::vector<NamedPort> ports = {};
  std::optional<NextHop> next_hop = {};
  std::string name = {};  // of the pod

  friend bool operator==(const RemoteOptions&, const RemoteOptions&) = default;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_OPTIONS_H_
