/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters: exact, per CPU, never part of a decision. */
#ifndef CILIUMCORE_ABI_METRICS_H_
#define CILIUMCORE_ABI_METRICS_H_

#include "ciliumcore/abi/base.h"

#define CC_METRIC_KEY(direction, reason) (((__u32)(direction) << 8) | (__u32)(reason))
#define CC_METRIC_KEYS 512

/* Value of map cc_metrics: per-CPU array over CC_METRIC_KEY. Drops of the whole
 * node; what was forwarded is in cc_forwarded alone. */
struct cc_metric {
	__u64 packets;
	__u64 bytes;
};
CC_ABI_SIZE(struct cc_metric, 16);

#define CC_FORWARDED_ENDPOINTS 32 /* of a page; a power of two */
#define CC_FORWARDED_AT(slot, direction) (((slot) % CC_FORWARDED_ENDPOINTS) * 2 + (direction))

/* Value of map cc_forwarded: per-CPU array over slot / CC_FORWARDED_ENDPOINTS. What
 * endpoints sent and got, by CC_FORWARDED_AT. */
struct cc_forwarded {
	struct cc_metric at[CC_FORWARDED_ENDPOINTS * CC_DIRECTION_COUNT];
};
CC_ABI_SIZE(struct cc_forwarded, 1024);

/* Key of map cc_drops: per-CPU hash of cc_metric. Drops by whose judgement they
 * were; one that finds it full is counted in cc_metrics alone. */
struct cc_drop_key {
	__u16 slot;     /* 0: no endpoint's */
	__u8 direction; /* enum cc_direction */
	__u8 reason;    /* enum cc_reason */
};
CC_ABI_SIZE(struct cc_drop_key, 4);

#endif /* CILIUMCORE_ABI_METRICS_H_ */
