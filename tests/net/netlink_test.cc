// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/net/netlink.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/net/netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::StartsWith;

#define ASSERT_OK(expr)                   \
  do {                                    \
    const absl::Status status_ = (expr);  \
    ASSERT_TRUE(status_.ok()) << status_; \
  } while (false)

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }
IpPrefix Prefix(const char* text) { return *IpPrefix::Parse(text); }

constexpr MacAddress kMac = {2, 0, 0, 0, 0, 1};
constexpr MacAddress kOtherMac = {2, 0, 0, 0, 0, 2};

// Two namespaces: a node, and a pod.
class NetlinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();  // the privilege that links want too
    if (IsSkipped() || HasFatalFailure()) return;
    node_.emplace(*NetNs::Create());
    pod_.emplace(*NetNs::Create());
    at_node_.emplace(*Netlink::Open(*node_));
    at_pod_.emplace(*Netlink::Open(*pod_));
  }

  // "veth" on the node, "eth0" in the pod; both up.
  void AddPair() {
    ASSERT_OK(
        at_node_->AddVeth({.name = "veth", .mac = kMac},
                          {.name = "eth0", .netns = &*pod_, .mac = kOtherMac}));
    ASSERT_OK(at_node_->SetUp("veth"));
    ASSERT_OK(at_pod_->SetUp("eth0"));
  }

  std::vector<std::string> AddressesAt(Netlink& at) {
    std::vector<std::string> texts;
    const auto addresses = at.Addresses();
    if (!addresses.ok()) return {addresses.status().ToString()};
    for (const InterfaceAddress& address : *addresses) {
      texts.push_back(
          absl::StrCat(address.address.ToString(), "/", address.prefix_length));
    }
    return texts;
  }

  std::optional<NetNs> node_, pod_;
  std::optional<Netlink> at_node_, at_pod_;
};

TEST(MacTest, IsWrittenAsUsual) {
  EXPECT_EQ(MacToString({0x02, 0, 0xab, 0xcd, 0, 0x0f}), "02:00:ab:cd:00:0f");
}

