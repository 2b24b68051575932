// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {
namespace {

// Probes under way at once: below any usual limit of open files.
constexpr size_t kBatch = 768;

struct SocketAddress {
  SocketAddress(const IpAddress& address, uint16_t port) {
    if (address.is_v4()) {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
      v4->sin_family = AF_INET;
      v4->sin_port = htons(port);
      v4->sin_addr.s_addr = htonl(address.v4());
      bytes = sizeof(*v4);
    } else {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(port);
      std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
      bytes = sizeof(*v6);
    }
  }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  sockaddr_storage storage = {};
  socklen_t bytes = 0;
};

// In the calling thread's namespace, bound to `own`.
absl::StatusOr<UniqueFd> BoundSocket(const IpAddress& own, PortProtocol port,
                                     uint16_t own_port) {
  const bool is_datagram = port.protocol == Protocol::kUdp;
  const int protocol = port.protocol == Protocol::kSctp ? IPPROTO_SCTP : 0;
  UniqueFd fd(socket(
      own.is_v4() ? AF_INET : AF_INET6,
      (is_datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
      protocol));
  if (fd.get() < 0 && port.protocol == Protocol::kSctp) {
    return absl::UnimplementedError("this kernel has no SCTP");
  }
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, "socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const SocketAddress address(own, own_port);
  if (bind(fd.get(), address.get(), address.bytes) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("binding ", own.ToString(), " ", port.ToString()));
  }
  return fd;
}

// Runs `work` on a thread that may roam namespaces.
absl::Status OnRoamingThread(const std::function<absl::Status()>& work) {
  absl::Status result;
  std::thread([&] { result = work(); }).join();
  return result;
}

absl::Status Enter(int netns) {
  if (setns(netns, CLONE_NEWNET) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "entering a network namespace");
}

struct Running {
  Probe* probe;
  UniqueFd fd;
};

// Nothing if the probe failed at once: no route, say.
absl::StatusOr<UniqueFd> StartProbe(const Probe& probe) {
  absl::StatusOr<UniqueFd> fd =
      BoundSocket(probe.source.address, probe.port, 0);
  if (!fd.ok()) return fd.status();
  const SocketAddress to(probe.destination.address, probe.port.port);
  if (connect(fd->get(), to.get(), to.bytes) != 0 && errno != EINPROGRESS) {
    return UniqueFd();
  }
  if (probe.port.protocol == Protocol::kUdp &&
      send(fd->get(), "?", 1, MSG_NOSIGNAL) != 1) {
    return UniqueFd();
  }
  return fd;
}

bool IsReached(const Running& running) {
  if (running.probe->port.protocol == Protocol::kUdp) {
    char echo = 0;
    return recv(running.fd.get(), &echo, 1, 0) == 1;
  }
  int error = 0;
  socklen_t bytes = sizeof(error);
  getsockopt(running.fd.get(), SOL_SOCKET, SO_ERROR, &error, &bytes);
  return error == 0;
}

absl::Status RunBatch(const std::vector<Probe*>& batch, int timeout_ms) {
  std::vector<Running> running;
  int current = -1;
  for (Probe* probe : batch) {
    if (probe->source.netns != current) {
      if (absl::Status in = Enter(probe->source.netns); !in.ok()) return in;
      current = probe->source.netns;
    }
    absl::StatusOr<UniqueFd> fd = StartProbe(*probe);
    if (!fd.ok()) return fd.status();
    if (fd->valid()) running.push_back({probe, *std::move(fd)});
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!running.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    std::vector<pollfd> waits;
    for (const Running& one : running) {
      const bool is_udp = one.probe->port.protocol == Protocol::kUdp;
      waits.push_back({.fd = one.fd.get(),
                       .events = static_cast<short>(is_udp ? POLLIN : POLLOUT),
                       .revents = 0});
    }
    if (poll(waits.data(), waits.size(), static_cast<int>(left.count())) < 0 &&
        errno != EINTR) {
      return absl::ErrnoToStatus(errno, "poll");
    }
    std::vector<Running> still;
    for (size_t i = 0; i < running.size(); ++i) {
      if (waits[i].revents == 0) {
        still.push_back(std::move(running[i]));
      } else {
        running[i].probe->reached = IsReached(running[i]);
      }
    }
    running = std::move(still);
  }
  return absl::OkStatus();
}

}  // namespace

Listeners::Listeners()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
  // a lab has a socket for each port of each pod
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  epoll_event event = {.events = EPOLLIN, .data = {.fd = stop_.get()}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event);
  thread_ = std::thread([this] { Serve(); });
}

Listeners::~Listeners() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = write(stop_.get(), &one, sizeof(one));
  thread_.join();
}

