// SPDX-License-Identifier: Apache-2.0

// Two endpoints on a node, a pod on another node and the world outside, for the
// tests of what the programs do. Each test runs natively and, in the target of
// that name, in the kernel; over IPv4 and over IPv6.

#ifndef CILIUMCORE_TESTS_BPF_ENDPOINT_FIXTURE_H_
#define CILIUMCORE_TESTS_BPF_ENDPOINT_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "ciliumcore/abi/conntrack.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/reason.h"
#include "ciliumcore/testing/packet.h"
#include "ciliumcore/testing/program.h"
#include "tests/bpf/state.h"

namespace ciliumcore::testing {

// Where the programs run.
struct Ground {
  const char* name;
  // A runner whose maps are empty.
  absl::StatusOr<std::shared_ptr<ProgramRunner>> (*make)(const ProgramOptions&);
  void (*prepare)();  // skips or fails the test if it cannot run; may be null
};

struct Host {
  IpAddress v4 = {}, v6 = {};
  uint32_t peer = 0;
  uint16_t slot = 0;     // 0: not of this node
  uint32_t ifindex = 0;  // through which its packets enter the node
  MacAddress mac = {}, host_mac = {};
  uint16_t egress_table = 0, ingress_table = 0;
};

class EndpointTest : public ::testing::TestWithParam<std::tuple<Ground, bool>> {
 public:
  static std::string NameOf(const ::testing::TestParamInfo<ParamType>& info) {
    return std::string(std::get<0>(info.param).name) +
           (std::get<1>(info.param) ? "V6" : "V4");
  }

  // Interfaces that exist in the kernel's namespace.
  static constexpr uint32_t kWebIfindex = 10, kDbIfindex = 11,
                            kNobodyIfindex = 14, kOutsideIfindex = 20,
                            kFarIfindex = 70000;

 protected:
  void SetUp() override;

  bool v6() const { return std::get<1>(GetParam()); }
  IpAddress AddressOf(const Host& host) const {
    return v6() ? host.v6 : host.v4;
  }

  // Starts over with other options; for the beginning of a test.
  void Restart();

  // A change, as a commit makes it: new rules, then the next epoch.
  void Egress(const Host& host, const std::vector<Rule>& rules);
  void Ingress(const Host& host, const std::vector<Rule>& rules);
  // web may talk to db, and nobody to anybody else.
  void AllowWebToDb();
  void AllowEverything();
  void NextEpoch() { state_->Epoch(++epoch_); }
  void Wait(uint32_t ticks) { state_->Ticks(ticks_ += ticks); }

  // Up to the transport; the endpoint's or the router's Ethernet header.
  PacketBuilder From(const Host& from, const Host& to,
                     const IpFields& fields = {}) const;
  std::string Tcp(const Host& from, const Host& to, uint16_t sport,
                  uint16_t dport, uint8_t flags) const;
  std::string Syn(const Host& from, const Host& to, uint16_t dport = 80) const {
    return Tcp(from, to, 40000, dport, kTcpSyn);
  }
  std::string Udp(const Host& from, const Host& to, uint16_t sport,
                  uint16_t dport) const;

  // `host` sends; `host` would receive through the node.
  ProgramOutput Send(const Host& host, const std::string& packet);
  ProgramOutput Receive(const Host& host, const std::string& packet,
                        uint32_t ingress_ifindex = kOutsideIfindex);

  // What became of a packet. A drop leaves it as it was, and says why once.
  void ExpectDelivered(const ProgramOutput& output, const std::string& packet,
                       const Host& to);
  void ExpectForwarded(const ProgramOutput& output, const std::string& packet,
                       uint32_t ifindex);
  void ExpectPassed(const ProgramOutput& output, const std::string& packet);
  void ExpectDropped(const ProgramOutput& output, const std::string& packet,
                     cc_reason reason);
  // The program answers out of the interface it came in through.
  void ExpectAnswered(const ProgramOutput& output, const std::string& answer,
                      const Host& host);

  size_t Connections();
  // The only one.
  cc_ct Connection();
  cc_metric Metric(cc_direction direction, cc_reason reason);
  // Of the endpoint in `slot`.
  cc_metric MetricOf(uint32_t slot, cc_direction direction, cc_reason reason);

  // The record lets `reply` from db to web pass for `ticks` after the last
  // packet, and not for one more.
  void ExpectLives(uint32_t ticks, const std::string& reply);

  // An established connection from web to db: three packets.
  void OpenTcp(uint16_t dport = 80);

  ProgramOptions options_;
  std::shared_ptr<ProgramRunner> runner_;
  std::unique_ptr<State> state_;
  uint32_t epoch_ = 5;
  uint32_t ticks_ = 1000;

  Host web_, db_;  // endpoints
  Host far_;       // a pod of another node, by next hop 1
  Host world_;     // an address nobody knows
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_ENDPOINT_FIXTURE_H_
