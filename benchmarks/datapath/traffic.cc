// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/datapath/traffic.h"

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "benchmarks/datapath/harness.h"
#include "ciliumcore/abi/convert.h"

namespace ciliumcore::bench {
namespace {

// Fewer than a ring of events holds.
constexpr uint32_t kBatch = 32768;

template <typename T>
uint8_t* Append(uint8_t* at, const T& header) {
  std::memcpy(at, &header, sizeof(header));
  return at + sizeof(header);
}

}  // namespace

std::array<uint8_t, 96> MakePacket(const TrafficSpec& traffic) {
  std::array<uint8_t, 96> packet = {};
  const bool is_v4 = traffic.source.is_v4();
  const cc_addr source = abi::ToAddr(traffic.source);
  const cc_addr destination = abi::ToAddr(traffic.destination);

  ethhdr eth = {};
  eth.h_proto = abi::ToBe16(is_v4 ? ETH_P_IP : ETH_P_IPV6);
  uint8_t* at = Append(packet.data(), eth);
  if (is_v4) {
    iphdr ip = {};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = abi::ToBe16(packet.size() - sizeof(eth));
    ip.ttl = 64;
    ip.protocol = IPPROTO_TCP;
    ip.saddr = source.w[3];
    ip.daddr = destination.w[3];
    at = Append(at, ip);
  } else {
    ipv6hdr ip = {};
    ip.version = 6;
    ip.payload_len = abi::ToBe16(packet.size() - sizeof(eth) - sizeof(ip));
    ip.hop_limit = 64;
    ip.nexthdr = IPPROTO_TCP;
    std::memcpy(&ip.saddr, &source, sizeof(source));
    std::memcpy(&ip.daddr, &destination, sizeof(destination));
    at = Append(at, ip);
  }
  tcphdr tcp = {};
  tcp.source = abi::ToBe16(1024);
  tcp.dest = abi::ToBe16(traffic.destination_port);
  tcp.doff = 5;
  at = Append(at, tcp);
  at[-7] = traffic.tcp_flags;
  return packet;
}

uint32_t FlowShift(uint32_t flows) {
  return std::max(1u, (static_cast<uint32_t>(std::bit_width(flows)) - 1) / 2);
}

Driver::Driver() : skeleton_(driver__open_and_load(), driver__destroy) {
  Require(skeleton_ != nullptr, "the driver");
}

void Driver::Begin(const TrafficSpec& traffic, uint32_t flows) {
  traffic_ = traffic;
  packet_ = MakePacket(traffic);
  auto& to = *skeleton_->bss;
  std::memcpy(to.header, packet_.data(), sizeof(to.header));
  to.flow_mask = flows - 1;
  to.flow_shift = FlowShift(flows);
  to.address_bits = traffic.address_bits;
  to.next_packet = 0;
}

double Driver::Send(int program, uint32_t packets, uint32_t expected,
                    const std::function<void()>& between) {
  const auto& programs = skeleton_->progs;
  const bpf_program* sender =
      traffic_.source.is_v4()
          ? (traffic_.from_many ? programs.cc_bench_v4_from_many
                                : programs.cc_bench_v4_to_many)
          : (traffic_.from_many ? programs.cc_bench_v6_from_many
                                : programs.cc_bench_v6_to_many);
  Put(bpf_map__fd(skeleton_->maps.cc_bench_target), 0u, program);
  const uint32_t batch = between ? kBatch : packets;
  double total = 0;
  for (uint32_t sent = 0; sent < packets; sent += batch) {
    uint32_t returned = 0;
    total += RunProgram({.fd = bpf_program__fd(sender),
                         .packet = packet_,
                         .ifindex = traffic_.ifindex,
                         .ingress_ifindex = traffic_.ingress_ifindex,
                         .repeat = batch},
                        &returned);
    errno = 0;
    Require(returned == expected,
            "the program under test returned something "
            "else than it should");
    if (between) between();
  }
  return total / ((packets + batch - 1) / batch);
}

double Driver::SendNowhere(uint32_t packets) {
  return Send(bpf_program__fd(skeleton_->progs.cc_bench_empty), packets, 0);
}

}  // namespace ciliumcore::bench
