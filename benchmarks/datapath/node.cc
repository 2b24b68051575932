// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/datapath/node.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "benchmarks/datapath/bpf/classic.h"
#include "benchmarks/datapath/harness.h"
#include "benchmarks/datapath/tables.h"
#include "ciliumcore/abi/config.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/flow/event.h"
#include "ciliumcore/maps/ring_buffer.h"

// Skeletons name the structs of abi.
#include "benchmarks/datapath/classic.skel.h"
#include "bpf/endpoint.skel.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kSenderSlot = 1, kFirstLocalSlot = 2;
constexpr uint32_t kSenderSubject = 1, kLocalSubject = 2;
constexpr uint32_t kEgressTable = 1, kIngressTable = 2;
constexpr uint32_t kCellsPerTable = 1024;

IpAddress MustParse(const char* text) {
  absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  Require(address.ok(), text);
  return *address;
}

IpAddress WithLowBits(const IpAddress& base, uint32_t index) {
  std::array<uint8_t, 16> bytes = base.bytes();
  bytes[14] = static_cast<uint8_t>(index >> 8);
  bytes[15] = static_cast<uint8_t>(index);
  return IpAddress::FromBytes(bytes);
}

cc_config Config() {
  return {.clock_shift = 8,  // 250 jiffies a second
          .ticks_tcp = 8000,
          .ticks_syn = 60,
          .ticks_close = 10,
          .ticks_any = 60,
          .event_wake_bytes = 256 << 10,
          .emit_new = 1,
          .emit_drops = 1,
          .forward = CC_FORWARD_FIB,
          .emit_end = 1};
}

cc_endpoint Endpoint(uint32_t subject, const IpAddress& v4, const IpAddress& v6,
                     uint32_t ifindex) {
  return {.subject = CC_SWITCH(0, subject, 0),
          .v4 = abi::ToAddr(v4),
          .v6 = abi::ToAddr(v6),
          .ifindex = ifindex};
}

cc_endpoint LocalEndpoint(uint32_t index) {
  return Endpoint(kLocalSubject, AddressOf(Target::kLocal, true, index),
                  AddressOf(Target::kLocal, false, index), 1000 + index);
}

// Calls `visit(address, peer, where)` with every address that the node knows.
template <typename Visit>
void ForEachAddress(const Visit& visit) {
  for (const bool is_v4 : {true, false}) {
    for (uint32_t i = 0; i < kKnownAddresses / 4; ++i) {
      const uint32_t peer = kFirstPeer + i % kPeers;
      visit(AddressOf(Target::kRemoteByRoute, is_v4, i), peer, CC_REMOTE);
      visit(AddressOf(Target::kRemoteByHop, is_v4, i), peer, CC_REMOTE | 1);
    }
    for (uint32_t i = 0; i < 1u << kLocalBits; ++i) {
      visit(AddressOf(Target::kLocal, is_v4, i), kLocalPeer,
            kFirstLocalSlot + i);
    }
    visit(SenderAddress(is_v4), kLocalPeer, kSenderSlot);
  }
}

// Empties an LRU hash.
void ClearMap(const bpf_map* map) {
  constexpr uint32_t kEntries = 65536;  // a batch holds the fullest bucket
  std::vector<uint8_t> keys(kEntries * bpf_map__key_size(map));
  std::vector<uint8_t> values(kEntries * bpf_map__value_size(map));
  uint32_t cursor = 0;
  void* in = nullptr;
  int error;
  do {
    uint32_t count = kEntries;
    error = bpf_map_lookup_and_delete_batch(bpf_map__fd(map), in, &cursor,
                                            keys.data(), values.data(), &count,
                                            nullptr);
    in = &cursor;
  } while (error == 0);
  Require(error == -ENOENT, "clearing a map");
}

class OurNode : public EventNode {
 public:
  explicit OurNode(bool emit_drops)
      : skeleton_(endpoint__open(), endpoint__destroy) {
    Require(skeleton_ != nullptr, "the endpoint programs");
    skeleton_->rodata_config->cc_config_data = Config();
    skeleton_->rodata_config->cc_config_data.emit_drops = emit_drops;
    Require(endpoint__load(skeleton_.get()) == 0, "loading");
    WriteEndpoints();
    WriteAddresses();
    WritePolicies();
    absl::StatusOr<RingBuffer> events = RingBuffer::Adopt(
        UniqueFd(fcntl(bpf_map__fd(maps().cc_events), F_DUPFD_CLOEXEC, 0)));
    Require(events.ok(), "the event ring");
    events_ = std::make_unique<RingBuffer>(*std::move(events));
  }

