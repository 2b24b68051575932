/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters: exact, per CPU, never part of a decision. */
#ifndef CILIUMCORE_ABI_METRICS_H_
#define CILIUMCORE_ABI_METRICS_H_

#include "ciliumcore/abi/base.h"

#define CC_METRIC_KEY(direction, reason) (((__u32)(direction) << 8) | (__u32)(reason))
#define CC_METRIC_KEYS 512

/* Value of map cc_metrics: per-CPU array over CC_METRIC_KEY. */
struct cc_metric {
	__u64 packets;
	__u64 bytes;
};
CC_ABI_SIZE(struct cc_metric, 16);

#endif /* CILIUMCORE_ABI_METRICS_H_ */
