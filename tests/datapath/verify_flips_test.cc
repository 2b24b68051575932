// SPDX-License-Identifier: Apache-2.0

// Flips single bits of live maps in the kernel. Whether that alters a verdict,
// the programs themselves say, asked everything; Verify must say the same.
// CC_SEED and CC_ROUNDS choose other bits, and more of them.

#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/datapath/verify.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/policy/policy_set.h"
#include "tests/datapath/dialects_policy.h"
#include "tests/datapath/native_truth.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {
namespace {

using testing::JudgingMaps;
using testing::NativeTruth;

// A bit of a value of a map, and how to turn it.
struct Bit {
  std::string map;
  std::string entry;
  uint32_t bit = 0;
  std::function<void()> flip = {};
  // What else to ask about: an address that the bit makes another.
  std::function<std::optional<IpAddress>()> address = {};
  // Of a table with pages, or an entry of a page: which keys may fare
  // otherwise.
  bool is_of_ports = false;
  std::optional<uint32_t> page_entry = {};
};

class VerifyFlipsTest : public PinnedTest {
 protected:
  void SetUp() override {
    PinnedTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    node_->AddPod("api", "10.0.1.3", "2001:db8:1::3");
    node_->AddPod("old", "10.0.1.4");
    DatapathOptions options = Options();
    options.cgroup = "";
    options.capacity.addresses = 256;
    options.capacity.prefixes = 64;
    options.capacity.classes = 1024;
    options.capacity.cells = 4096;
    auto datapath = Datapath::Open(options);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    CommitAll();
    if (HasFatalFailure()) return;
    maps_.emplace(
        JudgingMaps::Open([this](const char* map) { return MapPath(map); }));
    MakeTruth();
  }

  // Leaves an interface whose programs drop everything, and retired entries
  // beside those in use.
  void CommitAll() {
    const auto parsed =
        PolicySet::FromManifest(testing::kPoliciesOfEveryDialect);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EndpointOptions old = Pod("old", "10.0.1.4");
    old.on_detach = OnDetach::kClosed;
    EndpointOptions api = Pod("api", "10.0.1.3");
    api.addresses.push_back(Ip("2001:db8:1::3"));
    RemoteOptions far;
    far.addresses = {Ip("10.9.0.1")};
    far.identity = Pod("far", "10.9.0.1").identity;
    RemoteOptions far6;
    far6.addresses = {Ip("2001:db8:9::1")};
    far6.identity = far.identity;
    ASSERT_TRUE(datapath_->Begin()
                    .AttachEndpoint(old)
                    .AttachEndpoint(Pod("db", "10.0.1.2"))
                    .SetPolicies({IsolateDb()})
                    .Commit()
                    .ok());
    Transaction change = datapath_->Begin();
    change.DetachEndpoint("veth-old")
        .AttachEndpoint(Pod("web", "10.0.1.1"))
        .AttachEndpoint(api)
        .UpsertRemote(far)
        .UpsertRemote(far6)
        .SetPolicies(parsed->policies());
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  }

  // With the labels that manifests would give it.
  EndpointOptions Pod(const std::string& app, const std::string& address) {
    EndpointOptions endpoint = Endpoint(app, address);
    endpoint.identity = identities_.Allocate(PodIdentityLabels(
        *Labels::Parse(absl::StrCat("app=", app)), MakeNamespace("default")));
    return endpoint;
  }

  // The same, as manifests.
  static absl::StatusOr<Cluster> Manifests() {
    std::string text = testing::kPoliciesOfEveryDialect;
    int number = 0;
    for (const auto& [app, ips] :
         {std::pair("web", "{ip: 10.0.1.1}"), std::pair("db", "{ip: 10.0.1.2}"),
          std::pair("api", "{ip: 10.0.1.3}, {ip: '2001:db8:1::3'}"),
          std::pair("far", "{ip: 10.9.0.1}"),
          std::pair("far", "{ip: '2001:db8:9::1'}")}) {
      absl::StrAppend(&text,
                      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: ", app,
                      ++number, ", namespace: default, labels: {app: ", app,
                      "}}\nspec: {containers: [{name: c}]}\n",
                      "status: {podIPs: [", ips, "]}\n");
    }
    const ManifestSource source = {.name = "pods.yaml", .text = text};
    return LoadManifests({&source, 1});
  }

