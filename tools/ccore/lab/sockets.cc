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
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {
namespace {

// Probes under way at once, and started before the next look at what came back.
constexpr size_t kWindow = 4096;
constexpr size_t kStartedAtOnce = 128;

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

// "Who are you?", as it was asked on teleprinters: the byte ENQ.
constexpr char kWhoAreYou = 5;

// An answer on the wire.
struct AnswerBytes {
  uint8_t address[16];
  uint8_t port[2];
};

// Which address and port the socket has.
AnswerBytes AnswerOf(int fd) {
  AnswerBytes answer = {};
  sockaddr_storage own = {};
  socklen_t bytes = sizeof(own);
  getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes);
  if (own.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&own);
    const auto mapped = IpAddress::FromV4(ntohl(v4->sin_addr.s_addr)).bytes();
    std::memcpy(answer.address, mapped.data(), mapped.size());
    std::memcpy(answer.port, &v4->sin_port, sizeof(answer.port));
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&own);
    std::memcpy(answer.address, &v6->sin6_addr, sizeof(answer.address));
    std::memcpy(answer.port, &v6->sin6_port, sizeof(answer.port));
  }
  return answer;
}

std::optional<LabAnswer> ReceiveAnswer(int fd) {
  AnswerBytes bytes = {};
  if (recv(fd, &bytes, sizeof(bytes), 0) != sizeof(bytes)) return std::nullopt;
  std::array<uint8_t, 16> address;
  std::memcpy(address.data(), bytes.address, address.size());
  return LabAnswer{IpAddress::FromBytes(address),
                   static_cast<uint16_t>(bytes.port[0] << 8 | bytes.port[1])};
}

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
  if (own_port != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  } else {
    // The port is chosen when it is known to whom: many connections to one
    // place do not take each other's.
    setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  }
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
      send(fd->get(), probe.ask ? &kWhoAreYou : "?", 1, MSG_NOSIGNAL) != 1) {
    return UniqueFd();
  }
  return fd;
}

bool IsUdp(const Probe& probe) { return probe.port.protocol == Protocol::kUdp; }

// Of a probe that something came back for.
bool IsReached(const Probe& probe, int fd) {
  if (IsUdp(probe)) {
    char echo = 0;
    return recv(fd, &echo, 1, 0) == 1;
  }
  int error = 0;
  socklen_t bytes = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  return error == 0;
}

// Probes on the way, each for the same time. Its thread roams namespaces.
class ProbeRun {
 public:
  explicit ProbeRun(int timeout_ms)
      : timeout_(timeout_ms), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  absl::Status Run(const std::vector<Probe*>& probes) {
    size_t next = 0;
    while (true) {
      bool is_full = false;
      for (size_t i = 0; i < kStartedAtOnce && next < probes.size(); ++i) {
        is_full = open_ == kWindow;
        if (is_full) break;
        absl::Status started = Start(*probes[next]);
        // No more files: others must end first.
        is_full = absl::IsResourceExhausted(started) && open_ > 0;
        if (is_full) break;
        if (!started.ok()) return started;
        ++next;
      }
      GiveUpLate();
      if (running_.empty() && next == probes.size()) return absl::OkStatus();
      absl::Status seen = LookWhatCameBack(is_full || next == probes.size());
      if (!seen.ok()) return seen;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Running {
    Probe* probe;
    UniqueFd fd;  // none: it is over
    Clock::time_point deadline;
    bool is_asked = false;
  };

  absl::Status Start(Probe& probe) {
    if (probe.source.netns != netns_) {
      if (absl::Status in = Enter(probe.source.netns); !in.ok()) return in;
      netns_ = probe.source.netns;
    }
    absl::StatusOr<UniqueFd> fd = StartProbe(probe);
    if (!fd.ok()) return fd.status();
    if (!fd->valid()) return absl::OkStatus();
    epoll_event event = {.events = IsUdp(probe) ? EPOLLIN : EPOLLOUT,
                         .data = {.u64 = first_ + running_.size()}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll");
    }
    running_.push_back({&probe, *std::move(fd), Clock::now() + timeout_,
                        probe.ask && IsUdp(probe)});
    ++open_;
    return absl::OkStatus();
  }

  void GiveUpLate() {
    const Clock::time_point now = Clock::now();
    while (!running_.empty() &&
           (!running_.front().fd.valid() || running_.front().deadline <= now)) {
      open_ -= running_.front().fd.valid();
      running_.pop_front();
      ++first_;
    }
  }

  // If there is nothing else to do, waits for something or until the first
  // gives up.
  absl::Status LookWhatCameBack(bool is_idle) {
    std::chrono::milliseconds wait(0);
    if (is_idle && !running_.empty()) {
      wait = std::chrono::ceil<std::chrono::milliseconds>(
          running_.front().deadline - Clock::now());
    }
    epoll_event events[kStartedAtOnce];
    const int count =
        epoll_wait(epoll_.get(), events, kStartedAtOnce,
                   static_cast<int>(std::max<int64_t>(wait.count(), 0)));
    if (count < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "epoll");
    for (int i = 0; i < count; ++i) {
      Running& running = running_[events[i].data.u64 - first_];
      if (running.probe->ask && !running.is_asked &&
          Ask(running, events[i].data.u64)) {
        continue;
      }
      Probe& probe = *running.probe;
      if (probe.ask) {
        if (running.is_asked) probe.answer = ReceiveAnswer(running.fd.get());
        probe.reached = probe.answer.has_value();
      } else {
        probe.reached = IsReached(probe, running.fd.get());
      }
      running.fd = UniqueFd();
      --open_;
    }
    return absl::OkStatus();
  }

  // Asks over a TCP connection that is there by now; false if it is not.
  bool Ask(Running& running, uint64_t number) {
    const int fd = running.fd.get();
    if (!IsReached(*running.probe, fd)) return false;
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = number}};
    running.is_asked = send(fd, &kWhoAreYou, 1, MSG_NOSIGNAL) == 1 &&
                       epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
    return running.is_asked;
  }

