// SPDX-License-Identifier: Apache-2.0

// Traffic of many flows through one program: the user's side of
// bpf/driver.bpf.c.

#ifndef CILIUMCORE_BENCHMARKS_DATAPATH_TRAFFIC_H_
#define CILIUMCORE_BENCHMARKS_DATAPATH_TRAFFIC_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "benchmarks/datapath/driver.skel.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::bench {

// What all packets of some traffic have in common. TCP, small, without options.
// Flow k has the address `many` + k % 2^address_bits on the side that
// `from_many` says, and its own source port.
struct TrafficSpec {
  IpAddress source, destination;
  uint16_t destination_port = 443;
  uint8_t tcp_flags = 0x10;  // ACK
  bool from_many = false;    // else to many
  uint32_t address_bits = 0;
  uint32_t ifindex = 0;
  uint32_t ingress_ifindex = 0;
};

// The first of them.
std::array<uint8_t, 96> MakePacket(const TrafficSpec& traffic);

// Half of the bits that number `flows`, a power of two, for drivers.
uint32_t FlowShift(uint32_t flows);

class Driver {
 public:
  Driver();

  // The next packets are those of `flows` flows (a power of two).
  void Begin(const TrafficSpec& traffic, uint32_t flows);

  // Sends `packets` through `program`; nanoseconds per packet, the driver's
  // own included. Ends the run if the last of them was not answered with
  // `expected`. `between`, if there is one, is called every few thousand
  // packets, while no time counts.
  double Send(int program, uint32_t packets, uint32_t expected,
              const std::function<void()>& between = nullptr);

  // What the driver takes itself.
  double SendNowhere(uint32_t packets);

 private:
  std::unique_ptr<driver, void (*)(driver*)> skeleton_;
  std::array<uint8_t, 96> packet_;
  TrafficSpec traffic_;
};

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_DATAPATH_TRAFFIC_H_