  void MakeTruth() {
    NativeTruth::Subjects subjects;
    for (const char* name : {"web", "api", "db", "old"}) {
      ifindexes_[name] = if_nametoindex(absl::StrCat("veth-", name).c_str());
      subjects.interfaces.push_back(ifindexes_[name]);
    }
    subjects.addresses = {{Ip("10.0.1.1"), ifindexes_["web"]},
                          {Ip("10.0.1.2"), ifindexes_["db"]},
                          {Ip("10.0.1.3"), ifindexes_["api"]},
                          {Ip("2001:db8:1::3"), ifindexes_["api"]}};
    for (const char* address :
         {"10.9.0.1", "2001:db8:9::1", "2001:db8:9::2", "2001:db8::1",
          "8.8.8.8", "192.0.2.1", "192.0.2.9", "198.51.100.1", "203.0.113.1"})
      subjects.addresses[Ip(address)] = 0;
    // Those in use, those that were, and that of entries that never were: ::.
    for (const cc_place& place : maps_->places.entries())
      subjects.addresses.try_emplace(abi::FromAddr(place.addr), 0);
    for (const auto& [number, peer] : datapath_->policy()->peer_map->peers)
      subjects.peers.push_back(number);
    truth_.emplace(&*maps_, std::move(subjects));
    before_ = truth_->Ask();
  }

  template <typename T>
  void AddArray(const char* map, absl::Span<T> entries, uint32_t first,
                uint32_t count) {
    for (uint32_t i = first; i < first + count && i < entries.size(); ++i) {
      auto* bytes = reinterpret_cast<uint8_t*>(&entries[i]);
      for (uint32_t bit = 0; bit < sizeof(T) * 8; ++bit) {
        Bit& added = bits_[map].emplace_back();
        added = {.map = map, .entry = absl::StrCat(i), .bit = bit};
        added.flip = [bytes, bit] {
          volatile uint8_t& byte = bytes[bit / 8];
          byte = static_cast<uint8_t>(byte ^ 1u << bit % 8);
        };
      }
    }
  }

  // The address in such bytes, when it is turned.
  static std::optional<IpAddress> AddressIn(const cc_addr& addr) {
    return abi::FromAddr(addr);
  }

  template <typename K, typename V>
  void AddHash(const char* map, Map<K, V>& hash,
               const std::function<bool(const K&)>& is_wanted) {
    std::vector<std::pair<K, V>> all;
    ASSERT_TRUE(hash.ForEach([&](const K& key, const V& value) {
                      if (is_wanted(key)) all.emplace_back(key, value);
                    })
                    .ok());
    for (const auto& [key, value] : all) {
      for (uint32_t bit = 0; bit < sizeof(V) * 8; ++bit) {
        Bit& added = bits_[map].emplace_back();
        added = {.map = map, .entry = "of its key", .bit = bit};
        const auto now = std::make_shared<V>(value);
        added.flip = [this, &hash, map, key = key, now, bit] {
          auto* bytes = reinterpret_cast<uint8_t*>(now.get());
          bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
          ASSERT_TRUE(hash.Put(key, *now).ok());
          truth_->world().FindMap(map)->Update(&key, now.get(), BPF_ANY);
        };
      }
    }
  }

  // Of entries in use, of retired ones, and of a few that never were.
  void CollectBits() {
    JudgingMaps& maps = *maps_;
    AddArray("cc_state", maps.state.entries(), 0, 1);
    AddArray("cc_endpoints", maps.endpoints.entries(), 0, 6);
    AddArray("cc_subjects", maps.subjects.entries(), 0, 8);
    AddArray("cc_addrs", maps.addresses.entries(), 0, 32);
    AddArray("cc_places", maps.places.entries(), 0, UsedPlaces() + 2);
    AddArray("cc_hops", maps.hops.entries(), 0, 2);
    AddArray("cc_tables", maps.tables.entries(), 0, UsedTables() + 1);
    AddArray("cc_port_pages", maps.port_pages.entries(), 0, 9);
    AddArray("cc_cells", maps.cells.entries(), 0, UsedCells() + 4);
    AddHash<uint32_t, uint32_t>(
        "cc_ifindex", maps.ifindex, [this](uint32_t ifindex) {
          return ifindex == 1 ||
                 std::any_of(
                     ifindexes_.begin(), ifindexes_.end(),
                     [&](const auto& own) { return own.second == ifindex; });
        });
    AddHash<cc_prefix_key, uint32_t>("cc_prefixes", maps.prefixes,
                                     [](const auto&) { return true; });
    AddHash<cc_class_key, cc_class_value>("cc_classes", maps.classes,
                                          [](const auto&) { return true; });
    for (Bit& bit : bits_["cc_endpoints"]) {
      const cc_endpoint& entry = maps.endpoints[std::stoul(bit.entry)];
      const uint32_t byte = bit.bit / 8;
      if (byte >= offsetof(cc_endpoint, v4) && byte < offsetof(cc_endpoint, v6))
        bit.address = [&entry] { return AddressIn(entry.v4); };
      if (byte >= offsetof(cc_endpoint, v6) &&
          byte < offsetof(cc_endpoint, mac))
        bit.address = [&entry] { return AddressIn(entry.v6); };
    }
    for (Bit& bit : bits_["cc_places"]) {
      const cc_place& entry = maps.places[std::stoul(bit.entry)];
      const uint32_t byte = bit.bit / 8;
      if (byte >= offsetof(cc_place, addr) && byte < offsetof(cc_place, next))
        bit.address = [&entry] { return AddressIn(entry.addr); };
    }
    for (Bit& bit : bits_["cc_tables"]) {
      bit.is_of_ports =
          truth_->IsPaged(static_cast<uint32_t>(std::stoul(bit.entry)));
    }
    for (Bit& bit : bits_["cc_port_pages"]) {
      bit.is_of_ports = true;
      bit.page_entry = bit.bit / 16;
    }
  }

