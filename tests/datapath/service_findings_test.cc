// SPDX-License-Identifier: Apache-2.0

// What of the maps of services is found to be wrong, each kind by itself, and
// that nothing is where only a writer has been.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/datapath/service_check_internal.h"
#include "tests/datapath/service_writer_fixture.h"

namespace ciliumcore::internal {
namespace {

using Kind = ServiceFinding::Kind;

class ServiceFindingsTest : public ServiceWriterTest {
 protected:
  // Service 1 has a table; 2 has few backends, near; 3 has few of IPv6.
  ServiceFindingsTest() {
    ServiceOptions table = Service(1, {1, 2, 3, 4, 5});
    table.affinity = Affinity::kClientIp;
    ServiceOptions v6 = Service(3, {});
    v6.frontend.address = Ip("fd00:96::3");
    for (int i = 1; i < 4; ++i) {
      v6.backends.push_back(
          {.address = Ip("fd00::" + std::to_string(i)), .port = 80});
    }
    EXPECT_EQ(Set({table, Service(2, {6, 7, 8}), v6}), absl::OkStatus());
    for (uint64_t client = 1; client < 20; ++client) {
      world_.netns_cookie = client;
      Connect(table.frontend);
    }
    EXPECT_EQ(Found(), "");
  }

  std::vector<ServiceFinding> Findings() {
    ServiceSight sight = {.epoch = state_[0].epoch,
                          .seed = state_[0].addr_seed,
                          .mask = state_[0].service_mask,
                          .heads = writer_->maps().heads.entries(),
                          .services = writer_->maps().services.entries(),
                          .slots = writer_->maps().slots.entries(),
                          .backends = writer_->maps().backends.entries()};
    world_.FindMap("cc_affinity")
        ->ForEach([&](const void* key, const void* value) {
          auto& [read_key, read_value] = sight.affinity.emplace_back();
          std::memcpy(&read_key, key, sizeof(read_key));
          std::memcpy(&read_value, value, sizeof(read_value));
        });
    const auto wanted = ServicesIn(records_);
    EXPECT_TRUE(wanted.ok()) << wanted.status();
    sight.wanted = *wanted;
    return FindingsIn(sight);
  }

  // The kinds that are found, each once, in their order; "" if none is.
  std::string Found() {
    std::string text;
    std::set<Kind> seen;
    for (const ServiceFinding& finding : Findings()) {
      if (!seen.insert(finding.kind).second) continue;
      if (!text.empty()) text += ", ";
      text += std::string(ServiceFindingKindName(finding.kind));
    }
    return text;
  }

