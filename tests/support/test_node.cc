// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {
namespace {

void Shell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

sockaddr_storage SocketAddress(const IpAddress& address, uint16_t port,
                               socklen_t* bytes) {
  sockaddr_storage storage = {};
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    v4->sin_addr.s_addr = htonl(address.v4());
    *bytes = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
    *bytes = sizeof(*v6);
  }
  return storage;
}

UniqueFd MakeSocket(const IpAddress& address, Protocol protocol) {
  const int type = protocol == Protocol::kUdp ? SOCK_DGRAM : SOCK_STREAM;
  UniqueFd fd(socket(address.is_v4() ? AF_INET : AF_INET6,
                     type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd.get(), SOL_IP, IP_FREEBIND, &on, sizeof(on));
  return fd;
}

bool WaitFor(int fd, short events, int milliseconds) {
  pollfd wait = {.fd = fd, .events = events, .revents = 0};
  return poll(&wait, 1, milliseconds) == 1;
}

}  // namespace

void RunInNetns(int netns, const std::function<void()>& work) {
  std::thread([&] {
    ASSERT_EQ(setns(netns, CLONE_NEWNET), 0) << strerror(errno);
    work();
  }).join();
}

TestNode::TestNode() {
  if (unshare(CLONE_NEWNET) != 0) {
    ADD_FAILURE() << "unshare: " << strerror(errno);
    return;
  }
  Shell(
      "ip link set lo up; sysctl -qw net.ipv4.ip_forward=1 "
      "net.ipv6.conf.all.forwarding=1 "
      "net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
}

UniqueFd TestNode::NewNetns() {
  UniqueFd fd;
  std::thread([&] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    fd = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  return fd;
}

void TestNode::AddPod(const std::string& name, const std::string& v4,
                      const std::string& v6) {
  UniqueFd fd = NewNetns();
  const std::string host = absl::StrCat("veth-", name);
  Shell(absl::StrCat("ip link add ", host,
                     " type veth peer name eth0 netns /proc/", getpid(), "/fd/",
                     fd.get()));
  Shell(absl::StrCat("ip link set ", host, " up"));
  if (!v4.empty()) Shell(absl::StrCat("ip route add ", v4, "/32 dev ", host));
  if (!v6.empty())
    Shell(absl::StrCat("ip -6 route add ", v6, "/128 dev ", host));
  RunInNetns(fd.get(), [&] {
    Shell(
        "ip link set lo up; sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip "
        "link set eth0 up");
    if (!v4.empty()) {
      Shell(absl::StrCat("ip address add ", v4,
                         "/32 dev eth0 && ip route add 169.254.1.1 dev eth0 "
                         "scope link && ip route add default via 169.254.1.1"));
    }
    if (!v6.empty()) {
      Shell(absl::StrCat("ip address add ", v6,
                         "/128 dev eth0 nodad && ip -6 route add fd00::1 dev "
                         "eth0 && ip -6 route "
                         "add default via fd00::1 dev eth0"));
    }
  });
  namespaces_[name] = std::move(fd);
}

void TestNode::AddOutside(const std::string& name, const std::string& v4,
                          const std::string& gateway) {
  UniqueFd fd = NewNetns();
  const std::string host = absl::StrCat("up-", name);
  Shell(absl::StrCat("ip link add ", host,
                     " type veth peer name eth0 netns /proc/", getpid(), "/fd/",
                     fd.get()));
  Shell(absl::StrCat("ip address add ", gateway, "/32 dev ", host,
                     " && ip link set ", host, " up && ip route add ", v4,
                     "/32 dev ", host));
  RunInNetns(fd.get(), [&] {
    Shell(absl::StrCat(
        "ip link set lo up; ip link set eth0 up && ip address add ", v4,
        "/32 dev eth0 && ip route add ", gateway,
        " dev eth0 scope link && ip route add default via ", gateway));
  });
  namespaces_[name] = std::move(fd);
}

TestSocket TestSocket::Listen(int netns, const IpAddress& address,
                              PortProtocol port) {
  TestSocket out;
  RunInNetns(netns, [&] {
    out.fd_ = MakeSocket(address, port.protocol);
    socklen_t bytes = 0;
    const sockaddr_storage own = SocketAddress(address, port.port, &bytes);
    ASSERT_EQ(bind(out.fd(), reinterpret_cast<const sockaddr*>(&own), bytes), 0)
        << strerror(errno);
    if (port.protocol != Protocol::kUdp) {
      ASSERT_EQ(listen(out.fd(), 16), 0);
    }
  });
  return out;
}

TestSocket TestSocket::Connect(int netns, const IpAddress& from,
                               const IpAddress& to, PortProtocol port,
                               int milliseconds) {
  TestSocket out;
  RunInNetns(netns, [&] {
    out.fd_ = MakeSocket(to, port.protocol);
    socklen_t bytes = 0;
    const sockaddr_storage own = SocketAddress(from, 0, &bytes);
    ASSERT_EQ(bind(out.fd(), reinterpret_cast<const sockaddr*>(&own), bytes), 0)
        << strerror(errno);
    const sockaddr_storage other = SocketAddress(to, port.port, &bytes);
    const int done =
        connect(out.fd(), reinterpret_cast<const sockaddr*>(&other), bytes);
    out.connected_ = done == 0;
    if (done == 0 || errno != EINPROGRESS ||
        !WaitFor(out.fd(), POLLOUT, milliseconds))
      return;
    int error = 0;
    socklen_t error_bytes = sizeof(error);
    getsockopt(out.fd(), SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    out.connected_ = error == 0;
  });
  return out;
}

TestSocket TestSocket::Accept(int milliseconds) {
  TestSocket out;
  if (!WaitFor(fd(), POLLIN, milliseconds)) return out;
  out.fd_ =
      UniqueFd(accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  out.connected_ = out.fd() >= 0;
  return out;
}

bool TestSocket::Receives(const std::string& text, int milliseconds) {
  if (!WaitFor(fd(), POLLIN, milliseconds)) return false;
  std::string got(text.size(), '\0');
  const ssize_t bytes = recv(fd(), got.data(), got.size(), 0);
  return bytes == static_cast<ssize_t>(text.size()) && got == text;
}

bool TestSocket::Reaches(TestSocket& other, const std::string& text,
                         int milliseconds) {
  return send(fd(), text.data(), text.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(text.size()) &&
         other.Receives(text, milliseconds);
}

}  // namespace ciliumcore::testing