  int from_endpoint() const override {
    return bpf_program__fd(skeleton_->progs.cc_from_endpoint);
  }
  int to_endpoint() const override {
    return bpf_program__fd(skeleton_->progs.cc_to_endpoint);
  }
  void ClearConnections() override { ClearMap(maps().cc_conntrack); }
  void DiscardEvents() override {
    events_->Consume([](auto) {});
  }

  void ReadEvents(const std::atomic<bool>& stop) override {
    while (!stop) {
      Require(events_->Poll(std::chrono::milliseconds(10), [](auto) {}).ok(),
              "reading events");
    }
  }

  uint64_t DecodeEvents(const std::atomic<bool>& stop) override {
    uint64_t count = 0;
    const auto decode = [&](absl::Span<const RingBuffer::Record> records) {
      for (const RingBuffer::Record& record : records)
        count += DecodeEvent(record).ok();
    };
    while (!stop) {
      Require(events_->Poll(std::chrono::milliseconds(10), decode).ok(),
              "reading events");
    }
    events_->Consume(decode);
    return count;
  }

  uint64_t LostEvents() override {
    uint64_t total = 0;
    std::vector<uint64_t> cpus(libbpf_num_possible_cpus());
    for (uint32_t kind = 0; kind < CC_EVENT_KINDS; ++kind) {
      Require(bpf_map_lookup_elem(bpf_map__fd(maps().cc_events_lost), &kind,
                                  cpus.data()) == 0,
              "lost events");
      for (const uint64_t count : cpus) total += count;
    }
    return total;
  }

 private:
  using Maps = decltype(endpoint::maps);
  const Maps& maps() const { return skeleton_->maps; }

  void WriteEndpoints() {
    const uint32_t ifindex = NodeInterfaces().endpoint;
    const int endpoints = bpf_map__fd(maps().cc_endpoints);
    Put(endpoints, kSenderSlot,
        Endpoint(kSenderSubject, SenderAddress(true), SenderAddress(false),
                 ifindex));
    Put(bpf_map__fd(maps().cc_ifindex), ifindex, kSenderSlot);
    for (uint32_t i = 0; i < 1u << kLocalBits; ++i) {
      Put(endpoints, kFirstLocalSlot + i, LocalEndpoint(i));
    }
  }

  void WriteAddresses() {
    Places places({.state = bpf_map__fd(maps().cc_state),
                   .addrs = bpf_map__fd(maps().cc_addrs),
                   .places = bpf_map__fd(maps().cc_places)});
    ForEachAddress(
        [&](const IpAddress& address, uint32_t peer, uint32_t where) {
          places.Write(abi::ToAddr(address), peer, where);
        });
    Put(bpf_map__fd(maps().cc_hops), 1u,
        cc_hop{.ifindex = NodeInterfaces().uplink,
               .family = AF_INET,
               .gateway = abi::ToAddr(MustParse("192.0.2.2"))});
  }

  void WritePolicies() {
    const TableMaps tables = {.tables = bpf_map__fd(maps().cc_tables),
                              .classes = bpf_map__fd(maps().cc_classes),
                              .cells = bpf_map__fd(maps().cc_cells),
                              .port_pages = bpf_map__fd(maps().cc_port_pages)};
    for (const uint32_t table : {kEgressTable, kIngressTable}) {
      WriteTable(tables, {.index = table,
                          .first_cell = table * kCellsPerTable,
                          .peers = AllPeers(),
                          .ports = AllowedPorts()});
    }
    for (const uint32_t subject : {kSenderSubject, kLocalSubject}) {
      Put(bpf_map__fd(maps().cc_subjects), subject,
          cc_subject{.identity = kLocalPeer,
                     .table = {kEgressTable, kIngressTable}});
    }
  }

  std::unique_ptr<endpoint, void (*)(endpoint*)> skeleton_;
  std::unique_ptr<RingBuffer> events_;
};

class ClassicNode : public Node {
 public:
  ClassicNode() : skeleton_(classic__open(), classic__destroy) {
    Require(skeleton_ != nullptr, "the classic programs");
    skeleton_->rodata_config->cc_config_data = Config();
    Require(classic__load(skeleton_.get()) == 0, "loading");
    const auto& maps = skeleton_->maps;
    for (uint32_t i = 0; i < 1u << kLocalBits; ++i) {
      for (const bool is_v4 : {true, false}) {
        Put(bpf_map__fd(maps.classic_endpoints),
            abi::ToAddr(AddressOf(Target::kLocal, is_v4, i)), LocalEndpoint(i));
      }
    }
    ForEachAddress([&](const IpAddress& address, uint32_t peer, uint32_t) {
      Put(bpf_map__fd(maps.classic_identities),
          cc_prefix_key{.bits = 128, .addr = abi::ToAddr(address)}, peer);
    });
    WritePolicy(maps.classic_sender, CC_EGRESS);
    WritePolicy(maps.classic_receiver, CC_INGRESS);
  }