  const std::chrono::milliseconds timeout_;
  const UniqueFd epoll_;
  std::deque<Running> running_;  // ascending by deadline
  uint64_t first_ = 0;           // how many were in front of running_[0]
  size_t open_ = 0;              // those of running_ that are not over
  int netns_ = -1;               // that the thread is in
};

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
  auto serving = std::make_shared<Serving>();
  serving->address = end.address;
  serving->port = port;
  serving->kind = port.protocol == Protocol::kUdp ? Serving::Kind::kDatagrams
                                                  : Serving::Kind::kListener;
  absl::Status made = OnRoamingThread([&]() -> absl::Status {
    if (absl::Status in = Enter(end.netns); !in.ok()) return in;
    absl::StatusOr<UniqueFd> fd = BoundSocket(end.address, port, port.port);
    if (!fd.ok()) return fd.status();
    if (serving->kind == Serving::Kind::kListener &&
        listen(fd->get(), 4096) != 0) {
      return absl::ErrnoToStatus(errno, "listen");
    }
    serving->fd = *std::move(fd);
    return absl::OkStatus();
  });
  return made.ok() ? Watch(std::move(serving)) : made;
}

void Listeners::Remove(const IpAddress& address, PortProtocol port) {
  const std::lock_guard lock(mutex_);
  std::erase_if(serving_, [&](const auto& entry) {
    const Serving& serving = *entry.second;
    return serving.kind != Serving::Kind::kConnection &&
           serving.address == address && serving.port == port;
  });
}

absl::Status Listeners::Watch(std::shared_ptr<Serving> serving) {
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
      std::shared_ptr<const Serving> serving;
      {
        const std::lock_guard lock(mutex_);
        const auto found = serving_.find(events[i].data.fd);
        if (found == serving_.end()) continue;
        serving = found->second;
      }
      Handle(*serving);
    }
  }
}

void Listeners::Handle(const Serving& serving) {
  const int fd = serving.fd.get();
  if (serving.kind == Serving::Kind::kListener) {
    auto connection = std::make_shared<Serving>();
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
  ssize_t got = recvfrom(fd, data, sizeof(data), 0, address, &bytes);
  if (got == 1 && data[0] == kWhoAreYou) {
    const AnswerBytes answer = AnswerOf(fd);
    std::memcpy(data, &answer, sizeof(answer));
    got = sizeof(answer);
  }
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
  return OnRoamingThread([&] { return ProbeRun(timeout_ms).Run(probes); });
}

}  // namespace ciliumcore::ccore
