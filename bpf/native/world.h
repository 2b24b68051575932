// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// A node in a process: maps, configuration, clock and CPU for programs that are
// compiled natively. N worlds are N nodes.

#ifndef CILIUMCORE_BPF_NATIVE_WORLD_H_
#define CILIUMCORE_BPF_NATIVE_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/native/helpers.h"
#include "bpf/native/map.h"
#include "ciliumcore/abi/config.h"

namespace ciliumcore::native {

// How a packet left a program.
struct Redirect {
  enum class Kind { kNone, kDevice, kPeer, kNeighbor } kind = Kind::kNone;
  uint32_t ifindex = 0;
  bool operator==(const Redirect&) const = default;
};

struct WorldOptions {
  // Entries by map name, instead of those declared: small worlds are quick to
  // make, and full ones easy to reach.
  std::map<std::string, uint32_t> entries;
  uint32_t cpus = 2;
};

// Everything that helpers act on. Programs act on the world that is current on
// their thread (World::Use). Not thread-safe.
class World {
 public:
  explicit World(const WorldOptions& options = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Makes this the current thread's world, until another is.
  void Use();

  // The map of that name, or null if no linked program declares it.
  Map* FindMap(const std::string& name);
  const std::vector<std::unique_ptr<Map>>& maps() const { return maps_; }
  // Forgets all entries, events and the clock; keeps the configuration.
  void Reset();

  cc_config config = {};
  uint64_t nanoseconds = 1'000'000'000;
  uint64_t jiffies = 250;
  uint32_t cpu = 0;
  Redirect redirect;                  // of the last program run
  std::vector<std::string> events;    // records of the ring buffer, in order
  size_t event_bytes_free = 1 << 20;  // room left in it
  uint32_t random = 1;                // state of bpf_get_prandom_u32
  uint64_t netns_cookie = 1;          // of the socket of the next program
  int retval = 0;                     // that a socket program set
  // What bpf_fib_lookup answers; by default that the packet is not forwarded.
  std::function<long(bpf_fib_lookup*)> fib;

 private:
  friend struct Helpers;
  std::vector<std::unique_ptr<Map>> maps_;
  std::unique_ptr<char[]> reserved_;
  size_t reserved_bytes_ = 0;
};

// A packet in a buffer of exactly its size, so that a sanitizer sees every byte
// read or written outside it. `linear` bytes (all, if 0) are reachable without
// bpf_skb_pull_data.
class Packet {
 public:
  Packet(const void* bytes, size_t size, size_t linear = 0);
  ~Packet();
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  cc_ctx* ctx() { return &ctx_; }
  std::string bytes() const;

 private:
  cc_ctx ctx_ = {};
};

// Runs `program` on `packet` in `world`; returns the program's action.
int Run(World& world, int (*program)(cc_ctx*), Packet& packet);

}  // namespace ciliumcore::native

#endif  // CILIUMCORE_BPF_NATIVE_WORLD_H_
