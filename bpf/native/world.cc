// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "bpf/native/world.h"

#include <linux/if_ether.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ciliumcore::native {
namespace {

thread_local World* current = nullptr;

constexpr long kTcRedirect = 7;
constexpr uint32_t kMaxOffset = 0xffff;
constexpr size_t kHeadroom = 256;  // that XDP programs have

// Declared maps, in the order of their ids. Filled before main.
std::vector<cc_native_map>& Declared() {
  static auto* declared = new std::vector<cc_native_map>;
  return *declared;
}

// Memory for exactly `size` bytes of packet.
void Place(cc_ctx* ctx, size_t size) {
  // Two bytes in front align the headers behind Ethernet's.
  ctx->memory = std::malloc(size + 2);
  if (ctx->memory == nullptr) std::abort();
  ctx->data = static_cast<uint8_t*>(ctx->memory) + 2;
  ctx->data_end = ctx->tail = ctx->data + size;
}

// Moves the packet, as the kernel makes all pointers into it void: `head` bytes
// more in front, which are zero, `tail` more behind.
long Resize(cc_ctx* ctx, long head, long tail) {
  const auto size = static_cast<long>(ctx->tail - ctx->data);
  if (head > static_cast<long>(kHeadroom) || size + head < ETH_HLEN ||
      tail > 0 || size + tail < ETH_HLEN)
    return -EINVAL;
  void* const before = ctx->memory;
  const uint8_t* const from = ctx->data;
  Place(ctx, static_cast<size_t>(size + head + tail));
  std::memset(ctx->data, 0, static_cast<size_t>(size + head + tail));
  const long skipped = head < 0 ? -head : 0;
  std::memcpy(ctx->data + (head > 0 ? head : 0), from + skipped,
              static_cast<size_t>(size - skipped + tail));
  std::free(before);
  return 0;
}

}  // namespace

// The helpers' way into a world.
struct Helpers {
  static Map& MapOf(void* declared) {
    return *current->maps_[static_cast<cc_native_map*>(declared)->id];
  }

  static void* Reserve(uint64_t bytes) {
    const size_t needed = (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~uint64_t{7};
    if (needed >= current->event_bytes_free) return nullptr;
    current->event_bytes_free -= needed;
    current->reserved_ = std::make_unique<char[]>(bytes);
    std::memset(current->reserved_.get(), 0xaa,
                bytes);  // as dirty as the kernel's
    current->reserved_bytes_ = bytes;
    return current->reserved_.get();
  }

  static void Submit() {
    current->events.emplace_back(current->reserved_.get(),
                                 current->reserved_bytes_);
    current->reserved_.reset();
  }
};

World::World(const WorldOptions& options) {
  for (const cc_native_map& map : Declared()) {
    auto entries = options.entries.find(map.name);
    maps_.push_back(std::make_unique<Map>(
        map, entries == options.entries.end() ? 0 : entries->second,
        options.cpus));
  }
}

World::~World() {
  if (current == this) current = nullptr;
}

void World::Use() { current = this; }

Map* World::FindMap(const std::string& name) {
  for (const auto& map : maps_) {
    if (name == map->name()) return map.get();
  }
  return nullptr;
}

void World::Reset() {
  for (const auto& map : maps_) {
    if (map->type() != BPF_MAP_TYPE_RINGBUF) map->Clear();
  }
  events.clear();
  event_bytes_free = 1 << 20;
  nanoseconds = 1'000'000'000;
  jiffies = 250;
  redirect = {};
}

Packet::Packet(const void* bytes, size_t size, size_t linear) {
  Place(&ctx_, size);
  if (size != 0) std::memcpy(ctx_.data, bytes, size);
  if (linear != 0 && linear < size) ctx_.data_end = ctx_.data + linear;
}

Packet::~Packet() { std::free(ctx_.memory); }

std::string Packet::bytes() const {
  return std::string(reinterpret_cast<const char*>(ctx_.data),
                     ctx_.tail - ctx_.data);
}

int Run(World& world, int (*program)(cc_ctx*), Packet& packet) {
  world.Use();
  world.redirect = {};
  return program(packet.ctx());
}

}  // namespace ciliumcore::native

using ciliumcore::native::current;
using ciliumcore::native::Helpers;
using ciliumcore::native::Redirect;

