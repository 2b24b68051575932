// SPDX-License-Identifier: Apache-2.0

// What a pinned instance is doing, read from outside: its programs, links and
// maps, who it judges, and whether all of it is of one generation.

#ifndef CILIUMCORE_DATAPATH_INSPECT_H_
#define CILIUMCORE_DATAPATH_INSPECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore {

// Which instance, and where its interfaces are.
struct InspectOptions {
  std::string name = "default";
  std::string bpffs = "/sys/fs/bpf";
  // As DatapathOptions::netns: where interfaces have their names, and filters
  // of clsact are looked for.
  std::string netns = {};
};

// A program in force.
struct ProgramStatus {
  std::string name;  // "cc_from_endpoint"
  uint32_t id = 0;
  std::string tag;           // of its instructions, 16 hexadecimal digits
  uint32_t jited_bytes = 0;  // 0: it is interpreted
  uint32_t verified_instructions = 0;
  // Only while kernel.bpf_stats_enabled is on.
  uint64_t runs = 0;
  absl::Duration run_time;
  // Of the cc_state that this program reads; nothing if it reads none.
  std::optional<uint32_t> generation;
  // It reads the pinned maps, which the writer writes.
  bool reads_pins = false;
};

enum class LinkKind { kTcx, kClsact, kCgroup };

// "tcx", "clsact" or "cgroup".
std::string LinkKindName(LinkKind kind);

// A program on a hook.
struct LinkStatus {
  std::string pin;  // path; empty with kClsact, whose filters have none
  uint32_t id = 0;  // 0 with kClsact
  LinkKind kind = LinkKind::kTcx;
  std::string hook;       // "ingress", "egress", "connect4"
  std::string interface;  // as it was named when it was attached
  uint32_t ifindex = 0;
  uint64_t cgroup = 0;  // its number: the inode of its directory
  uint32_t program = 0;
  // The interface or cgroup is gone: the link does nothing any more.
  bool is_stale = false;
};

struct MapStatus {
  std::string name;
  uint32_t id = 0;
  std::string type;  // "LRU hash"
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  // Entries, or bytes of a ring buffer.
  uint64_t room = 0;
  // What is in use of `room`. Of hashes and tries, entries that are there; of
  // the library's own arrays, what the current generation refers to (retired
  // entries that are not given out again yet do not count); of other arrays,
  // entries that are not zero; of a ring buffer, unread bytes. Nothing where
  // the kernel does not tell: the storage of sockets.
  std::optional<uint64_t> used;
  uint64_t memory_bytes = 0;  // that the kernel charges for it

  // Percent of the room.
  std::optional<double> pressure() const;
};

// An endpoint, as the current generation knows it.
struct EndpointStatus {
  uint16_t slot = 0;
  std::string interface;  // empty: it is gone, or in another namespace
  uint32_t ifindex = 0;
  std::vector<IpAddress> addresses;
  uint32_t identity = 0;
  // Numbers of verdict tables. 0: there is none, and everything is denied.
  uint16_t egress_table = 0, ingress_table = 0;
};

struct InstanceStatus {
  std::string name;
  // The process that holds the writer's lock. Nothing: none does, and the
  // programs judge by what the last one left.
  std::optional<int> writer;
  // The epoch in the pinned cc_state: the last change that is in force.
  uint32_t generation = 0;
  // Of the newest verdict table in use: the change that made it.
  uint32_t newest_table = 0;
  // Endpoints that a change after `generation` was prepared for. A writer that
  // works may be seen between the two; without one it ended there, and what it
  // prepared never becomes true.
  uint32_t staged_endpoints = 0;
  // How many changes the oldest program in force is behind: the newest
  // generation, of the pinned state and of the states that attached programs
  // read, less the oldest that an attached program reads. Stale links do not
  // count. 0 unless a take-over was interrupted: programs of an earlier process
  // are then still in force and judge by its last change.
  uint32_t lag = 0;
  // Programs of one name have one tag: all links run the same build.
  bool is_one_build = true;

  std::vector<ProgramStatus> programs;    // by name, then id
  std::vector<LinkStatus> links;          // by pin; those of clsact at the end
  std::vector<MapStatus> maps;            // by name
  std::vector<EndpointStatus> endpoints;  // by slot
  uint32_t services = 0;
  uint32_t services_without_backends = 0;
  uint32_t backends = 0;  // that services in use refer to
  // Of the records in cc_conntrack, those that packets believe. The others are
  // of connections that were silent for too long (ConnectionTimeouts): they
  // stay until new ones need their room. Nothing: the programs' clock is not
  // told.
  std::optional<uint64_t> live_connections;
  uint64_t events_lost = 0;  // since the maps were made
};

// The names of the instances pinned on `bpffs`, ascending. None is no error.
// NotFound without such a directory; FailedPrecondition if it is no bpf file
// system.
absl::StatusOr<std::vector<std::string>> ListInstances(
    const std::string& bpffs = "/sys/fs/bpf");

// Reads an instance; its process may live or not. Opens maps for reading only,
// and leaves the writer's lock alone: what a writer changes meanwhile may be
// seen in one part and not in another. Loads and closes a program that reads
// the kernel's clock.
//
// NotFound: no such instance, or it never committed. FailedPrecondition:
// `bpffs` is no bpf file system, or a map is laid out otherwise than this build
// has it. PermissionDenied: without CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN
// where programs are looked up by number. Thread-safe. Cost: reads the hashes
// and what the arrays have in use.
absl::StatusOr<InstanceStatus> InspectInstance(const InspectOptions& options);

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_INSPECT_H_
