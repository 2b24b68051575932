/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters by endpoint, direction and reason. They never decide a packet's fate. */
#ifndef CILIUMCORE_BPF_METRICS_H_
#define CILIUMCORE_BPF_METRICS_H_

#include "bpf/lib/cc.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/reason.h"

/* All written here, read by user space. */
CC_MAP(cc_metrics, PERCPU_ARRAY, __u32, struct cc_metric, CC_METRIC_KEYS, 0);
CC_MAP(cc_forwarded, PERCPU_ARRAY, __u32, struct cc_forwarded,
       CC_MAX_ENDPOINTS / CC_FORWARDED_ENDPOINTS, 0);
CC_MAP(cc_drops, PERCPU_HASH, struct cc_drop_key, struct cc_metric, 65536, BPF_F_NO_PREALLOC);

/* Not atomic: only this CPU writes here, with bottom halves off, so that no other
 * packet comes between. */
CC_INLINE void cc_add(struct cc_metric *metric, __u32 bytes)
{
	metric->packets++;
	metric->bytes += bytes;
}

CC_INLINE void cc_count_forwarded(__u32 slot, __u32 direction, __u32 bytes)
{
	const __u32 page = slot / CC_FORWARDED_ENDPOINTS;
	struct cc_forwarded *forwarded = cc_lookup(&cc_forwarded, &page);
	__u32 at = CC_FORWARDED_AT(slot, direction);

	at &= CC_FORWARDED_ENDPOINTS * CC_DIRECTION_COUNT - 1;
	cc_opaque(at);
	if (forwarded && at < CC_FORWARDED_ENDPOINTS * CC_DIRECTION_COUNT)
		cc_add(&forwarded->at[at], bytes);
}

/* Returns how many of the reason there are now on this CPU. */
CC_INLINE __u64 cc_count_drop(__u32 slot, __u32 direction, __u32 reason, __u32 bytes)
{
	const struct cc_drop_key mine = { .slot = slot, .direction = direction, .reason = reason };
	const __u32 key = CC_METRIC_KEY(direction, reason);
	struct cc_metric *metric = cc_lookup(&cc_drops, &mine);

	if (metric) {
		cc_add(metric, bytes);
	} else {
		const struct cc_metric first = { .packets = 1, .bytes = bytes };

		cc_put(&cc_drops, &mine, &first, BPF_NOEXIST);
	}
	metric = cc_lookup(&cc_metrics, &key);
	if (!metric)
		return 0;
	cc_add(metric, bytes);
	return metric->packets;
}

/* Of what is no packet, from a system call, which packets interrupt. */
CC_INLINE void cc_count_shared(__u32 direction, __u32 reason)
{
	const __u32 key = CC_METRIC_KEY(direction, reason);
	struct cc_metric *metric = cc_lookup(&cc_metrics, &key);

	if (metric)
		__sync_fetch_and_add(&metric->packets, 1);
}

#endif /* CILIUMCORE_BPF_METRICS_H_ */
