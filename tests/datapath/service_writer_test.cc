// SPDX-License-Identifier: Apache-2.0

// The writer of services and the socket programs, natively: what a client gets
// at each epoch, and that everything is given back.

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ciliumcore/abi/reason.h"
#include "ciliumcore/service/maglev.h"
#include "tests/datapath/service_writer_fixture.h"

namespace ciliumcore::internal {
namespace {

TEST_F(ServiceWriterTest, TranslatesThereAndBack) {
  ServiceOptions v6 = Service(2, {});
  v6.frontend.address = Ip("fd00:96::2");
  v6.backends = {{.address = Ip("fd00:1:2:3:4:5:6:7"), .port = 7}};
  ASSERT_TRUE(Set({Service(1, {3}), v6}).ok());
  Socket socket;
  socket.Ask(Ip("10.96.0.1"), 80);
  ASSERT_EQ(cc_connect4(&socket.call), 1);
  EXPECT_EQ(socket.V4(), Of(3));
  ASSERT_EQ(cc_getpeername4(&socket.call), 1);
  EXPECT_EQ(socket.V4(), (Backend{.address = Ip("10.96.0.1"), .port = 80}));
  socket.Ask(Ip("10.96.0.1"), 80);
  ASSERT_EQ(cc_connect6(&socket.call), 1) << "v4-mapped";
  EXPECT_EQ(socket.V6(), Of(3));
  socket.Ask(Ip("fd00:96::2"), 80);
  ASSERT_EQ(cc_connect6(&socket.call), 1);
  EXPECT_EQ(socket.V6(), v6.backends[0]);
  ASSERT_EQ(cc_getpeername6(&socket.call), 1);
  EXPECT_EQ(socket.V6(), (Backend{.address = Ip("fd00:96::2"), .port = 80}));
  // Of the backend of another port it knows nothing.
  socket.Ask(Ip("fd00:1:2:3:4:5:6:7"), 8);
  ASSERT_EQ(cc_recvmsg6(&socket.call), 1);
  EXPECT_EQ(socket.V6(),
            (Backend{.address = Ip("fd00:1:2:3:4:5:6:7"), .port = 8}));
  // A frontend is one of its port and protocol.
  Socket other(IPPROTO_UDP);
  other.Ask(Ip("10.96.0.1"), 80);
  ASSERT_EQ(cc_connect4(&other.call), 1);
  EXPECT_EQ(other.V4().address, Ip("10.96.0.1"));
  other.call.protocol = IPPROTO_TCP;
  other.Ask(Ip("10.96.0.1"), 81);
  ASSERT_EQ(cc_connect4(&other.call), 1);
  EXPECT_EQ(other.V4().address, Ip("10.96.0.1"));
  Socket stranger;
  stranger.Ask(Ip("10.0.0.3"), 8080);
  ASSERT_EQ(cc_recvmsg4(&stranger.call), 1);
  EXPECT_EQ(stranger.V4(), Of(3));
}

TEST_F(ServiceWriterTest, TellsFrontendsOfOneChainApart) {
  constexpr uint32_t kHeads = kSizes.heads * CC_SERVICE_HEADS;
  const auto head_of = [&](const Frontend& frontend) {
    return ServiceChains::Hash(frontend, state_[0].addr_seed) % kHeads;
  };
  // Alike in all but one thing, and of one head: the first three are services.
  std::vector<Frontend> chain = {Service(1, {}).frontend};
  const auto add = [&](auto change) {
    Frontend next = chain.front();
    do change(next);
    while (head_of(next) != head_of(chain.front()));
    chain.push_back(next);
  };
  uint32_t number = 0x0a600100;
  const auto other_address = [&](Frontend& frontend) {
    frontend.address = IpAddress::FromV4(++number);
  };
  add(other_address);
  add(other_address);
  add(other_address);
  add([](Frontend& frontend) { ++frontend.port.port; });
  std::vector<ServiceOptions> services;
  for (int i = 0; i < 3; ++i) {
    services.push_back(Service(1, {10 + i}));
    services.back().frontend = chain[i];
  }
  ASSERT_TRUE(Set(services).ok());
  for (int i = 0; i < 5; ++i) {
    const Backend expected = i < 3 ? Of(10 + i)
                                   : Backend{.address = chain[i].address,
                                             .port = chain[i].port.port};
    EXPECT_EQ(*Connect(chain[i]), expected) << i;
  }
  // And by the protocol alone.
  Frontend tcp = chain[0], udp;
  do {
    other_address(tcp);
    udp = tcp;
    udp.port.protocol = Protocol::kUdp;
  } while (head_of(tcp) != head_of(udp));
  services[0].frontend = tcp;
  ASSERT_TRUE(Set({services[0]}).ok());
  EXPECT_EQ(*Connect(tcp), Of(10));
  EXPECT_EQ(Connect(udp)->address, udp.address);
  // An IPv6 address that ends in the IPv4 one.
  Frontend v6 = tcp;
  cc_addr addr = abi::ToAddr(tcp.address);
  do {
    ++addr.w[0];
    v6.address = abi::FromAddr(addr);
  } while (head_of(v6) != head_of(tcp));
  Socket socket;
  socket.Ask(v6.address, v6.port.port);
  ASSERT_EQ(cc_connect6(&socket.call), 1);
  EXPECT_EQ(socket.V6().address, v6.address);
}

TEST_F(ServiceWriterTest, AnUnconnectedSocketGoesOnUntilItsBackendIsGone) {
  ServiceOptions service = Service(1, {1, 2, 3, 4, 5, 6, 7});
  service.frontend.port.protocol = Protocol::kUdp;
  ASSERT_TRUE(Set({service}).ok());
  Socket socket(IPPROTO_UDP);
  const auto send = [&] {
    socket.Ask(Ip("10.96.0.1"), 80);
    EXPECT_EQ(cc_sendmsg4(&socket.call), 1);
    return socket.V4();
  };
  const Backend first = send();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send(), first);
  // Drained, it goes on.
  for (Backend& backend : service.backends) {
    if (backend.address == first.address) backend.weight = 0;
  }
  ASSERT_TRUE(Set({service}).ok());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send().address, first.address);
  std::erase_if(service.backends, [&](const Backend& backend) {
    return backend.address == first.address;
  });
  ASSERT_TRUE(Set({service}).ok());
  const Backend second = send();
  EXPECT_NE(second, first);
  EXPECT_EQ(send(), second);
}

