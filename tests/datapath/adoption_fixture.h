// SPDX-License-Identifier: Apache-2.0

// A pinned instance on a node of its own, told one of two states.

#ifndef CILIUMCORE_TESTS_DATAPATH_ADOPTION_FIXTURE_H_
#define CILIUMCORE_TESTS_DATAPATH_ADOPTION_FIXTURE_H_

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/maps/mapped_array.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {

// What the node is told: one of two states, by policy and by service.
struct Wanted {
  bool second =
      false;  // api may reach db, not web; the service is api, not web
};

class AdoptionTest : public PinnedTest {
 protected:
  void SetUp() override {
    PinnedTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    node_->AddPod("api", Pods().at("api"));
    listeners_["api"] = Listen("api", Pods().at("api"));
    listeners_["db"] = std::move(listener_);
    listeners_["web"] = Listen("web", Pods().at("web"));
    for (const char* name : {"api", "db", "web", "far"})
      known_[name] = identities_.Allocate({{"app", name}});
  }

  static std::map<std::string, std::string> Pods() {
    return {{"api", "10.0.1.3"}, {"db", "10.0.1.2"}, {"web", "10.0.1.1"}};
  }

  // `addresses`: another number is another room, hence other maps.
  DatapathOptions Options(uint32_t addresses = 1024) {
    DatapathOptions options = PinnedTest::Options();
    options.capacity.addresses = addresses;
    return options;
  }

  // Many ports, so that a table has pages.
  static std::vector<NetworkPolicy> Policies(const Wanted& wanted) {
    std::vector<NetworkPolicy> policies;
    NetworkPolicy policy = IsolateDb();
    NetworkPolicyRule& rule = policy.ingress.emplace_back();
    PeerRule& peer = rule.peers.emplace_back();
    peer.pod_selector.emplace().match_labels = {
        {"app", wanted.second ? "api" : "web"}};
    PeerRule& block = rule.peers.emplace_back();
    block.ip_block = IpBlock{.cidr = *IpPrefix::Parse("192.0.2.0/24"),
                             .except = {*IpPrefix::Parse("192.0.2.8/29")}};
    policies.push_back(policy);
    policy.name = "web";
    policy.pod_selector.match_labels = {{"app", "web"}};
    policy.ingress.clear();
    for (uint16_t port = 100; port < 140; port += 2) {
      policy.ingress.emplace_back().ports.emplace_back().port = port;
    }
    policies.push_back(policy);
    return policies;
  }

  static ServiceOptions Service(const Wanted& wanted) {
    return {
        .name = "db",
        .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
        .backends = {{.address = Ip(wanted.second ? "10.0.1.3" : "10.0.1.1"),
                      .port = kPort.port}}};
  }

  // All that there shall be, in one change.
  absl::Status Commit(Datapath& datapath, const Wanted& wanted) {
    Transaction change = datapath.Begin();
    for (const auto& [name, address] : Pods()) {
      EndpointOptions endpoint;
      endpoint.interface = absl::StrCat("veth-", name);
      endpoint.addresses = {Ip(address)};
      endpoint.identity = known_.at(name);
      change.AttachEndpoint(endpoint);
    }
    RemoteOptions remote;
    remote.addresses = {Ip("10.9.0.1")};
    remote.identity = known_.at("far");
    remote.next_hop = NextHop{.interface = "veth-db", .gateway = {}};
    change.UpsertRemote(remote)
        .SetPolicies(Policies(wanted))
        .SetServices({Service(wanted)});
    return change.Commit();
  }

  absl::Status OpenAndCommit(const Wanted& wanted, uint32_t addresses = 1024) {
    absl::StatusOr<Datapath> datapath = Datapath::Open(Options(addresses));
    if (!datapath.ok()) return datapath.status();
    return Commit(*datapath, wanted);
  }

  bool Connects(const std::string& from, const std::string& to) {
    return TestSocket::Connect(node_->netns(from), Ip(Pods().at(from)), Ip(to),
                               kPort, 60)
        .connected();
  }

  // Room for the next.
  void EmptyListeners() {
    for (auto& [pod, listener] : listeners_) {
      while (listener.Accept(0).connected()) {
      }
    }
  }

  // Which of the two states decides, by all that differs between them; nothing
  // if it is a mix.
  std::optional<Wanted> InForce() {
    const bool web = Connects("web", "10.0.1.2");
    const bool api = Connects("api", "10.0.1.2");
    EmptyListeners();
    // Nobody may reach web on that port, everybody may reach api.
    const bool service = Connects("db", "10.96.0.1");
    if (web && !api && !service) return Wanted{.second = false};
    if (!web && api && service) return Wanted{.second = true};
    ADD_FAILURE() << "web " << web << ", api " << api << ", service "
                  << service;
    return std::nullopt;
  }

  // On its ingress.
  static uint32_t TcxPrograms(const std::string& interface) {
    LIBBPF_OPTS(bpf_prog_query_opts, query);
    constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
    EXPECT_EQ(
        bpf_prog_query_opts(static_cast<int>(if_nametoindex(interface.c_str())),
                            kTcxIngress, &query),
        0);
    return query.prog_cnt;
  }

  std::map<std::string, IdentityRef> known_;
  std::map<std::string, TestSocket> listeners_;  // of pods
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_DATAPATH_ADOPTION_FIXTURE_H_
