/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which backend a packet of a service goes to. */
#ifndef CILIUMCORE_BPF_LB_CHOOSE_H_
#define CILIUMCORE_BPF_LB_CHOOSE_H_

#include "bpf/lib/lb_flows.h"

/* The index of the packet's backend, 0 if nobody takes it. `which` of the service's
 * states is true now. */
CC_INLINE __u32 cc_lb_choose(const struct cc_packet *p, const struct cc_lb_service *service,
			     __u32 index, __u16 which, __u64 hash, __u32 epoch)
{
	const __u64 target = cc_load_once(&service->target[which & 1]);
	const __u32 slot = cc_lb_slot_of(target, cc_lb_tag(hash));
	const __u32 now = cc_lb_backend_of(target, slot);

	if (!(slot & CC_LB_SLOT_MOVES))
		return now;
	const struct cc_lb_question ask = {
		.hash = hash,
		.service = index,
		.epoch = epoch,
		.before = cc_load_once(&service->before[which & 1]),
		.now = now,
		.opens = cc_is_opening(p),
		.is_tcp = p->protocol == IPPROTO_TCP,
		.is_about = p->is_error,
	};

	return cc_lb_flow_backend(&ask);
}

#endif /* CILIUMCORE_BPF_LB_CHOOSE_H_ */