TEST_F(ServiceWriterTest, ASocketRemembersItsLastServices) {
  std::vector<ServiceOptions> services;
  for (int i = 1; i <= 6; ++i) services.push_back(Service(i, {10 + i}));
  ASSERT_TRUE(Set(services).ok());
  Socket socket(IPPROTO_TCP);
  for (int i = 1; i <= 6; ++i) {
    socket.Ask(services[i - 1].frontend.address, 80);
    ASSERT_EQ(cc_sendmsg6(&socket.call), 1);
  }
  for (int i = 1; i <= 6; ++i) {
    socket.Ask(Of(10 + i).address, 8080);
    ASSERT_EQ(cc_recvmsg6(&socket.call), 1);
    const bool is_known = i > 6 - CC_SOCK_SERVICES;
    EXPECT_EQ(socket.V6().address,
              is_known ? services[i - 1].frontend.address : Of(10 + i).address)
        << i;
  }
}

TEST_F(ServiceWriterTest, OfTwoServicesWithOneBackendTheLastIsNamed) {
  ASSERT_TRUE(Set({Service(1, {9}), Service(2, {9})}).ok());
  Socket socket(IPPROTO_TCP);
  for (const char* vip : {"10.96.0.1", "10.96.0.2", "10.96.0.1"}) {
    socket.Ask(Ip(vip), 80);
    ASSERT_EQ(cc_connect4(&socket.call), 1);
    ASSERT_EQ(cc_getpeername4(&socket.call), 1);
    EXPECT_EQ(socket.V4().address, Ip(vip));
  }
}