  uint32_t UsedPlaces() const {
    uint32_t used = 0;
    for (uint32_t i = 0; i < maps_->places.size(); ++i) {
      if (maps_->places[i].which != 0) used = i + 1;
    }
    return used;
  }
  uint32_t UsedTables() const {
    uint32_t used = 0;
    for (uint32_t i = 0; i < maps_->tables.size(); ++i) {
      if (maps_->tables[i].interval_count != 0) used = i + 1;
    }
    return used;
  }
  uint32_t UsedCells() const {
    uint32_t used = 0;
    for (uint32_t i = 0; i < maps_->cells.size(); ++i) {
      if (maps_->cells[i].rule_set != 0) used = i + 1;
    }
    return used;
  }

  // As many of each map as there are, or an equal share.
  std::vector<const Bit*> Choose(size_t wanted, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<const Bit*> chosen;
    std::map<std::string, std::vector<const Bit*>> left;
    for (auto& [map, bits] : bits_) {
      for (const Bit& bit : bits) left[map].push_back(&bit);
      std::shuffle(left[map].begin(), left[map].end(), random);
    }
    while (chosen.size() < wanted && !left.empty()) {
      for (auto it = left.begin(); it != left.end();) {
        chosen.push_back(it->second.back());
        it->second.pop_back();
        it = it->second.empty() ? left.erase(it) : std::next(it);
        if (chosen.size() == wanted) break;
      }
    }
    return chosen;
  }

