// SPDX-License-Identifier: Apache-2.0

// A node whose every generation is marked: rule sets and peer numbers say which
// epoch they were published with, so that a packet tells what it was judged by.

#ifndef CILIUMCORE_TESTS_BPF_GENERATIONS_H_
#define CILIUMCORE_TESTS_BPF_GENERATIONS_H_

#include <bpf/libbpf.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/policy.h"
#include "ciliumcore/abi/state.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::testing {

// Pairs of endpoints, a sender and a receiver. The sender may send, and the
// receiver denies, so that every packet is judged by both and is told of.
//
// Everything that changes is written twice, beside what is in use, through
// memory; a generation becomes visible by one store. Ends the process if it
// cannot be set up. One writer.
class Generations {
 public:
  // Lays down `pairs` pairs, all published with epoch 1. `object` is loaded.
  Generations(const bpf_object* object, uint32_t pairs);

  static uint32_t SenderSlot(uint32_t pair) { return 1 + 2 * pair; }
  static uint32_t ReceiverSlot(uint32_t pair) { return 2 + 2 * pair; }
  static uint32_t Ifindex(uint32_t pair) { return 100 + pair; }  // the sender's
  static IpAddress Address(uint32_t slot) {
    return IpAddress::FromV4(0x0a000000u | slot);
  }

  // The next generation of a pair: written where no packet looks any more,
  // provided that the grace period of its last one is over; then published.
  void Flip(uint32_t pair);
  uint32_t epoch() const { return epoch_; }

 private:
  template <typename T>
  T* Map(const bpf_object* object, const char* name);
  void Write(uint32_t slot, cc_direction direction, cc_verdict verdict,
             uint32_t half, uint32_t mark);

  cc_state* state_;
  cc_endpoint* endpoints_;
  cc_subject* subjects_;
  cc_table* tables_;
  cc_cell* cells_;
  cc_place* places_;
  std::vector<uint32_t> half_;  // in use, by pair
  std::atomic<uint32_t> epoch_ = 1;
};

// Returns once every packet that was in a program has left it. False where the
// kernel refuses (nohz_full).
bool WaitForGracePeriod();

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_GENERATIONS_H_
