/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Endpoints by interface and by slot, and what judges them at an epoch. */
#ifndef CILIUMCORE_BPF_ENDPOINT_H_
#define CILIUMCORE_BPF_ENDPOINT_H_

#include "bpf/lib/packet.h"
#include "ciliumcore/abi/endpoint.h"

/* All written by user space, read here. */
CC_MAP(cc_endpoints, ARRAY, __u32, struct cc_endpoint, CC_MAX_ENDPOINTS, BPF_F_MMAPABLE);
CC_MAP(cc_subjects, ARRAY, __u32, struct cc_subject, 65536, BPF_F_MMAPABLE);
/* Interface to slot. */
CC_MAP(cc_ifindex, ARRAY, __u32, __u32, CC_IFINDEX_DIRECT, 0);
CC_MAP(cc_ifindex_far, HASH, __u32, __u32, CC_MAX_ENDPOINTS, 0);

CC_INLINE __u32 cc_slot_of(__u32 ifindex)
{
	const __u32 *slot = ifindex < CC_IFINDEX_DIRECT ? cc_lookup(&cc_ifindex, &ifindex) :
							  cc_lookup(&cc_ifindex_far, &ifindex);

	return slot ? *slot : 0;
}

/* The endpoint in `slot`, or NULL if nobody is there. */
CC_INLINE const struct cc_endpoint *cc_endpoint_at(__u32 slot)
{
	const struct cc_endpoint *endpoint = cc_lookup(&cc_endpoints, &slot);

	return endpoint && endpoint->ifindex ? endpoint : NULL;
}

/* Who the endpoint is, and its tables. Identity 0 and table 0, which denies
 * all, if it is nobody yet. */
CC_INLINE struct cc_subject cc_subject_of(const struct cc_endpoint *endpoint, __u32 epoch)
{
	const __u32 at = cc_switch_pick(cc_load_once(&endpoint->subject), epoch);
	const struct cc_subject *subject = cc_lookup(&cc_subjects, &at);
	union {
		__u64 word;
		struct cc_subject subject;
	} copy = { 0 };

	if (subject)
		copy.word = cc_load_once((const __u64 *)subject);
	return copy.subject;
}

/* True if the packet's source is an address of the endpoint's own. */
CC_INLINE bool cc_owns_source(const struct cc_endpoint *endpoint, const struct cc_packet *p)
{
	const struct cc_addr *own = p->is_v6 ? &endpoint->v6 : &endpoint->v4;

	if (!(own->w[2] | own->w[3]))
		return false; /* it has none of this family */
	return cc_addr_equal(own, &p->src) && (!p->is_error || cc_addr_equal(own, &p->error_from));
}

#endif /* CILIUMCORE_BPF_ENDPOINT_H_ */
