/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The epoch and the time. Each is read once per packet and handed down. */
#ifndef CILIUMCORE_BPF_STATE_H_
#define CILIUMCORE_BPF_STATE_H_

#include "bpf/lib/config.h"
#include "ciliumcore/abi/state.h"

/* Written by the instance's writer, read by every packet. */
CC_MAP(cc_state, ARRAY, __u32, struct cc_state, 1, BPF_F_MMAPABLE);
/* Written by tests. */
CC_MAP(cc_clock, ARRAY, __u32, struct cc_clock, 1, 0);

CC_INLINE __u32 cc_epoch(void)
{
	const __u32 zero = 0;
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	return state ? cc_load_once(&state->epoch) : 0;
}

/* Ticks of about a second; only differences mean anything. */
CC_INLINE __u32 cc_now(void)
{
	if (cc_cfg()->clock_from_map) {
		const __u32 zero = 0;
		const struct cc_clock *clock = cc_lookup(&cc_clock, &zero);

		return clock ? clock->ticks : 0;
	}
	return (__u32)(bpf_jiffies64() >> (cc_cfg()->clock_shift & 31));
}

#endif /* CILIUMCORE_BPF_STATE_H_ */