extern "C" {

void cc_native_register(cc_native_map* map) {
  auto& declared = ciliumcore::native::Declared();
  for (const cc_native_map& other : declared) {
    if (std::strcmp(other.name, map->name) != 0) continue;
    // Two programs that share a map agree on its shape, or the build is wrong.
    if (other.type != map->type || other.key_size != map->key_size ||
        other.value_size != map->value_size ||
        other.max_entries != map->max_entries) {
      std::abort();
    }
    map->id = other.id;
    return;
  }
  map->id = static_cast<uint32_t>(declared.size());
  declared.push_back(*map);
}

const void* cc_native_config(void) { return &current->config; }

void* bpf_map_lookup_elem(void* map, const void* key) {
  return Helpers::MapOf(map).Lookup(key, current->cpu);
}

long bpf_map_update_elem(void* map, const void* key, const void* value,
                         __u64 flags) {
  return Helpers::MapOf(map).Update(key, value, flags, current->cpu);
}

void* bpf_ringbuf_reserve(void*, __u64 size, __u64) {
  return Helpers::Reserve(size);
}
void bpf_ringbuf_submit(void*, __u64) { Helpers::Submit(); }
__u64 bpf_ringbuf_query(void*, __u64) { return 0; }
__u64 bpf_jiffies64(void) { return current->jiffies; }
__u64 bpf_ktime_get_coarse_ns(void) { return current->nanoseconds; }

__u64 bpf_get_netns_cookie(void*) { return current->netns_cookie; }

// xorshift32 (Marsaglia, 2003): the same in every run.
__u32 bpf_get_prandom_u32(void) {
  uint32_t& x = current->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

int bpf_set_retval(int value) {
  current->retval = value;
  return 0;
}

void* cc_native_sock_of(void* map, const void* sk, bool create) {
  ciliumcore::native::Map& values = Helpers::MapOf(map);
  void* found = values.Lookup(&sk, current->cpu);
  if (found != nullptr || !create) return found;
  const std::vector<char> zeros(values.value_size());
  values.Update(&sk, zeros.data(), BPF_ANY, current->cpu);
  return values.Lookup(&sk, current->cpu);
}

__s64 bpf_csum_diff(const __be32* from, __u32 from_size, const __be32* to,
                    __u32 to_size, __u32 seed) {
  if ((from_size | to_size) & 3) return -EINVAL;
  __u64 sum = seed;
  for (__u32 i = 0; i < to_size / 4; ++i) sum += to[i];
  for (__u32 i = 0; i < from_size / 4; ++i) sum += ~from[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<__s64>(sum);
}

long bpf_fib_lookup(cc_ctx*, struct bpf_fib_lookup* params, int, __u32) {
  return current->fib ? current->fib(params) : long{BPF_FIB_LKUP_RET_NOT_FWDED};
}

long bpf_redirect(__u32 ifindex, __u64) {
  current->redirect = {Redirect::Kind::kDevice, ifindex};
  return ciliumcore::native::kTcRedirect;
}

long bpf_redirect_peer(__u32 ifindex, __u64) {
  current->redirect = {Redirect::Kind::kPeer, ifindex};
  return ciliumcore::native::kTcRedirect;
}

long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh*, int, __u64) {
  current->redirect = {Redirect::Kind::kNeighbor, ifindex};
  return ciliumcore::native::kTcRedirect;
}

long bpf_skb_load_bytes(const cc_ctx* ctx, __u32 offset, void* to,
                        __u32 bytes) {
  if (offset > ciliumcore::native::kMaxOffset ||
      size_t{offset} + bytes > static_cast<size_t>(ctx->tail - ctx->data)) {
    std::memset(to, 0, bytes);
    return -EFAULT;
  }
  std::memcpy(to, ctx->data + offset, bytes);
  return 0;
}

long bpf_skb_store_bytes(cc_ctx* ctx, __u32 offset, const void* from,
                         __u32 bytes, __u64) {
  if (offset > ciliumcore::native::kMaxOffset ||
      size_t{offset} + bytes > static_cast<size_t>(ctx->tail - ctx->data)) {
    return -EFAULT;
  }
  std::memcpy(ctx->data + offset, from, bytes);
  return 0;
}

long bpf_skb_pull_data(cc_ctx* ctx, __u32 bytes) {
  if (bytes > static_cast<size_t>(ctx->tail - ctx->data)) return -ENOMEM;
  if (ctx->data + bytes > ctx->data_end) ctx->data_end = ctx->data + bytes;
  return 0;
}

long bpf_xdp_adjust_head(cc_ctx* ctx, int delta) {
  return ciliumcore::native::Resize(ctx, -long{delta}, 0);
}

long bpf_xdp_adjust_tail(cc_ctx* ctx, int delta) {
  return ciliumcore::native::Resize(ctx, 0, delta);
}

}  // extern "C"