  int from_endpoint() const override {
    return bpf_program__fd(skeleton_->progs.classic_from_endpoint);
  }
  int to_endpoint() const override {
    return bpf_program__fd(skeleton_->progs.classic_to_endpoint);
  }
  void ClearConnections() override {
    ClearMap(skeleton_->maps.classic_conntrack);
  }
  void DiscardEvents() override {}  // without a reader there are none

  void ReadEvents(const std::atomic<bool>& stop) override {
    constexpr int kPages = 64;
    const auto ignore = [](void*, int, void*, __u32) {};
    perf_buffer* events =
        perf_buffer__new(bpf_map__fd(skeleton_->maps.classic_events), kPages,
                         ignore, nullptr, nullptr, nullptr);
    Require(events != nullptr, "the perf buffer");
    while (!stop) perf_buffer__poll(events, 10);
    perf_buffer__free(events);
  }

 private:
  void WritePolicy(const bpf_map* map, uint8_t direction) {
    for (const uint32_t peer : AllPeers()) {
      for (const uint16_t port : AllowedPorts()) {
        Put(bpf_map__fd(map),
            classic_policy_key{.bits = CLASSIC_POLICY_BITS,
                               .identity = peer,
                               .direction = direction,
                               .protocol = IPPROTO_TCP,
                               .port = abi::ToBe16(port)},
            classic_policy{.rule = 1});
      }
    }
  }

  std::unique_ptr<classic, void (*)(classic*)> skeleton_;
};

}  // namespace

std::vector<uint16_t> AllowedPorts() { return {80, 443, 5432, 8080, 9090}; }

std::vector<uint32_t> AllPeers() {
  std::vector<uint32_t> peers = {kLocalPeer};
  for (uint32_t i = 0; i < kPeers; ++i) peers.push_back(kFirstPeer + i);
  return peers;
}

IpAddress SenderAddress(bool is_v4) {
  return MustParse(is_v4 ? "10.4.0.1" : "fd00:4::1");
}

IpAddress AddressOf(Target target, bool is_v4, uint32_t index) {
  const char* first = is_v4 ? "10.2.0.0" : "fd00:2::";
  if (target == Target::kLocal) first = is_v4 ? "10.1.0.0" : "fd00:1::";
  if (target == Target::kRemoteByHop) first = is_v4 ? "10.3.0.0" : "fd00:3::";
  return WithLowBits(MustParse(first), index);
}

const Interfaces& NodeInterfaces() {
  static const Interfaces interfaces = [] {
    Shell(R"(
      sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
      sysctl -qw net.ipv6.conf.default.accept_dad=0
      ip link add lxc0 type veth peer name eth0
      ip link add up0 type veth peer name up1
      for link in lxc0 eth0 up0 up1; do ip link set $link up; done
      ip address add 192.0.2.1/24 dev up0
      ip address add 2001:db8::1/64 dev up0 nodad
      ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev up0 nud permanent
      ip neighbour add 2001:db8::2 lladdr 02:00:00:00:00:02 dev up0 nud permanent
      ip route add 10.2.0.0/15 via 192.0.2.2
      ip route add fd00:2::/31 via 2001:db8::2)");
    return Interfaces{.endpoint = if_nametoindex("lxc0"),
                      .uplink = if_nametoindex("up0")};
  }();
  return interfaces;
}

TrafficSpec TrafficTo(Target target, bool is_v4) {
  TrafficSpec traffic = {.source = SenderAddress(is_v4),
                         .destination = AddressOf(target, is_v4, 0),
                         .address_bits = kRemoteBits,
                         .ifindex = NodeInterfaces().endpoint};
  if (target == Target::kLocal) traffic.address_bits = kLocalBits;
  if (target == Target::kFromRemote) {
    std::swap(traffic.source, traffic.destination);
    traffic.from_many = true;
    traffic.ingress_ifindex = NodeInterfaces().uplink;
  }
  return traffic;
}

std::unique_ptr<EventNode> MakeNode(bool emit_drops) {
  return std::make_unique<OurNode>(emit_drops);
}

std::unique_ptr<Node> MakeClassicNode() {
  return std::make_unique<ClassicNode>();
}

}  // namespace ciliumcore::bench