TEST_F(ServiceWriterTest, RefusesWithoutBackendsAndTells) {
  ASSERT_TRUE(Set({Service(1, {})}).ok());
  EXPECT_FALSE(Connect(Service(1, {}).frontend).has_value());
  EXPECT_EQ(world_.retval, -ECONNREFUSED);
  ASSERT_EQ(world_.events.size(), 1u);
  cc_event event;
  std::memcpy(&event, world_.events[0].data(), sizeof(event));
  EXPECT_EQ(event.reason, CC_REASON_NO_BACKEND);
  EXPECT_EQ(abi::FromAddr(event.dst), Ip("10.96.0.1"));
}

TEST_F(ServiceWriterTest, AClientIsRememberedForItsTime) {
  ServiceOptions service = Service(1, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  service.affinity = Affinity::kClientIp;
  service.affinity_timeout = absl::Seconds(100);
  ASSERT_TRUE(Set({service}).ok());
  SetTicks(1000);
  const Backend first = *Connect(service.frontend);
  SetTicks(1100);
  EXPECT_EQ(*Connect(service.frontend), first);
  SetTicks(1200);
  EXPECT_EQ(*Connect(service.frontend), first) << "each connection renews it";
  // Others get their own.
  std::set<Backend> others;
  for (uint64_t client = 2; client < 30; ++client) {
    world_.netns_cookie = client;
    others.insert(*Connect(service.frontend));
  }
  EXPECT_GT(others.size(), 3u);
  world_.netns_cookie = 1;
  // With other backends it would have another; it is told from its own slot's
  // only then.
  const std::optional<Backend> slots = SlotAfter(service, first);
  ASSERT_TRUE(slots.has_value());
  for (const uint32_t late : {1300u, 1400u, 1500u}) {
    SetTicks(late);
    EXPECT_EQ(*Connect(service.frontend), first) << late;
  }
  SetTicks(1601);
  EXPECT_EQ(*Connect(service.frontend), *slots) << "forgotten";
}

TEST_F(ServiceWriterTest, TheStateOfABackendSaysWhoKeepsItsClients) {
  ServiceOptions service = Service(1, {1, 2, 3});
  service.affinity = Affinity::kClientIp;
  ASSERT_TRUE(Set({service}).ok());
  const Backend had = *Connect(service.frontend);
  const auto at =
      std::find(service.backends.begin(), service.backends.end(), had);
  ASSERT_NE(at, service.backends.end());
  const auto become = [&](BackendState state) {
    at->state = state;
    ASSERT_TRUE(Set({service}).ok());
  };
  uint64_t stranger = 1000;
  const auto others = [&] {
    std::set<Backend> got;
    for (int i = 0; i < 60; ++i) {
      world_.netns_cookie = stranger++;
      got.insert(*Connect(service.frontend));
    }
    world_.netns_cookie = 1;
    return got;
  };
  for (const BackendState keeps :
       {BackendState::kTerminating, BackendState::kMaintenance}) {
    become(keeps);
    EXPECT_EQ(*Connect(service.frontend), had) << BackendStateName(keeps);
    EXPECT_FALSE(others().contains(had)) << BackendStateName(keeps);
  }
  become(BackendState::kQuarantined);
  EXPECT_NE(*Connect(service.frontend), had);
  EXPECT_FALSE(others().contains(had));
  // If all have ended, they get new clients again.
  for (Backend& backend : service.backends)
    backend.state = BackendState::kTerminating;
  ASSERT_TRUE(Set({service}).ok());
  EXPECT_TRUE(others().contains(had));
  for (Backend& backend : service.backends)
    backend.state = BackendState::kMaintenance;
  ASSERT_TRUE(Set({service}).ok());
  world_.netns_cookie = 7777;
  EXPECT_FALSE(Connect(service.frontend).has_value());
}

// Turning affinity on or off is a part of the change: until it is published,
// clients are remembered as before.
TEST_F(ServiceWriterTest, AffinitySwitchesWithTheChange) {
  ServiceOptions service = Service(1, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  service.affinity = Affinity::kClientIp;
  ASSERT_TRUE(Set({service}).ok());
  const Backend had = *Connect(service.frontend);
  ServiceOptions forgets = service;
  forgets.affinity = Affinity::kNone;
  EXPECT_FALSE(Set({forgets}, [&] {
                 for (int i = 0; i < 20; ++i)
                   EXPECT_EQ(*Connect(service.frontend), had);
                 return absl::AbortedError("late");
               }).ok());
  EXPECT_EQ(*Connect(service.frontend), had);
  ASSERT_TRUE(Set({forgets}).ok());
  std::set<Backend> got;
  for (int i = 0; i < 200; ++i) got.insert(*Connect(service.frontend));
  EXPECT_GT(got.size(), 5u);
}

TEST_F(ServiceWriterTest, AChangeThatFailsTakesNoRoom) {
  std::vector<ServiceOptions> all;
  const auto room = static_cast<int>(ServiceIndex::EntriesOf(kSizes.heads));
  for (int i = 1; i < room; ++i) all.push_back(Service(i, {}));
  ASSERT_TRUE(Set(all).ok());
  for (int turn = 0; turn < 3; ++turn) {
    std::vector<ServiceOptions> more = all;
    more.push_back(Service(100 + turn, {}));
    more.push_back(Service(200 + turn, {}));
    EXPECT_TRUE(absl::IsResourceExhausted(Set(more)));
  }
  all.push_back(Service(99, {}));
  EXPECT_EQ(Set(all), absl::OkStatus());
}

// Nobody remembers, and yet: the slot is the client's.
TEST_F(ServiceWriterTest, AForgottenClientMostlyFindsItsBackend) {
  ServiceOptions service = Service(1, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  service.affinity = Affinity::kClientIp;
  service.affinity_timeout = absl::Seconds(1);
  ASSERT_TRUE(Set({service}).ok());
  constexpr int kClients = 500;
  uint32_t ticks = 1000;
  const auto connect_all = [&] {
    std::vector<Backend> got;
    SetTicks(ticks += 10);
    for (int client = 1; client <= kClients; ++client) {
      world_.netns_cookie = client;
      got.push_back(*Connect(service.frontend));
    }
    return got;
  };
  const std::vector<Backend> before = connect_all();
  EXPECT_EQ(connect_all(), before);
  std::map<Backend, int> counts;
  for (const Backend& backend : before) ++counts[backend];
  for (const auto& [backend, count] : counts)
    EXPECT_NEAR(count, kClients / 9.0, kClients / 18.0);
  const Backend gone = service.backends[0];
  service.backends.erase(service.backends.begin());
  ASSERT_TRUE(Set({service}).ok());
  const std::vector<Backend> after = connect_all();
  int moved = 0;
  for (int i = 0; i < kClients; ++i)
    moved += before[i] != gone && after[i] != before[i];
  EXPECT_LT(moved, kClients / 10);
}

TEST_F(ServiceWriterTest, ABackendIsNotTakenForWhoHadItsNumber) {
  ServiceOptions service = Service(1, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  service.affinity = Affinity::kClientIp;
  ASSERT_TRUE(Set({service}).ok());
  std::vector<uint64_t> clients;
  for (uint64_t client = 1; client <= 200; ++client) {
    world_.netns_cookie = client;
    if (*Connect(service.frontend) == Of(1)) clients.push_back(client);
  }
  ASSERT_GT(clients.size(), 5u);
  service.backends.erase(service.backends.begin());
  ASSERT_TRUE(Set({service}).ok());
  service.backends.push_back(Of(20));
  ServiceOptions unknown = service;
  unknown.frontend = Service(2, {}).frontend;
  ASSERT_TRUE(Set({service, unknown}).ok());
  for (const uint64_t client : clients) {
    world_.netns_cookie = client;
    EXPECT_EQ(*Connect(service.frontend), *Connect(unknown.frontend)) << client;
  }
}

TEST_F(ServiceWriterTest,
       NothingOfAChangeShowsBeforeItsEpochOrAfterItsUndoing) {
  ASSERT_TRUE(Set({Service(1, {1}), Service(2, {2})}).ok());
  const auto expect_the_old = [&] {
    EXPECT_EQ(*Connect(Service(1, {}).frontend), Of(1));
    EXPECT_EQ(*Connect(Service(2, {}).frontend), Of(2));
    EXPECT_EQ(Connect(Service(3, {}).frontend)->address, Ip("10.96.0.3"));
  };
  ASSERT_FALSE(Set({Service(1, {3, 4}), Service(3, {5})}, [&] {
                 expect_the_old();
                 return absl::AbortedError("late");
               }).ok());
  expect_the_old();
  ASSERT_TRUE(Set({Service(1, {3}), Service(3, {5})}).ok());
  EXPECT_EQ(*Connect(Service(1, {}).frontend), Of(3));
  EXPECT_EQ(Connect(Service(2, {}).frontend)->address, Ip("10.96.0.2"));
  EXPECT_EQ(*Connect(Service(3, {}).frontend), Of(5));
}

TEST_F(ServiceWriterTest, ATableHasTheSlotsOfTheWeights) {
  ServiceOptions service = Service(1, {1, 2, 3});
  service.backends[0].weight = 3;
  service.affinity = Affinity::kClientIp;
  ASSERT_TRUE(Set({service}).ok());
  std::map<uint16_t, uint32_t> slots;
  const uint32_t size =
      MaglevSizeFor({{.key = 1, .weight = 3}, {.key = 2}, {.key = 3}});
  for (uint32_t slot = 0; slot < size; ++slot) {
    ++slots[writer_->maps()
                .slots[slot / CC_SERVICE_SLOTS]
                .backend[slot % CC_SERVICE_SLOTS]];
  }
  EXPECT_EQ(slots.size(), 3u);
  EXPECT_NEAR(slots[0], size * 3 / 5.0, 1);
  EXPECT_NEAR(slots[1], size / 5.0, 1);
  EXPECT_NEAR(slots[2], size / 5.0, 1);
}

// Whether the choice comes from the word, a list or a table.
TEST_F(ServiceWriterTest, SharesAreThoseOfTheWeights) {
  const auto expect_shares = [&](std::vector<uint32_t> weights, bool is_v6) {
    ServiceOptions service = Service(1, {});
    if (is_v6) service.frontend.address = Ip("fd00:96::1");
    double total = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      service.backends.push_back(Of(static_cast<int>(i + 1)));
      if (is_v6)
        service.backends.back().address =
            Ip("fd00:1::" + std::to_string(i + 1));
      service.backends.back().weight = weights[i];
      total += weights[i];
    }
    ASSERT_TRUE(Set({}).ok());
    ASSERT_TRUE(Set({service}).ok());
    constexpr int kConnects = 20000;
    std::map<IpAddress, int> counts;
    for (int i = 0; i < kConnects; ++i) {
      Socket socket;
      socket.Ask(service.frontend.address, 80);
      ASSERT_EQ(cc_connect6(&socket.call), 1);
      ++counts[socket.V6().address];
    }
    size_t reached = 0;
    for (const Backend& backend : service.backends) {
      const double expected = kConnects * backend.weight / total;
      reached += backend.weight != 0;
      EXPECT_NEAR(counts[backend.address], expected,
                  5 * std::sqrt(expected) + 1)
          << backend.address.ToString() << " of " << weights.size();
    }
    counts.erase(IpAddress());
    std::erase_if(counts, [](const auto& count) { return count.second == 0; });
    EXPECT_EQ(counts.size(), reached);
  };
  for (const bool is_v6 : {false, true}) {
    expect_shares({1}, is_v6);
    expect_shares({1, 1, 1}, is_v6);
    expect_shares({2, 0, 2, 4}, is_v6);
    expect_shares({0, 0, 0, 0, 3}, is_v6);
    expect_shares({1, 1, 1, 1, 1, 1, 1, 1}, is_v6);
    expect_shares({1, 1, 1, 1, 1, 1, 1, 1, 1}, is_v6);
    expect_shares({30, 1, 1, 1}, is_v6);
    expect_shares({1009, 1013}, is_v6);
  }
}

// Copies in the service's line follow the backends through every change.
TEST_F(ServiceWriterTest, FewBackendsAreNear) {
  const Frontend frontend = Service(1, {}).frontend;
  const auto is_near = [&] {
    const cc_service& service = writer_->maps().services[1];
    const uint16_t which = cc_switch_pick(service.which, state_[0].epoch);
    return (service.target[which] & CC_SERVICE_IS_NEAR) != 0;
  };
  ASSERT_TRUE(Set({Service(1, {1, 2, 3})}).ok());
  EXPECT_TRUE(is_near());
  // One after the other: there is room for one more.
  ASSERT_TRUE(Set({Service(1, {2, 3, 4})}).ok());
  EXPECT_TRUE(is_near());
  // All at once: what may be read is not written over, until the next change
  // of any service.
  ASSERT_TRUE(Set({Service(1, {5, 6, 7})}).ok());
  EXPECT_FALSE(is_near());
  EXPECT_GT(Connect(frontend)->address, Of(4).address);
  ASSERT_FALSE(Set({Service(1, {5, 6, 7}), Service(2, {})}, [&] {
                 EXPECT_GT(Connect(frontend)->address, Of(4).address);
                 return absl::AbortedError("late");
               }).ok());
  EXPECT_FALSE(is_near());
  ASSERT_TRUE(Set({Service(1, {5, 6, 7}), Service(2, {})}).ok());
  EXPECT_TRUE(is_near());
  std::set<Backend> got;
  for (int i = 0; i < 100; ++i) got.insert(*Connect(frontend));
  EXPECT_EQ(got, (std::set<Backend>{Of(5), Of(6), Of(7)}));
  ServiceOptions remembers = Service(1, {5, 6, 7});
  remembers.affinity = Affinity::kClientIp;
  ASSERT_TRUE(Set({remembers}).ok());
  EXPECT_FALSE(is_near()) << "clients are remembered by what only the far know";
}

// Little room, many changes: a client never gets what is not there, and
// whatever is given up comes back.
TEST_F(ServiceWriterTest, HoldsThroughRandomChanges) {
  std::mt19937 random(5);
  std::map<int, std::vector<int>> now;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::map<int, std::vector<int>> next = now;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      const int number = 1 + static_cast<int>(random() % 12);
      if (random() % 4 == 0) {
        next.erase(number);
        continue;
      }
      std::vector<int>& backends = next[number];
      backends.clear();
      for (int i = 1; i <= 9; ++i) {
        if (random() % 4 == 0) backends.push_back(i);
      }
    }
    std::vector<ServiceOptions> services;
    for (const auto& [number, backends] : next)
      services.push_back(Service(number, backends));
    const absl::Status done = Set(services, [&] {
      return random() % 8 == 0 ? absl::AbortedError("late") : absl::OkStatus();
    });
    if (done.ok()) {
      now = next;
    } else {
      refused += !absl::IsAborted(done);
    }
    for (int number = 1; number <= 12; ++number) {
      const Frontend frontend = Service(number, {}).frontend;
      const std::optional<Backend> got = Connect(frontend);
      const auto wanted = now.find(number);
      if (wanted == now.end()) {
        ASSERT_EQ(got->address, frontend.address) << round;
      } else if (wanted->second.empty()) {
        ASSERT_FALSE(got.has_value()) << round;
      } else {
        ASSERT_TRUE(got.has_value()) << round;
        const auto is_got = [&](int i) { return Of(i) == *got; };
        ASSERT_TRUE(
            std::any_of(wanted->second.begin(), wanted->second.end(), is_got))
            << round << ": " << got->address.ToString();
      }
    }
    world_.events.clear();
  }
  EXPECT_EQ(refused, 0) << "room is lost";
}

}  // namespace
}  // namespace ciliumcore::internal
