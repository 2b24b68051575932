// SPDX-License-Identifier: Apache-2.0

// A lab that stays when its process ends: what of it is where, and how it is
// removed.
//
//   /run/netns/cclab.<lab>.<role>     namespaces: "node", "world", "shop.web-0"
//   /run/ciliumcore/lab/<lab>/        the state, hosts files, a lock
//   <bpffs>/ciliumcore/lab-<lab>/     the datapath
//   ciliumcore-lab.<lab>              the cgroup of its processes

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_KEPT_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_KEPT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/net/netns.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore::ccore {

struct KeptPod {
  std::string interface;  // on the node
  std::vector<IpAddress> addresses;
};

// A port that a pod serves.
struct KeptListener {
  std::string role;  // whose namespace
  IpAddress address;
  PortProtocol port;

  friend auto operator<=>(const KeptListener&, const KeptListener&) = default;
};

// What a later process has to know. A value; written as JSON.
struct KeptState {
  std::string bpffs = "/sys/fs/bpf";
  uint64_t revision = 0;
  std::vector<ManifestSource> manifests;
  std::vector<std::string> pod_cidrs;
  std::map<std::string, KeptPod> pods;                     // by "ns/name"
  std::map<std::string, std::vector<IpAddress>> services;  // likewise
  std::vector<KeptListener> listeners;
};

// The names of a lab's parts. `lab`: 1..32 of [a-z0-9-].
class KeptPlaces {
 public:
  // InvalidArgument: the name is another.
  static absl::StatusOr<KeptPlaces> Of(const std::string& lab);

  const std::string& lab() const { return lab_; }
  std::string directory() const;
  std::string instance() const;  // of the datapath
  std::string cgroup() const;
  std::string netns(const std::string& role) const;
  // "shop/web-0" is "shop.web-0".
  static std::string RoleOf(const std::string& pod);

  // One process at a time changes a lab. FailedPrecondition: another does.
  absl::StatusOr<UniqueFd> Lock() const;

  // NotFound: there is no such lab.
  absl::StatusOr<KeptState> Read() const;
  // Replaces it whole.
  absl::Status Write(const KeptState& state) const;

  absl::StatusOr<std::string> ReadFile(const std::string& name) const;
  absl::Status WriteFile(const std::string& name,
                         const std::string& text) const;

  // Gives a namespace its name, for as long as somebody removes it.
  absl::Status KeepNetNs(const NetNs& netns, const std::string& role) const;
  void ForgetNetNs(const std::string& role) const;

  // Serves what the state lists, in a process that stays; one that serves
  // already is told to read again. Returns when it serves that.
  absl::Status ServeListeners(const KeptState& state) const;

  // Ends the lab's processes and removes everything, as far as it is there; the
  // first error of the rest. NotFound if there was nothing.
  absl::Status Stop(const std::string& bpffs) const;

 private:
  explicit KeptPlaces(std::string lab) : lab_(std::move(lab)) {}
  // Of the process that serves; 0 if there is none.
  int ServingProcess(uint64_t* revision) const;
  absl::Status EndProcesses() const;

  std::string lab_;
};

// What that process does, until it is ended.
absl::Status RunListeners(const KeptPlaces& places);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_KEPT_H_