  std::optional<Datapath> datapath_;
  std::map<std::string, uint32_t> ifindexes_;
  std::optional<JudgingMaps> maps_;
  std::optional<NativeTruth> truth_;
  NativeTruth::Answers before_;
  std::map<std::string, std::vector<Bit>> bits_;  // by map
};

uint64_t NumberOr(const char* variable, uint64_t otherwise) {
  const char* text = getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

TEST_F(VerifyFlipsTest, FindsEachBitThatAltersAVerdictAndNoOther) {
  const auto untouched = datapath_->Verify();
  ASSERT_TRUE(untouched.ok()) << untouched.status();
  ASSERT_TRUE(untouched->is_equal()) << untouched->ToString();
  ASSERT_FALSE(untouched->other_rules.has_value());
  CollectBits();
  if (HasFatalFailure()) return;
  struct Count {
    uint32_t altering = 0, harmless = 0, other_rules = 0;
  };
  std::map<std::string, Count> counts;
  for (const Bit* bit :
       Choose(NumberOr("CC_ROUNDS", 10000), NumberOr("CC_SEED", 1))) {
    SCOPED_TRACE(::testing::Message() << bit->map << ", entry " << bit->entry
                                      << ", bit " << bit->bit);
    NativeTruth::Answers before = before_;
    bit->flip();
    std::vector<IpAddress> addresses;
    if (bit->address) addresses.push_back(*bit->address());
    const std::vector<uint32_t> keys =
        bit->is_of_ports ? truth_->KeysWhosePortsChanged(bit->page_entry)
                         : std::vector<uint32_t>();
    const NativeTruth::Answers after = truth_->Ask(addresses, keys);
    const auto report = datapath_->Verify();
    bit->flip();
    if (!addresses.empty() || !keys.empty())
      before = truth_->Ask(addresses, keys);
    ASSERT_TRUE(report.ok()) << report.status();
    const bool is_altered = before.verdicts != after.verdicts;
    ASSERT_EQ(!report->is_equal(), is_altered) << report->ToString();
    Count& count = counts[bit->map];
    ++(is_altered ? count.altering : count.harmless);
    if (is_altered) continue;
    const bool has_other_rules = before.rule_sets != after.rule_sets;
    ASSERT_EQ(report->other_rules.has_value(), has_other_rules)
        << report->ToString();
    if (has_other_rules) ++count.other_rules;
  }
  Count all;
  for (const auto& [map, count] : counts) {
    std::cout << map << ": " << count.altering << " alter a verdict, "
              << count.harmless << " do not, " << count.other_rules
              << " of these tell other rules\n";
    all.altering += count.altering;
    all.harmless += count.harmless;
    all.other_rules += count.other_rules;
  }
  std::cout << "all: " << all.altering + all.harmless << " flips, "
            << all.altering << " alter a verdict, " << all.harmless
            << " do not, " << all.other_rules << " of these tell other rules\n";
  EXPECT_GT(all.altering * 10, all.harmless);
  EXPECT_GT(all.harmless * 10, all.altering);
  EXPECT_EQ(truth_->Ask(), before_);
  EXPECT_TRUE(datapath_->Verify()->is_equal());
}

// A policy that allows what another one allows comes and goes: tables and rules
// change, and no verdict.
TEST_F(VerifyFlipsTest, WhatAWriterDoesMeanwhileIsNoDifference) {
  const absl::StatusOr<Cluster> cluster = Manifests();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const Policies without =
      PolicySet::FromManifest(testing::kPoliciesOfEveryDialect)->policies();
  Policies with = without;
  NetworkPolicy more = with.policies[1];
  ASSERT_EQ(more.name, "db");
  more.name = "db-too";
  with.policies.push_back(more);
  std::atomic<bool> is_over = false;
  std::atomic<int> changes = 0;
  std::thread writer([&] {
    while (!is_over) {
      const Policies& next = changes % 2 == 0 ? with : without;
      Transaction change = datapath_->Begin();
      ASSERT_EQ(change.SetPolicies(next).Commit(), absl::OkStatus());
      ++changes;
      // Now and then there is time to read all of it.
      if (changes % 8 == 0) absl::SleepFor(absl::Milliseconds(400));
    }
  });
  int verified = 0;
  for (int i = 0; i < 1000 && (i < 20 || changes <= 20 || verified == 0); ++i) {
    const auto report =
        VerifyInstance({.name = "test", .bpffs = bpffs_->root()}, *cluster);
    if (absl::IsUnavailable(report.status())) continue;
    EXPECT_TRUE(report.ok()) << report.status();
    if (!report.ok()) break;
    EXPECT_TRUE(report->is_equal()) << report->ToString();
    ++verified;
  }
  is_over = true;
  writer.join();
  EXPECT_GT(changes, 20);
  EXPECT_GT(verified, 0);
}

// From the pins and from manifests comes what the process itself knows. But not
// by an epoch that the journal is not of.
TEST_F(VerifyFlipsTest, AnotherProcessFindsTheSame) {
  const absl::StatusOr<Cluster> cluster = Manifests();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const InspectOptions instance = {.name = "test", .bpffs = bpffs_->root()};
  const auto untouched = VerifyInstance(instance, *cluster);
  ASSERT_TRUE(untouched.ok()) << untouched.status();
  ASSERT_TRUE(untouched->is_equal()) << untouched->ToString();
  ASSERT_FALSE(untouched->other_rules.has_value()) << untouched->ToString();
  EXPECT_EQ(untouched->endpoints, 3u);
  CollectBits();
  if (HasFatalFailure()) return;
  bits_.erase("cc_state");
  uint32_t different = 0;
  for (const Bit* bit : Choose(NumberOr("CC_ROUNDS", 150), 2)) {
    SCOPED_TRACE(::testing::Message() << bit->map << ", entry " << bit->entry
                                      << ", bit " << bit->bit);
    bit->flip();
    const auto inside = datapath_->Verify();
    const auto outside = VerifyInstance(instance, *cluster);
    bit->flip();
    ASSERT_TRUE(inside.ok()) << inside.status();
    ASSERT_TRUE(outside.ok()) << outside.status();
    ASSERT_EQ(inside->is_equal(), outside->is_equal())
        << inside->ToString() << outside->ToString();
    if (!inside->is_equal()) ++different;
  }
  EXPECT_GT(different, 30u);
}

}  // namespace
}  // namespace ciliumcore
