/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Gives later fragments the ports of their first one. */
#ifndef CILIUMCORE_BPF_FRAGMENT_H_
#define CILIUMCORE_BPF_FRAGMENT_H_

#include "bpf/lib/packet.h"
#include "ciliumcore/abi/fragment.h"
#include "ciliumcore/abi/reason.h"

/* Written and read here only. */
CC_MAP(cc_fragments, LRU_HASH, struct cc_fragment_key, struct cc_fragment, 8192, 0);

CC_INLINE struct cc_fragment_key cc_fragment_key_of(const struct cc_packet *p, __u32 id)
{
	return (struct cc_fragment_key){
		.src = p->src, .dst = p->dst, .id = id, .protocol = p->protocol
	};
}

/* Remembers the first fragment's ports. */
CC_INLINE void cc_fragment_remember(const struct cc_packet *p, __u32 id)
{
	const struct cc_fragment_key key = cc_fragment_key_of(p, id);
	const struct cc_fragment first = {
		.sport = p->sport,
		.dport = p->dport,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
	};

	cc_put(&cc_fragments, &key, &first, BPF_ANY);
}

/* Fills in a later fragment, `units` of 8 bytes into its datagram. The reason
 * why not, or 0. */
CC_INLINE __u8 cc_fragment_resolve(struct cc_packet *p, __u32 id, __u32 units)
{
	const struct cc_fragment_key key = cc_fragment_key_of(p, id);

	/* Could overwrite the flags that the first one was judged by (RFC 1858 4.2). */
	if (p->protocol == IPPROTO_TCP && units * 8 < 20)
		return CC_REASON_FRAGMENT_REFUSED;
	const struct cc_fragment *first = cc_lookup(&cc_fragments, &key);
	if (!first)
		return CC_REASON_FIRST_FRAGMENT_MISSING;
	p->sport = first->sport;
	p->dport = first->dport;
	p->icmp_type = first->icmp_type;
	p->icmp_code = first->icmp_code;
	p->tcp_flags = CC_TCP_ACK; /* nothing opens or closes here */
	return 0;
}

#endif /* CILIUMCORE_BPF_FRAGMENT_H_ */
