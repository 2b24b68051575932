// SPDX-License-Identifier: Apache-2.0

// The writer of services over maps that the socket programs read natively, with
// little room.

#ifndef CILIUMCORE_TESTS_DATAPATH_SERVICE_WRITER_FIXTURE_H_
#define CILIUMCORE_TESTS_DATAPATH_SERVICE_WRITER_FIXTURE_H_

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/native/programs.h"
#include "bpf/native/world.h"
#include "ciliumcore/abi/convert.h"
#include "lib/datapath/service_writer_internal.h"

namespace ciliumcore::internal {

inline constexpr ServiceMapSizes kSizes = {
    .heads = 4, .services = 64, .slots = 256, .backends = 256};

inline IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

// A socket and the address of its next system call.
struct Socket {
  explicit Socket(int protocol = IPPROTO_TCP) {
    call.protocol = static_cast<__u32>(protocol);
    call.sk = reinterpret_cast<struct bpf_sock*>(this);
  }
  bpf_sock_addr call = {};

  void Ask(const IpAddress& address, uint16_t port) {
    const cc_addr addr = abi::ToAddr(address);
    call.user_ip4 = addr.w[3];
    std::copy(std::begin(addr.w), std::end(addr.w), call.user_ip6);
    call.user_port = abi::ToBe16(port);
  }
  Backend V4() const {
    return {
        .address = abi::FromAddr({.w = {0, 0, htonl(0xffff), call.user_ip4}}),
        .port = abi::FromBe16(static_cast<__be16>(call.user_port))};
  }
  Backend V6() const {
    cc_addr addr;
    std::copy(std::begin(call.user_ip6), std::end(call.user_ip6), addr.w);
    return {.address = abi::FromAddr(addr),
            .port = abi::FromBe16(static_cast<__be16>(call.user_port))};
  }
};

class ServiceWriterTest : public ::testing::Test {
 protected:
  ServiceWriterTest()
      : world_({.entries = {{"cc_frontends", kSizes.heads},
                            {"cc_services", kSizes.services},
                            {"cc_maglev", kSizes.slots},
                            {"cc_backends", kSizes.backends}},
                .cpus = 1}),
        state_(*MappedArray<cc_state>::CreateInMemory(
            {.name = "cc_state", .size = 1})),
        grace_([] { return absl::OkStatus(); }) {
    state_[0].addr_seed = 11;
    writer_.emplace(&state_[0], *ServiceMaps::CreateInMemory(kSizes), &grace_,
                    1.0);
    const auto share = [this](const char* name, auto& array) {
      world_.FindMap(name)->Share(
          reinterpret_cast<std::byte*>(array.entries().data()));
    };
    share("cc_state", state_);
    share("cc_frontends", writer_->maps().heads);
    share("cc_services", writer_->maps().services);
    share("cc_maglev", writer_->maps().slots);
    share("cc_backends", writer_->maps().backends);
    world_.config.clock_from_map = 1;
    world_.config.emit_drops = 1;
    world_.config.event_wake_bytes = 1 << 18;
    world_.Use();
    Publish();
  }

  // Makes `services` true; on an error nothing. `before` runs when all is
  // prepared and nothing published; what it returns may still fail the change.
  absl::Status Set(
      const std::vector<ServiceOptions>& services,
      const std::function<absl::Status()>& before = [] {
        return absl::OkStatus();
      }) {
    ServiceTable table;
    for (const ServiceOptions& service : services)
      table.Set(service.frontend,
                std::make_shared<const ServiceOptions>(service));
    Staging staging;
    const uint32_t next = state_[0].epoch + 1;
    absl::Status staged = writer_->Stage(table, next, staging);
    if (staged.ok()) staged = before();
    if (!staged.ok()) {
      staging.Undo();
      return staged;
    }
    Publish();
    for (const JournalRecord& record : staging.records()) {
      if (record.value.empty()) {
        records_.erase({record.kind, record.key});
      } else {
        records_[{record.kind, record.key}] = record.value;
      }
    }
    staging.Published();
    return absl::OkStatus();
  }

  void Publish() {
    StoreRelease(&state_[0].epoch, uint32_t{state_[0].epoch + 1});
    grace_.Published(state_[0].epoch);
    EXPECT_TRUE(grace_.WaitFor(state_[0].epoch).ok());
  }

  static ServiceOptions Service(int number, const std::vector<int>& backends) {
    ServiceOptions service;
    service.name = "s" + std::to_string(number);
    service.frontend = {.address = Ip("10.96.0." + std::to_string(number)),
                        .port = {.protocol = Protocol::kTcp, .port = 80}};
    for (const int i : backends) service.backends.push_back(Of(i));
    return service;
  }
  static Backend Of(int i) {
    return {.address = Ip("10.0.0." + std::to_string(i)), .port = 8080};
  }

  // Adds backends until the client has another slot than the one of `had`:
  // whose it is.
  std::optional<Backend> SlotAfter(ServiceOptions service, const Backend& had) {
    for (int i = 10; i < 40; ++i) {
      service.backends.push_back(Of(i));
      EXPECT_TRUE(Set({service}).ok());
      // Who was never here gets the slot's.
      Frontend& other = service.frontend;
      const Frontend frontend = other;
      other.address = Ip("10.96.1." + std::to_string(i));
      std::vector<ServiceOptions> both = {service, service};
      both[0].frontend = frontend;
      EXPECT_TRUE(Set(both).ok());
      const Backend slots = *Connect(other);
      service.frontend = frontend;
      if (slots != had) return slots;
    }
    return std::nullopt;
  }

  // The backend that a new connection gets; none if it is refused.
  std::optional<Backend> Connect(const Frontend& frontend) {
    Socket socket(static_cast<int>(frontend.port.protocol));
    socket.Ask(frontend.address, frontend.port.port);
    if (cc_connect4(&socket.call) == 0) return std::nullopt;
    return socket.V4();
  }

  void SetTicks(uint32_t ticks) {
    const uint32_t zero = 0;
    const cc_clock clock = {.ticks = ticks, .pad = 0};
    world_.FindMap("cc_clock")->Update(&zero, &clock, BPF_ANY);
  }

  native::World world_;
  MappedArray<cc_state> state_;
  GraceKeeper grace_;
  std::optional<ServiceWriter> writer_;
  Journal::Records records_;  // what a journal would have
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_TESTS_DATAPATH_SERVICE_WRITER_FIXTURE_H_
