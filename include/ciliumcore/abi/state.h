/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The epoch: the one word by which a whole change becomes visible. */
#ifndef CILIUMCORE_ABI_STATE_H_
#define CILIUMCORE_ABI_STATE_H_

#include "ciliumcore/abi/base.h"

/* Map cc_state: array of one, memory-mapped. Written by the one writer of the
 * instance with a release store, read once by every packet. */
struct cc_state {
	__u32 epoch;        /* advances by one with each change; wraps */
	__u32 addr_seed;    /* of cc_addr_hash and cc_service_hash; stays */
	__u32 addr_mask;    /* lines of cc_addrs - 1; stays */
	__u32 service_mask; /* lines of cc_frontends - 1; stays */
};
CC_ABI_SIZE(struct cc_state, 16);

/* Map cc_clock: array of one. The time in ticks, for deterministic runs: read
 * instead of the kernel's clock where cc_config.clock_from_map says so. */
struct cc_clock {
	__u32 ticks;
	__u32 pad;
};
CC_ABI_SIZE(struct cc_clock, 8);

#endif /* CILIUMCORE_ABI_STATE_H_ */