  uint32_t IndexOf(const Frontend& frontend) {
    return ServiceIndex::Find(state_[0], writer_->maps().heads.entries(),
                              writer_->maps().services.entries(), frontend);
  }
  cc_service& Entry(int number) {
    const Frontend frontend =
        number == 3 ? Frontend{.address = Ip("fd00:96::3"),
                               .port = Service(3, {}).frontend.port}
                    : Service(number, {}).frontend;
    return writer_->maps().services[IndexOf(frontend)];
  }
  __u64& Target(int number) {
    cc_service& entry = Entry(number);
    return entry.target[cc_switch_pick(entry.which, state_[0].epoch)];
  }
  // The entry of cc_backends that has the address.
  cc_backend& BackendAt(const IpAddress& address) {
    for (cc_backend& backend : writer_->maps().backends.entries()) {
      if (backend.born != 0 && abi::FromAddr(backend.addr) == address)
        return backend;
    }
    ADD_FAILURE() << address.ToString();
    return writer_->maps().backends[0];
  }
  uint32_t FirstLine() {
    return static_cast<uint32_t>(Target(1) >> 40) & (CC_SERVICE_MAX_LINES - 1);
  }
  cc_service_slots& Line(uint32_t line) {
    return writer_->maps().slots[FirstLine() + line];
  }
  // Changes what the journal has of a service.
  template <typename Edit>
  void EditRecord(int number, Edit edit) {
    for (auto& [key, value] : records_) {
      auto service = DecodeService(value);
      ASSERT_TRUE(service.has_value());
      if (service->options.frontend != ServiceChains::KeyOf(Entry(number)))
        continue;
      edit(*service);
      value = Encode(*service);
    }
  }
  void Remember(uint64_t client, uint32_t service, const cc_affinity& value) {
    const cc_affinity_key key = {
        .client = client, .service = service, .pad = 0};
    world_.FindMap("cc_affinity")->Update(&key, &value, BPF_ANY);
  }
};

TEST_F(ServiceFindingsTest, AChainThatLoops) {
  cc_service& entry = Entry(2);
  entry.next = IndexOf(Service(2, {}).frontend);
  EXPECT_EQ(Found(), "broken chain");
}

TEST_F(ServiceFindingsTest, AChainThatLeadsNowhere) {
  Entry(2).next = 100000;
  EXPECT_EQ(Found(), "broken chain");
}

TEST_F(ServiceFindingsTest, AFrontendThatIsAnothers) {
  Entry(2).port ^= 1;
  EXPECT_EQ(Found(), "broken chain, missing service, leaked backend");
}

TEST_F(ServiceFindingsTest, AServiceThatNoChainLeadsTo) {
  const uint32_t index = IndexOf(Service(2, {}).frontend);
  for (cc_service_heads& line : writer_->maps().heads.entries()) {
    for (uint32_t& head : line.service) {
      if (head == index) head = 0;
    }
  }
  EXPECT_EQ(Found(), "missing service, leaked backend");
}

TEST_F(ServiceFindingsTest, AServiceThatNobodyWants) {
  std::erase_if(records_, [](const auto& record) {
    return DecodeService(record.second)->options.name == "s2";
  });
  EXPECT_EQ(Found(), "orphan service, leaked backend");
}

TEST_F(ServiceFindingsTest, TablesAndRoomsThatOverlap) {
  EditRecord(2, [&](JournalService& service) {
    service.lines = {.first = FirstLine() + 1,
                     .count = 1};
  });
  EXPECT_EQ(Found(), "overlap, orphan table");
  EditRecord(2, [&](JournalService& service) { service.lines = {}; });
  EXPECT_EQ(Found(), "");
  EditRecord(2, [&](JournalService& service) { service.room.count += 200; });
  EXPECT_NE(Found().find("overlap"), std::string::npos) << Found();
}

TEST_F(ServiceFindingsTest, ATableThatIsAnothers) {
  Target(1) += 1ull << 40;
  EXPECT_EQ(Found(), "foreign table");
}

TEST_F(ServiceFindingsTest, BackendsThatAreAnothers) {
  Target(2) += 1;  // a dangling number: the room begins elsewhere
  EXPECT_EQ(Found(), "foreign table");
}

TEST_F(ServiceFindingsTest, ATableOfTheWrongSize) {
  Target(1) -= 1ull << 23;
  EXPECT_EQ(Found(), "table size");
}

TEST_F(ServiceFindingsTest, ASlotOutOfRange) {
  Line(3).backend[7] = 4000;
  EXPECT_EQ(Found(), "slot out of range");
}

TEST_F(ServiceFindingsTest, ASlotOfABackendThatIsNotActive) {
  ServiceOptions drains = Service(1, {1, 2, 3, 4, 5});
  drains.affinity = Affinity::kClientIp;
  const uint16_t number = Line(0).backend[0];
  const uint32_t at = static_cast<uint32_t>(
      (Target(1) & (CC_SERVICE_MAX_BACKENDS - 1)) + number);
  const IpAddress address = abi::FromAddr(writer_->maps().backends[at].addr);
  EditRecord(1, [&](JournalService& service) {
    for (Backend& backend : service.options.backends) {
      if (backend.address == address)
        backend.state = BackendState::kMaintenance;
    }
  });
  EXPECT_EQ(Found(), "inactive slot");
}

TEST_F(ServiceFindingsTest, ABackendWithMoreSlotsThanItsWeight) {
  uint16_t& slot = Line(0).backend[0];
  slot = static_cast<uint16_t>(slot == 0 ? 1 : 0);
  EXPECT_EQ(Found(), "wrong count");
}

TEST_F(ServiceFindingsTest, SlotsInAnotherOrder) {
  auto& slots = Line(0).backend;
  const auto other =
      std::find_if(std::begin(slots), std::end(slots),
                   [&](uint16_t slot) { return slot != slots[0]; });
  ASSERT_NE(other, std::end(slots));
  std::swap(slots[0], *other);
  EXPECT_EQ(Found(), "wrong slot");
}

TEST_F(ServiceFindingsTest, ABackendThatIsMissing) {
  BackendAt(Of(3).address).born = 0;
  EXPECT_EQ(Found(), "missing backend, inactive slot");
}

TEST_F(ServiceFindingsTest, ABackendThatHasEnded) {
  BackendAt(Of(7).address).until = state_[0].epoch;
  EXPECT_EQ(Found(), "missing backend, inactive slot");
}

TEST_F(ServiceFindingsTest, ReverseEntries) {
  cc_backend& backend = BackendAt(Of(3).address);
  const uint32_t service = std::exchange(backend.service, 0u);
  EXPECT_EQ(Found(), "missing reverse entry");
  backend.service = IndexOf(Service(2, {}).frontend);
  EXPECT_EQ(Found(), "foreign reverse entry");
  backend.service = service;
  EXPECT_EQ(Found(), "");
}

TEST_F(ServiceFindingsTest, ACopyThatIsNotTheBackend) {
  Entry(2).near_port[1] ^= 0x0100;
  EXPECT_EQ(Found(), "wrong copy");
}

TEST_F(ServiceFindingsTest, ABackendThatNobodyHas) {
  cc_backend& free = writer_->maps().backends[200];
  ASSERT_EQ(free.born, 0u);
  free = BackendAt(Of(3).address);
  EXPECT_EQ(Found(), "leaked backend");
}

TEST_F(ServiceFindingsTest, AServiceThatRemembersThoughItShouldNot) {
  Target(2) ^= CC_SERVICE_REMEMBERS;
  EXPECT_EQ(Found(), "wrong affinity");
  Target(2) ^= CC_SERVICE_REMEMBERS;
  Target(1) ^= CC_SERVICE_REMEMBERS;
  EXPECT_EQ(Found(), "wrong affinity");
  Target(1) ^= CC_SERVICE_REMEMBERS;
  Entry(1).affinity_ticks = 0;
  EXPECT_EQ(Found(), "wrong affinity");
}

TEST_F(ServiceFindingsTest, AServiceThatStandsForNothing) {
  ASSERT_EQ(Set({Service(2, {})}), absl::OkStatus());
  EXPECT_EQ(Found(), "");
  Target(2) = CC_SERVICE_NONE;
  EXPECT_EQ(Found(), "missing service");
}

TEST_F(ServiceFindingsTest, ASwitchThatNoWriterLeaves) {
  Entry(2).which = CC_SWITCH(state_[0].epoch, 4 | (Entry(2).which & 1), 0);
  EXPECT_NE(Found().find("broken switch"), std::string::npos) << Found();
}

TEST_F(ServiceFindingsTest, MoreSlotsThanFit) {
  Target(2) |= 15ull << 23;
  EXPECT_EQ(Found(), "table size");
}

TEST_F(ServiceFindingsTest, AMaskThatHidesChains) {
  state_[0].service_mask >>= 1;
  EXPECT_NE(Found().find("broken chain"), std::string::npos) << Found();
}

// A writer that ended before it published leaves backends that nobody finds.
TEST_F(ServiceFindingsTest, WhatIsPreparedIsNoFinding) {
  ServiceOptions more = Service(2, {6, 7, 8, 9});
  EXPECT_FALSE(Set({more}, [&] {
                 EXPECT_EQ(Found(), "");
                 return absl::AbortedError("late");
               }).ok());
  EXPECT_EQ(Found(), "");
}

TEST_F(ServiceFindingsTest, ClientsThatAreRememberedForNothing) {
  Remember(99, 5000, {.backend = 0, .born = 1, .seen = 0, .pad = 0});
  EXPECT_EQ(Found(), "orphan affinity");
}

TEST_F(ServiceFindingsTest, ClientsThatAreSentToWhatWasRemoved) {
  cc_backend& leaked = writer_->maps().backends[200];
  leaked = BackendAt(Of(3).address);
  const uint32_t service = IndexOf(Service(1, {}).frontend);
  Remember(99, service,
           {.backend = 200, .born = leaked.born, .seen = 0, .pad = 0});
  EXPECT_EQ(Found(), "leaked backend, affinity to a removed backend");
  leaked.born = 0;
  EXPECT_EQ(Found(), "") << "nobody believes the record any more";
}

TEST_F(ServiceFindingsTest, AFindingSaysWhereAndWhat) {
  Line(3).backend[7] = 4000;
  const std::vector<ServiceFinding> findings = Findings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(
      findings[0].ToString(),
      "slot out of range: map cc_maglev, entry " +
          std::to_string(FirstLine() + 3) +
          ": service s1 10.96.0.1:80/TCP: slot 103 has backend 4000 of 8");
}

// Services come and go, change, fail half-way and remember clients.
TEST_F(ServiceFindingsTest, NothingIsWrongAfterValidOperations) {
  std::mt19937 random(9);
  std::map<int, ServiceOptions> now;
  ASSERT_EQ(Set({}), absl::OkStatus());
  for (int round = 0; round < 10'000; ++round) {
    std::map<int, ServiceOptions> next = now;
    const int number = 1 + static_cast<int>(random() % 10);
    if (random() % 5 == 0) {
      next.erase(number);
    } else {
      ServiceOptions service = Service(number, {});
      if (random() % 8 == 0) service.affinity = Affinity::kClientIp;
      for (int i = 1; i <= 7; ++i) {
        if (random() % 3 != 0) continue;
        Backend backend = Of(i);
        backend.weight = random() % 4;
        backend.state = static_cast<BackendState>(random() % 4);
        service.backends.push_back(backend);
      }
      next[number] = std::move(service);
    }
    std::vector<ServiceOptions> services;
    for (const auto& [of, service] : next) services.push_back(service);
    const absl::Status done = Set(services, [&] {
      return random() % 8 == 0 ? absl::AbortedError("late") : absl::OkStatus();
    });
    if (done.ok()) now = std::move(next);
    for (int client = 0; client < 3; ++client) {
      world_.netns_cookie = random() % 50 + 1;
      Connect(Service(1 + static_cast<int>(random() % 10), {}).frontend);
    }
    world_.events.clear();
    const std::vector<ServiceFinding> findings = Findings();
    ASSERT_TRUE(findings.empty())
        << "round " << round << ": " << findings[0].ToString();
  }
}

}  // namespace
}  // namespace ciliumcore::internal
