// SPDX-License-Identifier: Apache-2.0

// LoadBalancer: spreads what clients send to services over backends, at the
// first place where the kernel sees a packet (XDP).

#ifndef CILIUMCORE_DATAPATH_LOAD_BALANCER_H_
#define CILIUMCORE_DATAPATH_LOAD_BALANCER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore {

namespace internal {
class LoadBalancerState;
}  // namespace internal

// Who serves. It has the frontend's address on a device that receives nothing
// (lo, say), and takes packets out of IPIP (IPv4) or IP6IP6 (IPv6).
struct BalancedBackend {
  IpAddress address;    // where packets are sent, of the frontend's family
  uint32_t weight = 1;  // at most 65,535. 0: keeps the flows that it has, gets
                        // no new ones

  friend auto operator<=>(const BalancedBackend&,
                          const BalancedBackend&) = default;
};

struct BalancedService {
  std::string name = {};                       // for people: "shop/cart:http"
  Frontend frontend = {};                      // TCP or UDP
  std::vector<BalancedBackend> backends = {};  // none: packets are dropped

  // "shop/cart:http 10.96.0.10:80/TCP", for errors.
  std::string ToString() const;

  friend bool operator==(const BalancedService&,
                         const BalancedService&) = default;
};

// Room, fixed when the program is loaded; all of it is memory of the kernel.
struct LoadBalancerCapacity {
  uint32_t services = 16384;   // at most 2^18
  uint32_t backends = 131072;  // of all services; at most 2^21. A quarter may
                               // be replaced before the flows of those are over
  uint32_t slots = 8388608;    // of all Maglev tables, 2 bytes each
  // That are remembered while slots move, 8 bytes each; twice as many as there
  // are flows alive then lets next to none be forgotten. Who sends segments
  // other than SYNs, or datagrams, of more new flows than that to slots that
  // move makes the balancer forget those that have been silent longest.
  uint32_t flows = 1048576;
};

struct LoadBalancerOptions {
  // The namespace of the devices, as DatapathOptions::netns.
  std::string netns = {};

  // What encapsulated packets come from; the bits beyond the prefix are the
  // flow's, so that backends spread flows over their queues. Needed for each
  // family that has a service. Without a gateway, no address of the node may be
  // in them: its routes drop what seems to come from itself.
  std::optional<IpPrefix> source_v4 = {}, source_v6 = {};

  // Where all encapsulated packets go, back through the device that they came
  // by. None: by the routes of the node, which must forward; a neighbour that
  // is not known yet gets its first packets from the kernel's stack. Then each
  // device by which a route leaves must take what XDP programs send to it
  // (ndo_xdp_xmit): what goes to another is lost, and not counted.
  std::optional<MacAddress> gateway = {};

  // Bytes that an encapsulated packet may have, 1280..65535, from 1320 on with
  // source_v6: the least MTU on the way to any backend. Whoever sends more is
  // told by ICMP.
  uint32_t mtu = 1500;

  // A flow that is silent for longer is dead; one that is not keeps its backend
  // for as long as that one is there, whatever else changes. 1 s .. 1 h. A new
  // UDP flow cannot be told from an old one: for that long after a change it
  // may still get the backend that it would have had before. Parts of a second
  // count as one. A service that changes more often than that never settles: it
  // keeps recording flows, right but slower.
  absl::Duration tcp_silence = absl::Hours(1);
  absl::Duration udp_silence = absl::Minutes(1);

  // Balancers of one seed give a flow of equal services to the same backend, if
  // no slots are moving. Keep it secret: who knows it can choose his backend.
  // None: a random one.
  std::optional<uint64_t> seed = {};

  LoadBalancerCapacity capacity = {};
};

// How a device runs the program.
enum class XdpMode {
  kNative,   // in its driver
  kGeneric,  // in the stack, on a copy; packets that GRO has merged are larger
             // than the MTU, and refused: it must be off on the device
};

// Which one to try.
enum class XdpChoice { kNativeOrGeneric, kNative, kGeneric };

struct XdpAttachment {
  std::string interface;
  uint32_t ifindex = 0;
  XdpMode mode = XdpMode::kNative;
  std::string why_not_native;  // the driver's refusal; empty if not tried
};