TEST(MacTest, IsReadAsItIsWritten) {
  const MacAddress mac = {0x02, 0, 0xab, 0xcd, 0, 0x0f};
  EXPECT_EQ(*ParseMac("02:00:AB:cd:00:0f"), mac);
  for (const char* wrong :
       {"", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1",
        "02-00-00-00-00-01", "02:00:00:00:00:0g"}) {
    EXPECT_EQ(ParseMac(wrong).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong;
  }
}

TEST_F(NetlinkTest, MakesAPairAcrossNamespaces) {
  ASSERT_OK(at_node_->AddVeth(
      {.name = "veth", .mac = kMac, .mtu = 1400},
      {.name = "eth0", .netns = &*pod_, .mac = kOtherMac, .mtu = 1300}));
  absl::StatusOr<LinkInfo> veth = at_node_->FindLink("veth");
  ASSERT_TRUE(veth.ok()) << veth.status();
  EXPECT_EQ(veth->name, "veth");
  EXPECT_EQ(veth->kind, "veth");
  EXPECT_EQ(veth->mac, kMac);
  EXPECT_EQ(veth->mtu, 1400u);
  EXPECT_FALSE(veth->is_up);
  absl::StatusOr<LinkInfo> eth0 = at_pod_->FindLink("eth0");
  ASSERT_TRUE(eth0.ok()) << eth0.status();
  EXPECT_EQ(eth0->mac, kOtherMac);
  EXPECT_EQ(eth0->mtu, 1300u);
  EXPECT_EQ(eth0->peer_ifindex, veth->ifindex);
  EXPECT_EQ(veth->peer_ifindex, eth0->ifindex);
  EXPECT_TRUE(veth->peer_nsid.has_value());
}

TEST_F(NetlinkTest, FindsTheOtherEndOfAPair) {
  AddPair();
  absl::StatusOr<LinkInfo> peer =
      at_node_->FindPeer(*at_node_->FindLink("veth"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->name, "eth0");
  EXPECT_EQ(peer->mac, kOtherMac);

  ASSERT_OK(at_node_->AddVeth({.name = "a"}, {.name = "b"}));
  peer = at_node_->FindPeer(*at_node_->FindLink("a"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->name, "b");

  EXPECT_EQ(at_node_->FindPeer(*at_node_->FindLink("lo")).status(),
            absl::InvalidArgumentError(
                "the other end of link lo: it is no veth or netkit"));
}

TEST_F(NetlinkTest, StaysInItsNamespaceWhereverTheCallerGoes) {
  AddPair();
  ASSERT_OK(pod_->Run([&] {
    EXPECT_TRUE(at_node_->FindLink("veth").ok());
    absl::StatusOr<Netlink> here = Netlink::Open();
    EXPECT_TRUE(here->FindLink("eth0").ok());
    EXPECT_FALSE(here->FindLink("veth").ok());
    return absl::OkStatus();
  }));
}

// Filters are programs: tests of the datapath add them.
TEST_F(NetlinkTest, ALinkWithoutAQdiscHasNoFilters) {
  AddPair();
  const auto filters = at_node_->Filters("veth");
  ASSERT_TRUE(filters.ok()) << filters.status();
  EXPECT_TRUE(filters->empty());
  EXPECT_TRUE(absl::IsNotFound(at_node_->Filters("nobody").status()));
}

TEST_F(NetlinkTest, ListsLinks) {
  AddPair();
  absl::StatusOr<std::vector<LinkInfo>> links = at_node_->Links();
  ASSERT_TRUE(links.ok()) << links.status();
  ASSERT_EQ(links->size(), 2u);
  EXPECT_EQ(links->at(0).name, "lo");
  EXPECT_EQ(links->at(0).kind, "");
  EXPECT_EQ(links->at(1).name, "veth");
  EXPECT_TRUE(links->at(1).is_up);
}

TEST_F(NetlinkTest, ListsMoreLinksThanFitOneAnswer) {
  for (int i = 0; i < 150; ++i) {
    ASSERT_OK(at_node_->AddVeth({.name = absl::StrCat("veth", i)},
                                {.name = absl::StrCat("peer", i)}));
  }
  EXPECT_EQ(at_node_->Links()->size(), 301u);
}

TEST_F(NetlinkTest, ChangesALink) {
  ASSERT_OK(at_node_->AddVeth({.name = "veth"}, {.name = "peer"}));
  ASSERT_OK(at_node_->SetMac("veth", kMac));
  ASSERT_OK(at_node_->SetMtu("veth", 9000));
  ASSERT_OK(at_node_->SetUp("veth"));
  LinkInfo link = *at_node_->FindLink("veth");
  EXPECT_EQ(link.mac, kMac);
  EXPECT_EQ(link.mtu, 9000u);
  EXPECT_TRUE(link.is_up);

  ASSERT_OK(at_node_->SetUp("veth", false));
  ASSERT_OK(at_node_->Rename("veth", "other"));
  link = *at_node_->FindLink("other");
  EXPECT_FALSE(link.is_up);
  EXPECT_FALSE(at_node_->FindLink("veth").ok());
}

TEST_F(NetlinkTest, DeletesAPairByEitherEnd) {
  AddPair();
  ASSERT_OK(at_pod_->DeleteLink("eth0"));
  EXPECT_TRUE(absl::IsNotFound(at_node_->FindLink("veth").status()));
}

TEST_F(NetlinkTest, NamesTheLinkThatIsNotThere) {
  const absl::Status missing =
      absl::NotFoundError("link veth-web: No such device");
  EXPECT_EQ(at_node_->FindLink("veth-web").status(), missing);
  EXPECT_EQ(at_node_->SetUp("veth-web"), missing);
  EXPECT_EQ(at_node_->SetMac("veth-web", kMac), missing);
  EXPECT_EQ(at_node_->SetMtu("veth-web", 1500), missing);
  EXPECT_EQ(at_node_->Rename("veth-web", "other"), missing);
  EXPECT_EQ(at_node_->DeleteLink("veth-web"), missing);
  EXPECT_EQ(at_node_->AddAddress("veth-web", Ip("10.0.0.1")), missing);
  EXPECT_EQ(at_node_->AddRoute(
                {.destination = Prefix("10.0.0.0/8"), .link = "veth-web"}),
            missing);
  EXPECT_EQ(at_node_->SetNeighbor("veth-web", Ip("10.0.0.1"), kMac), missing);
}

TEST_F(NetlinkTest, RefusesNamesThatNoLinkCanHave) {
  EXPECT_EQ(at_node_->FindLink("").status(),
            absl::InvalidArgumentError(
                "link \"\": its name must have 1 to 15 characters"));
  EXPECT_EQ(at_node_->AddVeth({.name = "veth-of-a-long-name"}, {.name = "b"}),
            absl::InvalidArgumentError("link \"veth-of-a-long-name\": its name "
                                       "must have 1 to 15 characters"));
}

TEST_F(NetlinkTest, SaysThatALinkIsThereAlready) {
  AddPair();
  EXPECT_EQ(at_node_->AddVeth({.name = "veth"}, {.name = "other"}),
            absl::AlreadyExistsError("veth veth - other: File exists"));
}

TEST_F(NetlinkTest, AddsWhatTheKernelExplains) {
  AddPair();
  const absl::Status status = at_node_->SetMtu("veth", 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "link veth: Invalid argument (mtu less than device minimum)");
}

TEST_F(NetlinkTest, AddsAndListsAddresses) {
  AddPair();
  ASSERT_OK(at_pod_->AddAddress("eth0", Ip("10.0.0.1")));
  ASSERT_OK(at_pod_->AddAddress("eth0", Ip("10.0.1.7"), 24));
  ASSERT_OK(at_pod_->AddAddress("eth0", Ip("fd00::1")));
  EXPECT_THAT(AddressesAt(*at_pod_), Contains("10.0.0.1/32"));
  EXPECT_THAT(AddressesAt(*at_pod_), Contains("10.0.1.7/24"));
  EXPECT_THAT(AddressesAt(*at_pod_), Contains("fd00::1/128"));
  EXPECT_THAT(AddressesAt(*at_node_), Not(Contains("10.0.0.1/32")));
  EXPECT_EQ(at_pod_->AddAddress("eth0", Ip("10.0.0.1")).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(at_pod_->AddAddress("eth0", Ip("10.0.0.2"), 33),
            absl::InvalidArgumentError("address 10.0.0.2/33 of link eth0: "
                                       "expected a length of 0 to 32"));
}

TEST_F(NetlinkTest, AddsAddressesThatAreUsableAtOnce) {
  AddPair();
  ASSERT_OK(at_pod_->AddAddress("eth0", Ip("fd00::1")));
  ASSERT_OK(pod_->Run([] {
    sockaddr_in6 own = {};
    own.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "fd00::1", &own.sin6_addr);
    const UniqueFd fd(socket(AF_INET6, SOCK_DGRAM, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)),
              0);
    return absl::OkStatus();
  }));
}

TEST_F(NetlinkTest, ExplainsARouteThatCannotBe) {
  AddPair();
  const absl::Status unreachable =
      at_pod_->AddRoute({.destination = Prefix("10.0.0.0/8"),
                         .link = "eth0",
                         .gateway = Ip("192.0.2.1")});
  EXPECT_THAT(std::string(unreachable.message()),
              StartsWith("route 10.0.0.0/8 via 192.0.2.1 on link eth0: Network "
                         "is unreachable (Nexthop has invalid gateway)"));
  EXPECT_EQ(at_pod_->AddRoute({.destination = Prefix("10.0.0.0/8"),
                               .link = "eth0",
                               .gateway = Ip("fe80::1")}),
            absl::InvalidArgumentError(
                "route 10.0.0.0/8 via fe80::1 on link eth0: fe80::1 is of "
                "another family than the destination"));
  ASSERT_OK(
      at_pod_->AddRoute({.destination = Prefix("10.0.0.0/8"), .link = "eth0"}));
  EXPECT_EQ(
      at_pod_->AddRoute({.destination = Prefix("10.0.0.0/8"), .link = "eth0"})
          .code(),
      absl::StatusCode::kAlreadyExists);
}

// A pod as a node has it: an address of its own and a gateway that is nobody's,
// found by a neighbour entry alone.
TEST_F(NetlinkTest, BuildsAPodThatADatagramReaches) {
  AddPair();
  struct Family {
    const char *pod, *node, *gateway, *all;
  };
  for (const Family& family :
       {Family{"10.0.0.1", "192.0.2.1", "169.254.1.1", "0.0.0.0/0"},
        Family{"fd00::1", "2001:db8::1", "fe80::1", "::/0"}}) {
    const IpAddress pod = Ip(family.pod), node = Ip(family.node);
    ASSERT_OK(at_pod_->AddAddress("eth0", pod));
    ASSERT_OK(at_pod_->AddRoute({.destination = Prefix(family.all),
                                 .link = "eth0",
                                 .gateway = Ip(family.gateway),
                                 .is_onlink = true,
                                 .source = pod}));
    ASSERT_OK(at_pod_->SetNeighbor("eth0", Ip(family.gateway), kMac));
    ASSERT_OK(at_node_->AddAddress("lo", node));
    ASSERT_OK(at_node_->AddRoute(
        {.destination = Prefix(family.pod), .link = "veth", .source = node}));
    ASSERT_OK(at_node_->SetNeighbor("veth", pod, kOtherMac));

    sockaddr_in6 to = {};  // IPv4 goes as a v4-mapped address
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(4711);
    std::copy(pod.bytes().begin(), pod.bytes().end(), to.sin6_addr.s6_addr);
    UniqueFd receiver, sender;
    ASSERT_OK(pod_->Run([&] {
      receiver = UniqueFd(socket(AF_INET6, SOCK_DGRAM, 0));
      EXPECT_EQ(
          bind(receiver.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)),
          0);
      return absl::OkStatus();
    }));
    ASSERT_OK(node_->Run([&] {
      sender = UniqueFd(socket(AF_INET6, SOCK_DGRAM, 0));
      return absl::OkStatus();
    }));
    // A link that has just come up drops what comes before its queue is ready,
    // which the kernel sees to in its own time.
    pollfd wait = {.fd = receiver.get(), .events = POLLIN, .revents = 0};
    int arrived = 0;
    for (int i = 0; i < 100 && arrived == 0; ++i) {
      ASSERT_EQ(sendto(sender.get(), "hello", 5, 0,
                       reinterpret_cast<sockaddr*>(&to), sizeof(to)),
                5)
          << strerror(errno);
      arrived = poll(&wait, 1, 100);
    }
    EXPECT_EQ(arrived, 1) << family.pod;
  }
}

}  // namespace
}  // namespace ciliumcore