absl::Status Listeners::Add(const LabEnd& end, PortProtocol port) {
  auto serving = std::make_unique<Serving>();
  serving->kind = port.protocol == Protocol::kUdp ? Serving::Kind::kDatagrams
                                                  : Serving::Kind::kListener;
  absl::Status made = OnRoamingThread([&]() -> absl::Status {
    if (absl::Status in = Enter(end.netns); !in.ok()) return in;
    absl::StatusOr<UniqueFd> fd = BoundSocket(end.address, port, port.port);
    if (!fd.ok()) return fd.status();
    if (serving->kind == Serving::Kind::kListener &&
        listen(fd->get(), 1024) != 0) {
      return absl::ErrnoToStatus(errno, "listen");
    }
    serving->fd = *std::move(fd);
    return absl::OkStatus();
  });
  return made.ok() ? Watch(std::move(serving)) : made;
}

absl::Status Listeners::Watch(std::unique_ptr<Serving> serving) {
  const std::lock_guard lock(mutex_);
  const int fd = serving->fd.get();
  epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  serving_[fd] = std::move(serving);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) {
    return absl::OkStatus();
  }
  serving_.erase(fd);
  return absl::ErrnoToStatus(errno, "epoll");
}

void Listeners::Serve() {
  epoll_event events[64];
  while (true) {
    const int count = epoll_wait(epoll_.get(), events, 64, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == stop_.get()) return;
      const Serving* serving = nullptr;
      {
        const std::lock_guard lock(mutex_);
        serving = serving_.at(events[i].data.fd).get();
      }
      Handle(*serving);  // only this thread removes
    }
  }
}

void Listeners::Handle(const Serving& serving) {
  const int fd = serving.fd.get();
  if (serving.kind == Serving::Kind::kListener) {
    auto connection = std::make_unique<Serving>();
    connection->kind = Serving::Kind::kConnection;
    connection->fd =
        UniqueFd(accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection->fd.get() >= 0) Watch(std::move(connection)).IgnoreError();
    return;
  }
  char data[2048];
  sockaddr_storage from = {};
  socklen_t bytes = sizeof(from);
  auto* address = reinterpret_cast<sockaddr*>(&from);
  const ssize_t got = recvfrom(fd, data, sizeof(data), 0, address, &bytes);
  if (serving.kind == Serving::Kind::kDatagrams) {
    if (got >= 0) sendto(fd, data, got, 0, address, bytes);
    return;
  }
  if (got > 0) {
    [[maybe_unused]] const ssize_t sent = send(fd, data, got, MSG_NOSIGNAL);
  } else if (got == 0 || errno != EAGAIN) {
    const std::lock_guard lock(mutex_);
    serving_.erase(fd);
  }
}

absl::StatusOr<LabConnection> LabConnection::Open(const LabEnd& source,
                                                  const LabEnd& destination,
                                                  PortProtocol port,
                                                  int timeout_ms) {
  UniqueFd socket_fd;
  absl::Status opened = OnRoamingThread([&]() -> absl::Status {
    if (absl::Status in = Enter(source.netns); !in.ok()) return in;
    absl::StatusOr<UniqueFd> fd = BoundSocket(source.address, port, 0);
    if (!fd.ok()) return fd.status();
    const SocketAddress to(destination.address, port.port);
    connect(fd->get(), to.get(), to.bytes);
    pollfd wait = {.fd = fd->get(), .events = POLLOUT, .revents = 0};
    int error = 0;
    socklen_t bytes = sizeof(error);
    if (poll(&wait, 1, timeout_ms) != 1 ||
        getsockopt(fd->get(), SOL_SOCKET, SO_ERROR, &error, &bytes) != 0 ||
        error != 0) {
      return absl::UnavailableError(absl::StrCat("connecting to ",
                                                 destination.address.ToString(),
                                                 " ", port.ToString()));
    }
    socket_fd = *std::move(fd);
    return absl::OkStatus();
  });
  if (!opened.ok()) return opened;
  return LabConnection(std::move(socket_fd));
}

bool LabConnection::Echo(const std::string& line, int timeout_ms) {
  const std::string text = absl::StrCat(line, "\n");
  if (send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return false;
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (received_.find(text) == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wait = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 ||
        poll(&wait, 1, static_cast<int>(left.count())) != 1) {
      return false;
    }
    char data[2048];
    const ssize_t got = recv(fd_.get(), data, sizeof(data), 0);
    if (got <= 0) return false;
    received_.append(data, got);
  }
  received_.clear();
  return true;
}

absl::Status RunProbes(std::vector<Probe*> probes, int timeout_ms) {
  std::stable_sort(probes.begin(), probes.end(), [](Probe* a, Probe* b) {
    return a->source.netns < b->source.netns;
  });
  return OnRoamingThread([&]() -> absl::Status {
    for (size_t at = 0; at < probes.size(); at += kBatch) {
      const size_t end = std::min(at + kBatch, probes.size());
      absl::Status run =
          RunBatch({probes.begin() + at, probes.begin() + end}, timeout_ms);
      if (!run.ok()) return run;
    }
    return absl::OkStatus();
  });
}

}  // namespace ciliumcore::ccore