// What a service has sent on, over all CPUs.
struct ServiceTraffic {
  Frontend frontend;
  std::string name;
  uint64_t packets = 0;
  uint64_t bytes = 0;   // of IP packets as they came
  uint32_t slots = 0;   // of its table; 0: it has no backend
  uint32_t moving = 0;  // of them, those whose flows are being remembered
};

struct LoadBalancerDrops {
  uint8_t reason = 0;  // see flow/reason.h
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

struct LoadBalancerFlows {
  uint64_t recorded = 0;  // so far
  uint64_t evicted = 0;   // live ones that made room: the table is too small
};

// A change of some services. Nothing is visible until Commit; a change that is
// dropped was none. Move-only, thread-compatible; outlives its balancer at
// will.
class LoadBalancerChange {
 public:
  LoadBalancerChange(LoadBalancerChange&&) noexcept;
  LoadBalancerChange& operator=(LoadBalancerChange&&) noexcept;
  ~LoadBalancerChange();

  // Adds the service, or replaces the one of its frontend.
  void Upsert(BalancedService service);
  // That there is none is found by Commit: NotFound.
  void Remove(const Frontend& frontend);

  // Makes all of it true for every packet from now on, or nothing: no packet
  // sees a mix. O(slots of the changed services), and O(services). Errors name
  // the service. InvalidArgument: port 0 or another protocol than TCP and UDP;
  // a backend of another family, twice, or with a weight above the bound; more
  // than 32,766 backends; a family without a source; a frontend twice in this
  // change. NotFound. ResourceExhausted, naming the map. FailedPrecondition:
  // the balancer is closed. The kernel's, if it refused a grace period:
  // services cannot change any more. After an error the change is what it was,
  // and may be committed again; after success it is empty.
  absl::Status Commit();

 private:
  friend class LoadBalancer;
  explicit LoadBalancerChange(
      std::shared_ptr<internal::LoadBalancerState> state);

  struct Edit {
    BalancedService service;
    bool removes = false;
  };
  std::shared_ptr<internal::LoadBalancerState> state_;
  std::vector<Edit> edits_;
};

// Owns the program, its maps and its places on devices; all of it goes with the
// object. Packets for frontends are put around with an IPIP or IP6IP6 header
// and sent to a backend, who answers clients itself; ICMP errors about such
// flows go to the backend of the flow, later fragments where their first one
// went. Everything else is the node's. A backend is chosen by a Maglev table of
// the packet's addresses and ports, without a record of flows; only flows in
// slots that a change has moved are recorded, so that they stay where they are.
//
// Thread-safe. While slots move, a thread of its own looks for flows that have
// ended, once in a second.
class LoadBalancer {
 public:
  // Loads the program; it sees no packet yet. InvalidArgument for options out
  // of range; PermissionDenied without CAP_BPF and CAP_NET_ADMIN; NotFound: no
  // such namespace.
  static absl::StatusOr<LoadBalancer> Open(const LoadBalancerOptions& options);

  LoadBalancer(LoadBalancer&&) noexcept;
  LoadBalancer& operator=(LoadBalancer&&) noexcept;
  ~LoadBalancer();

  // Runs the program on what comes in through the device. NotFound: there is
  // none; AlreadyExists: it runs there already, or another XDP program does;
  // Unimplemented: the driver refuses, and nothing else was allowed;
  // FailedPrecondition: no gateway, and an address of the node in a source.
  absl::StatusOr<XdpAttachment> Attach(
      absl::string_view interface,
      XdpChoice choice = XdpChoice::kNativeOrGeneric);
  // NotFound if it does not run there.
  absl::Status Detach(absl::string_view interface);
  std::vector<XdpAttachment> attachments() const;

  LoadBalancerChange Begin();

  // These and no others, from now on. Otherwise as LoadBalancerChange::Commit.
  absl::Status SetServices(std::vector<BalancedService> services);

  // By frontend. Errors are the kernel's.
  absl::StatusOr<std::vector<ServiceTraffic>> Traffic() const;
  absl::StatusOr<std::vector<LoadBalancerDrops>> Drops() const;
  absl::StatusOr<LoadBalancerFlows> Flows() const;

  // Advances with each change; packets see it whole.
  uint32_t generation() const;

 private:
  explicit LoadBalancer(std::shared_ptr<internal::LoadBalancerState> state);

  std::shared_ptr<internal::LoadBalancerState> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_LOAD_BALANCER_H_
