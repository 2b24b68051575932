/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters by direction and reason. They never decide a packet's fate. */
#ifndef CILIUMCORE_BPF_METRICS_H_
#define CILIUMCORE_BPF_METRICS_H_

#include "bpf/lib/cc.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/reason.h"

/* Written here, read by user space. */
CC_MAP(cc_metrics, PERCPU_ARRAY, __u32, struct cc_metric, CC_METRIC_KEYS, 0);

/* Returns how many there are now on this CPU. */
CC_INLINE __u64 cc_count(__u32 direction, __u32 reason, __u32 bytes)
{
	const __u32 key = CC_METRIC_KEY(direction, reason);
	struct cc_metric *metric = cc_lookup(&cc_metrics, &key);

	if (!metric)
		return 0;
	/* Not atomic: only this CPU writes here, with bottom halves off, so that no
	 * other packet comes between. */
	metric->bytes += bytes;
	return ++metric->packets;
}

/* The same of what is no packet, from a system call, which packets interrupt. */
CC_INLINE void cc_count_shared(__u32 direction, __u32 reason)
{
	const __u32 key = CC_METRIC_KEY(direction, reason);
	struct cc_metric *metric = cc_lookup(&cc_metrics, &key);

	if (metric)
		__sync_fetch_and_add(&metric->packets, 1);
}

#endif /* CILIUMCORE_BPF_METRICS_H_ */
