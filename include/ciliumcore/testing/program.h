// SPDX-License-Identifier: Apache-2.0

// Runs the datapath's programs on packets, without interfaces or traffic: in
// the kernel, which runs the very object that is shipped, or natively, which
// needs no privilege and which a debugger and the sanitizers can follow. The
// two agree on everything that both report.

#ifndef CILIUMCORE_TESTING_PROGRAM_H_
#define CILIUMCORE_TESTING_PROGRAM_H_

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/config.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::testing {

// The programs, by what they guard.
enum class Program { kFromEndpoint, kToEndpoint };

// What a program returns.
enum class Action : int { kPass = 0, kDrop = 2, kRedirect = 7 };

// Where a redirected packet goes.
struct RedirectTarget {
  enum class Kind { kDevice, kPeer, kNeighbor };
  Kind kind = Kind::kDevice;
  uint32_t ifindex = 0;
  friend bool operator==(const RedirectTarget&,
                         const RedirectTarget&) = default;
};

struct ProgramInput {
  Program program = Program::kFromEndpoint;
  absl::string_view packet = {};  // an Ethernet frame
  uint32_t ifindex = 0;  // the interface that the program is attached to
  uint32_t ingress_ifindex = 0;  // through which it entered the node, or 0
  // Natively, how many bytes a program reaches without pulling; 0: all.
  uint32_t linear = 0;
};

struct ProgramOutput {
  Action action = Action::kDrop;
  // Of kRedirect; the kernel does not tell.
  std::optional<RedirectTarget> redirect = {};
  std::string packet = {};
  std::vector<cc_event> events = {};  // in order; `time` is that of the runner
  std::vector<cc_event_end> ends = {};  // those of CC_EVENT_END, whole
};

// A route for the programs' FIB lookup: `found` is one of BPF_FIB_LKUP_RET_*.
struct FibAnswer {
  int64_t found = 0;
  uint32_t ifindex = 0;
};

struct ProgramOptions {
  // Written to .rodata; a runner's configuration does not change.
  cc_config config = {
      .clock_shift = 8,
      .ticks_tcp = 8000,
      .ticks_syn = 60,
      .ticks_close = 10,
      .ticks_any = 60,
      .event_wake_bytes = 1 << 18,
      .emit_new = 1,
      .emit_drops = 1,
      .clock_from_map = 1,
      .forward = CC_FORWARD_STACK,
      .audit_only = 0,
      .emit_end = 1,
      .emit_verdicts = 0,
      .drop_sample_shift = 0,
  };
  // Entries by map name, instead of those declared: small maps are quick to
  // make and to compare.
  std::map<std::string, uint32_t> entries = {};
  // Natively, what a FIB lookup for a destination answers; by default that the
  // packet is not forwarded. The kernel asks its routes.
  std::function<FibAnswer(const cc_addr& dst)> fib = {};
};

// Programs with maps of their own. Not thread-safe.
class ProgramRunner {
 public:
  // Loads the programs into the kernel; nothing is attached or pinned.
  // PermissionDenied without CAP_BPF; otherwise what the kernel said, with the
  // end of the verifier's log. Runs in the network namespace of the caller,
  // which must have the interfaces that inputs name.
  static absl::StatusOr<std::unique_ptr<ProgramRunner>> InKernel(
      const ProgramOptions& options = {});

  static std::unique_ptr<ProgramRunner> Native(
      const ProgramOptions& options = {});

  virtual ~ProgramRunner() = default;
  ProgramRunner(const ProgramRunner&) = delete;
  ProgramRunner& operator=(const ProgramRunner&) = delete;

  // InvalidArgument if the kernel takes no such packet for a test (it must hold
  // Ethernet and the fixed IP header that its type announces); NotFound if the
  // interface does not exist. Natively everything runs.
  virtual absl::StatusOr<ProgramOutput> Run(const ProgramInput& input) = 0;

  // Entries as bytes. Put overwrites; Get and Erase say NotFound; any of them
  // says NotFound for a map that no program has. Per-CPU values are read as the
  // sum of their 64-bit words over the CPUs.
  virtual absl::Status PutBytes(absl::string_view map, const void* key,
                                const void* value) = 0;
  virtual absl::StatusOr<std::string> GetBytes(absl::string_view map,
                                               const void* key) = 0;
  virtual absl::Status EraseBytes(absl::string_view map, const void* key) = 0;
  // All entries; of arrays, those that are not zero. Cost: the map's capacity.
  virtual absl::StatusOr<std::map<std::string, std::string>> Dump(
      absl::string_view map) = 0;
  // A descriptor of the kernel's map, to write it by other means.
  // Unimplemented natively.
  virtual absl::StatusOr<UniqueFd> MapFd(absl::string_view map) = 0;
  // Removes or zeroes the entries that Dump returns.
  absl::Status Clear(absl::string_view map);

  template <typename K, typename V>
  absl::Status Put(absl::string_view map, const K& key, const V& value) {
    return PutBytes(map, &key, &value);
  }
  template <typename V, typename K>
  absl::StatusOr<V> Get(absl::string_view map, const K& key) {
    absl::StatusOr<std::string> bytes = GetBytes(map, &key);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() != sizeof(V)) {
      return absl::InvalidArgumentError("value is of another size");
    }
    V value;
    std::memcpy(&value, bytes->data(), sizeof(V));
    return value;
  }
  template <typename K>
  absl::Status Erase(absl::string_view map, const K& key) {
    return EraseBytes(map, &key);
  }

  // The epoch that packets read, and the clock, if config.clock_from_map.
  absl::Status SetEpoch(uint32_t epoch);
  absl::Status SetTicks(uint32_t ticks);

 protected:
  ProgramRunner() = default;
  virtual absl::Status EraseOrZero(absl::string_view map,
                                   const std::string& key) = 0;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTING_PROGRAM_H_
