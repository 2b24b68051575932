// SPDX-License-Identifier: Apache-2.0

#include "tests/bpf/generations.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "ciliumcore/abi/convert.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::testing {
namespace {

void Must(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

template <typename K, typename V>
void Put(const bpf_object* object, const char* name, const K& key,
         const V& value) {
  const bpf_map* map = bpf_object__find_map_by_name(object, name);
  // Not every program has every map.
  if (map == nullptr) return;
  Must(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) == 0, name);
}

size_t Entries(const bpf_object* object, const char* map) {
  return bpf_map__max_entries(bpf_object__find_map_by_name(object, map));
}

template <typename T>
void StoreOnce(T* at, T value, std::memory_order order) {
  std::atomic_ref<T>(*at).store(value, order);
}

}  // namespace

template <typename T>
T* Generations::Map(const bpf_object* object, const char* name) {
  const bpf_map* map = bpf_object__find_map_by_name(object, name);
  Must(map != nullptr, name);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes =
      (sizeof(T) * bpf_map__max_entries(map) + page - 1) / page * page;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      bpf_map__fd(map), 0);
  Must(memory != MAP_FAILED, name);
  return static_cast<T*>(memory);
}

Generations::Generations(const bpf_object* object, uint32_t pairs)
    : state_(Map<cc_state>(object, "cc_state")),
      endpoints_(Map<cc_endpoint>(object, "cc_endpoints")),
      subjects_(Map<cc_subject>(object, "cc_subjects")),
      tables_(Map<cc_table>(object, "cc_tables")),
      cells_(Map<cc_cell>(object, "cc_cells")),
      places_(Map<cc_place>(object, "cc_places")),
      half_(pairs) {
  internal::AddressIndex index(
      state_,
      {Map<cc_addr_heads>(object, "cc_addrs"), Entries(object, "cc_addrs")},
      {places_, Entries(object, "cc_places")});
  for (uint32_t pair = 0; pair < pairs; ++pair) {
    Put(object, "cc_ifindex", Ifindex(pair), SenderSlot(pair));
    for (const uint32_t slot : {SenderSlot(pair), ReceiverSlot(pair)}) {
      const cc_addr address = abi::ToAddr(Address(slot));
      Must(index.Link(Address(slot), slot).ok(), "linking an address");
      endpoints_[slot].v4 = address;
      // The receiver's is never used: its packets are denied.
      endpoints_[slot].ifindex = Ifindex(pair);
      endpoints_[slot].subject = CC_SWITCH(1, 2 * slot, 2 * slot);
      places_[slot].which = CC_SWITCH(1, 0, 0);
    }
    Write(SenderSlot(pair), CC_EGRESS, CC_VERDICT_ALLOW, 0, 1);
    Write(ReceiverSlot(pair), CC_INGRESS, CC_VERDICT_DENY, 0, 1);
  }
  StoreOnce(&state_->epoch, uint32_t{epoch_}, std::memory_order_release);
}

void Generations::Write(uint32_t slot, cc_direction direction,
                        cc_verdict verdict, uint32_t half, uint32_t mark) {
  const uint16_t at = static_cast<uint16_t>(2 * slot + half);
  cells_[at] = {.rule_set = mark,
                .proxy_port = 0,
                .verdict = static_cast<uint8_t>(verdict),
                .auth = 0};
  cc_table table = {};
  table.cells = at;
  table.interval_count = 1;
  table.class_count = 1;
  std::fill(std::begin(table.axis), std::end(table.axis), ~0u);
  table.generation = mark;
  std::memcpy(&tables_[at], &table, sizeof(table));
  cc_subject subject = {.identity = mark, .table = {0, 0}};
  subject.table[direction] = at;
  subjects_[at] = subject;
  places_[slot].value[half] = {
      .peer = mark, .where = static_cast<uint16_t>(slot), .pad = 0};
}

void Generations::Flip(uint32_t pair) {
  const uint32_t next = epoch_ + 1;
  const uint32_t old = half_[pair], fresh = 1 - old;
  Write(SenderSlot(pair), CC_EGRESS, CC_VERDICT_ALLOW, fresh, next);
  Write(ReceiverSlot(pair), CC_INGRESS, CC_VERDICT_DENY, fresh, next);
  std::atomic_thread_fence(std::memory_order_release);
  for (const uint32_t slot : {SenderSlot(pair), ReceiverSlot(pair)}) {
    StoreOnce(&endpoints_[slot].subject,
              __u64{CC_SWITCH(next, 2 * slot + fresh, 2 * slot + old)},
              std::memory_order_relaxed);
    StoreOnce(&places_[slot].which, __u64{CC_SWITCH(next, fresh, old)},
              std::memory_order_relaxed);
  }
  StoreOnce(&state_->epoch, next, std::memory_order_release);
  epoch_ = next;
  half_[pair] = fresh;
}

bool WaitForGracePeriod() {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

}  // namespace ciliumcore::testing
