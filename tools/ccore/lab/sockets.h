// SPDX-License-Identifier: Apache-2.0

// Sockets of the lab: every pod listens, every probe connects.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
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

// Accepts TCP connections and echoes UDP datagrams, on a thread of its own.
class Listeners {
 public:
  Listeners();
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Listens from now on. Unimplemented for a protocol that this machine cannot
  // make sockets of.
  absl::Status Add(const LabEnd& end, PortProtocol port);

 private:
  struct Listening {
    UniqueFd fd;
    bool is_stream = false;
  };
  void Serve();

  UniqueFd epoll_, stop_;
  std::vector<std::unique_ptr<Listening>> listening_;
  std::thread thread_;
};

// May `source` reach `destination` on the port?
struct Probe {
  LabEnd source, destination;
  PortProtocol port;
  bool reached = false;  // set by RunProbes
};

// Tries all of them, many at a time, each for `timeout_ms`: a TCP connection,
// or a UDP datagram and its echo.
absl::Status RunProbes(std::vector<Probe*> probes, int timeout_ms);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_SOCKETS_H_
