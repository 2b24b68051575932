/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The load balancer's maps that user space writes, and its counters. */
#ifndef CILIUMCORE_BPF_LB_STATE_H_
#define CILIUMCORE_BPF_LB_STATE_H_

#include "bpf/lib/ctx.h"
#include "bpf/lib/packet.h"
#include "ciliumcore/abi/lb.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/reason.h"

/* All written by user space, read here. */
CC_MAP(cc_lb_state, ARRAY, __u32, struct cc_lb_state, 1, BPF_F_MMAPABLE);
CC_MAP(cc_lb_frontends, ARRAY, __u32, struct cc_service_heads, 8192, BPF_F_MMAPABLE);
CC_MAP(cc_lb_services, ARRAY, __u32, struct cc_lb_service, 65536, BPF_F_MMAPABLE);
CC_MAP(cc_lb_slots, ARRAY, __u32, struct cc_service_slots, 262144, BPF_F_MMAPABLE);
CC_MAP(cc_lb_backends, ARRAY, __u32, struct cc_lb_backend, 262144, BPF_F_MMAPABLE);
/* Written here, read by user space. */
CC_MAP(cc_lb_traffic, PERCPU_ARRAY, __u32, struct cc_metric, 65536, 0);
CC_MAP(cc_lb_drops, PERCPU_ARRAY, __u32, struct cc_metric, CC_LB_REASONS, 0);

CC_INLINE void cc_lb_add(struct cc_metric *metric, __u32 bytes)
{
	if (!metric)
		return;
	/* XDP programs of one CPU do not interrupt each other */
	metric->packets++;
	metric->bytes += bytes;
}

CC_INLINE void cc_lb_count(__u32 service, __u32 bytes)
{
	cc_lb_add(cc_lookup(&cc_lb_traffic, &service), bytes);
}

CC_INLINE int cc_lb_drop(__u32 reason, __u32 bytes)
{
	cc_lb_add(cc_lookup(&cc_lb_drops, &reason), bytes);
	return CC_DROP;
}

CC_INLINE bool cc_lb_is_gone(const struct cc_lb_backend *backend, __u32 epoch)
{
	const __u32 until = cc_load_once(&backend->until);

	return until && (__s32)(epoch - until) >= 0;
}

/* The service of a frontend and its index, NULL if there is none. */
CC_INLINE const struct cc_lb_service *cc_lb_find(const struct cc_packet *p,
						 const struct cc_lb_state *state, __u32 hash,
						 __u32 *index)
{
	const __u32 line = hash / CC_SERVICE_HEADS & state->base.service_mask;
	const struct cc_service_heads *heads = cc_lookup(&cc_lb_frontends, &line);

	if (!heads)
		return NULL;
	*index = cc_load_once(&heads->service[hash % CC_SERVICE_HEADS]);
	for (int i = 0; i < CC_SERVICE_CHAIN && *index; i++) {
		const struct cc_lb_service *service = cc_lookup(&cc_lb_services, index);

		if (!service || (cc_addr_equal(&service->addr, &p->dst) &&
				 service->port == p->dport && service->protocol == p->protocol))
			return service;
		*index = cc_load_once(&service->next);
	}
	return NULL;
}

/* The slot of a tag in the table of a target: CC_LB_NOBODY if there is none. */
CC_INLINE __u32 cc_lb_slot_of(__u64 target, __u32 tag)
{
	const __u32 slot = cc_lb_slot(tag, target >> 23 & 0x1ffff);
	const __u32 line = (__u32)(target >> 40) + slot / CC_SERVICE_SLOTS;
	const struct cc_service_slots *slots = cc_lookup(&cc_lb_slots, &line);

	return slots ? cc_load_once(&slots->backend[slot % CC_SERVICE_SLOTS]) : CC_LB_NOBODY;
}

/* The index of the backend that a slot says, 0 for nobody. */
CC_INLINE __u32 cc_lb_backend_of(__u64 target, __u32 slot)
{
	const __u32 number = slot & (CC_LB_SLOT_MOVES - 1);

	return number == CC_LB_NOBODY ? 0 :
					(__u32)(target & (CC_SERVICE_MAX_BACKENDS - 1)) + number;
}

#endif /* CILIUMCORE_BPF_LB_STATE_H_ */
