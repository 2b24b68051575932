/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What varies per node, fixed when the programs are loaded: it lives in
 * .rodata, so the verifier prunes the branches that a node does not use. */
#ifndef CILIUMCORE_ABI_CONFIG_H_
#define CILIUMCORE_ABI_CONFIG_H_

#include "ciliumcore/abi/base.h"

/* How a packet for another node leaves. */
enum cc_forward {
	CC_FORWARD_STACK = 0, /* up to the kernel's own routing */
	CC_FORWARD_FIB = 1,   /* bpf_fib_lookup, then straight to the device */
};

struct cc_config {
	__u32 clock_shift;      /* a tick is 2^clock_shift jiffies, about a second */
	__u32 ticks_tcp;        /* life of an established TCP connection, in ticks */
	__u32 ticks_syn;        /* of one that has not answered yet */
	__u32 ticks_close;      /* of one that is closing */
	__u32 ticks_any;        /* of everything else */
	__u32 event_wake_bytes; /* wake the reader when this much is unread; power of two */
	__u8 emit_new;          /* an event for each new connection */
	__u8 emit_drops;        /* an event for each drop */
	__u8 clock_from_map;    /* deterministic time, from cc_clock */
	__u8 forward;           /* enum cc_forward */
	__u8 audit_only;        /* judge and tell, but let denied packets pass */
	__u8 emit_end;          /* an event for each TCP connection that is closed */
	__u8 emit_verdicts;     /* an event for each judgement of a known connection */
	__u8 drop_sample_shift; /* of drops, tell each 2^n-th of a reason on a CPU */
};
CC_ABI_SIZE(struct cc_config, 32);

#endif /* CILIUMCORE_ABI_CONFIG_H_ */
