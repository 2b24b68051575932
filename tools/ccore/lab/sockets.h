// SPDX-License-Identifier: Apache-2.0

// Sockets of the lab: every pod listens, every probe connects.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::ccore {

// One end of a socket.
struct LabEnd {
  int netns = -1;
  IpAddress address;
};

// What a listener answers when it is asked who it is.
struct LabAnswer {
  IpAddress address;
  uint16_t port = 0;

  friend auto operator<=>(const LabAnswer&, const LabAnswer&) = default;
};

// Echoes what it receives, by TCP and UDP, on a thread of its own. Who sends
// ENQ alone is told which address and port it reached.
class Listeners {
 public:
  Listeners();
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Listens from now on. Unimplemented for a protocol that this machine cannot
  // make sockets of.
  absl::Status Add(const LabEnd& end, PortProtocol port);

  // Ends that; connections that are open stay.
  void Remove(const IpAddress& address, PortProtocol port);

 private:
  struct Serving {
    UniqueFd fd;
    enum class Kind { kListener, kConnection, kDatagrams } kind;
    IpAddress address = {};  // but of a connection
    PortProtocol port = {};
  };
  absl::Status Watch(std::shared_ptr<Serving> serving);
  void Serve();
  void Handle(const Serving& serving);

  UniqueFd epoll_, stop_;
  std::mutex mutex_;
  std::map<int, std::shared_ptr<Serving>> serving_;  // by descriptor
  std::thread thread_;
};

// A TCP connection to a listener.
class LabConnection {
 public:
  // Unavailable if there is no answer in `timeout_ms`.
  static absl::StatusOr<LabConnection> Open(const LabEnd& source,
                                            const LabEnd& destination,
                                            PortProtocol port, int timeout_ms);

  // Sends a line and waits for its echo; lines of earlier calls that come late
  // are skipped.
  bool Echo(const std::string& line, int timeout_ms);

 private:
  explicit LabConnection(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::string received_;
};

// May `source` reach `destination` on the port?
struct Probe {
  LabEnd source, destination;
  PortProtocol port;
  bool ask = false;      // of who is reached
  bool reached = false;  // set by RunProbes, as is
  std::optional<LabAnswer> answer = {};
};

// Tries all of them, many at a time, each for `timeout_ms`: a TCP connection,
// or a UDP datagram and its echo.
absl::Status RunProbes(std::vector<Probe*> probes, int timeout_ms);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_
