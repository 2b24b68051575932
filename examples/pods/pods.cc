// SPDX-License-Identifier: Apache-2.0
#include "examples/pods/pods.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::examples {
namespace {

sockaddr_in SockAddr(const IpAddress& address, uint16_t port) {
  sockaddr_in out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(address.v4());
  return out;
}

absl::Status Error(const std::string& what) {
  return absl::ErrnoToStatus(errno, what);
}

}  // namespace

absl::StatusOr<Node> Node::Create() {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  if (!netns.ok()) return netns.status();
  if (absl::Status entered = netns->Enter(); !entered.ok()) return entered;
  absl::Status set = netns->WriteSysctl("net/ipv4/ip_forward", "1");
  if (!set.ok()) return set;
  return Node(*std::move(netns));
}

absl::Status Node::AddPod(const std::string& name, const IpAddress& address) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  if (!netns.ok()) return netns.status();
  absl::StatusOr<Netlink> node = Netlink::Open(netns_);
  absl::StatusOr<Netlink> pod = Netlink::Open(*netns);
  if (!node.ok()) return node.status();
  if (!pod.ok()) return pod.status();
  const std::string veth = absl::StrCat("veth-", name);
  const IpAddress gateway = IpAddress::FromV4(0xa9fe0101);  // 169.254.1.1
  absl::Status done =
      node->AddVeth({.name = veth}, {.name = "eth0", .netns = &*netns});
  if (done.ok()) done = pod->AddAddress("eth0", address);
  if (done.ok()) done = pod->SetUp("eth0");
  if (done.ok()) done = node->SetUp(veth);
  if (done.ok()) {
    done = pod->AddRoute({.destination = IpPrefix::Of(IpAddress::FromV4(0), 0),
                          .link = "eth0",
                          .gateway = gateway,
                          .is_onlink = true});
  }
  if (done.ok()) {
    done = node->AddRoute(
        {.destination = IpPrefix::Of(address, 32), .link = veth});
  }
  if (!done.ok()) return done;
  pods_.emplace(name, Pod{.netns = *std::move(netns),
                          .address = address,
                          .identity = identities_.Allocate({{"app", name}})});
  return absl::OkStatus();
}

EndpointOptions Node::Endpoint(const std::string& name) {
  const Pod& pod = pods_.at(name);
  return {.interface = absl::StrCat("veth-", name),
          .addresses = {pod.address},
          .identity = pod.identity};
}

absl::Status Node::Listen(const std::string& name, uint16_t port) {
  Pod& pod = pods_.at(name);
  return pod.netns.Run([&]() -> absl::Status {
    pod.listener = UniqueFd(
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in own = SockAddr(pod.address, port);
    if (bind(pod.listener.get(), reinterpret_cast<const sockaddr*>(&own),
             sizeof(own)) != 0 ||
        listen(pod.listener.get(), 1024) != 0) {
      return Error(name);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<IpAddress> Node::Connect(const std::string& name,
                                        const IpAddress& to, uint16_t port) {
  UniqueFd client;
  absl::Status done = pods_.at(name).netns.Run([&]() -> absl::Status {
    client = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval wait = {.tv_sec = 0, .tv_usec = 300000};
    setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    const sockaddr_in there = SockAddr(to, port);
    if (connect(client.get(), reinterpret_cast<const sockaddr*>(&there),
                sizeof(there)) != 0) {
      return Error(absl::StrCat(name, " -> ", to.ToString()));
    }
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  // Whose listener has it.
  for (const auto& [other, pod] : pods_) {
    if (!pod.listener.valid()) continue;
    UniqueFd served(
        accept4(pod.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (served.valid()) return pod.address;
  }
  return absl::NotFoundError("nobody has accepted the connection");
}

}  // namespace ciliumcore::examples
