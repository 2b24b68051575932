/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The load balancer: frontends in a hash of ours, as services are (service.h);
 * each has a Maglev table of numbers of its backends, and flows are remembered
 * only where a change has moved slots.
 *
 * One user-space writer. What a packet may hold is rewritten only when its grace
 * period is over; the words of cc_lb_flows both sides write, by compare and swap. */
#ifndef CILIUMCORE_ABI_LB_H_
#define CILIUMCORE_ABI_LB_H_

#include "ciliumcore/abi/service.h"
#include "ciliumcore/abi/state.h"

/* Where encapsulated packets go. */
enum cc_lb_way {
	CC_LB_BY_ROUTE = 0,   /* by the routes of the node */
	CC_LB_BY_GATEWAY = 1, /* back through the device, to one MAC address */
};

/* Map cc_lb_state: array of one, memory-mapped. Stays, but for epoch and now. */
struct cc_lb_state {
	struct cc_state base; /* addr_seed and service_mask: of cc_lb_frontends */
	__u64 flow_seed;      /* of cc_lb_hash */
	__u32 flow_mask;      /* buckets of cc_lb_flows - 1 */
	__u32 now;            /* seconds, of the writer: never faster than time */
	__be32 source4;       /* of outer headers; bits of the mask are the flow's */
	__be32 source4_mask;
	__u16 mtu;         /* bytes of an encapsulated packet at most */
	__u16 tcp_silence; /* seconds after which a flow that says nothing is dead */
	__u16 other_silence;
	__u8 way; /* enum cc_lb_way */
	__u8 pad;
	__u8 gateway[6];
	__u8 pad2[2];
	struct cc_addr source6, source6_mask;
	__u8 pad3[40];
};
CC_ABI_SIZE(struct cc_lb_state, 128);

/* Map cc_lb_frontends: array of a power of two of struct cc_service_heads,
 * memory-mapped; the chains go through cc_lb_services. */

/* Map cc_lb_services: array, memory-mapped; 0 is never used. `which` switches
 * between two states with the epoch (CC_SWITCH over their indices), of each of
 * which `target` says where the table is that new flows go by and `before` where
 * that of the flows is that nobody has recorded, 0 if it is the same: both as
 * CC_SERVICE_TARGET with lines of cc_lb_slots, or CC_SERVICE_NONE or _EMPTY. */
struct cc_lb_service {
	__u64 which;
	__u64 target[2];
	__u64 before[2];
	__u32 next; /* of its chain, 0 at the end */
	struct cc_addr addr;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};
CC_ABI_SIZE(struct cc_lb_service, 64);

/* Map cc_lb_slots: array of struct cc_service_slots, memory-mapped. A slot has the
 * number of its backend, and whether flows of its hashes may be elsewhere: only
 * then cc_lb_flows is asked, and new flows are recorded. */
#define CC_LB_SLOT_MOVES 0x8000u
#define CC_LB_NOBODY 0x7fffu /* the number of no backend: new flows are refused */

/* Map cc_lb_backends: array, memory-mapped; 0 is never used. */
struct cc_lb_backend {
	struct cc_addr addr;
	__u32 service; /* index of its service */
	__u32 until;   /* the epoch at which it is gone; 0: not yet */
	__u32 drains;  /* not 0: keeps the flows that it has, gets no new ones */
	__u32 pad;
};
CC_ABI_SIZE(struct cc_lb_backend, 32);

#define CC_LB_WAYS 8 /* flows in a bucket */

/* Map cc_lb_flows: array of a power of two, memory-mapped. Flows in any order, in
 * the bucket of their hash or, if that has no zero word, in the other one. */
struct cc_lb_flows {
	__u64 flow[CC_LB_WAYS];
};
CC_ABI_SIZE(struct cc_lb_flows, 64);

/* A flow: {tag:28 | seen:12 | backend:24}. The tag is what chooses a slot, so that
 * who reads the flow and its backend's service knows its slot. Backend 0: there was
 * one; the word may be used, but has been. */
#define CC_LB_FLOW(tag, seen, backend) \
	((__u64)(tag) << 36 | (__u64)((seen)&0xfffu) << 24 | (__u64)(backend))
#define CC_LB_FLOW_GONE CC_LB_FLOW(0, 1, 0)
#define CC_LB_FLOW_TAG(word) ((__u32)((word) >> 36))
#define CC_LB_FLOW_SEEN(word) ((__u32)((word) >> 24) & 0xfffu)
#define CC_LB_FLOW_BACKEND(word) ((__u32)(word)&0xffffffu)
#define CC_LB_SEEN_PERIOD 4096 /* seconds after which `seen` begins anew */

/* Keys of map cc_lb_memory: per-CPU array of __u64. */
enum cc_lb_memory_key {
	CC_LB_RECORDED = 0, /* flows that were written down */
	CC_LB_EVICTED = 1,  /* live ones that made room for others */
	CC_LB_MEMORY_COUNT = 2,
};

/* Maps cc_lb_traffic, by index of the service, and cc_lb_drops, by enum cc_reason:
 * per-CPU arrays of struct cc_metric. Bytes are those of IP packets, as they came. */
#define CC_LB_REASONS 256

/* The hash of a flow. `frontend` is cc_service_hash of where it goes to. */
static inline __u64 cc_lb_hash(const struct cc_addr *src, __be16 port, __u32 frontend, __u64 seed)
{
	__u64 h = seed ^ ((__u64)port << 32 | frontend);

	h = (h ^ h >> 32 ^ ((__u64)src->w[1] << 32 | src->w[0])) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 29 ^ ((__u64)src->w[3] << 32 | src->w[2])) * 0xd6e8feb86659fd93ull;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	return h ^ h >> 29;
}

static inline __u32 cc_lb_tag(__u64 hash) { return (__u32)(hash >> 36); }

/* The slot of a tag in a table of `size`. */
static inline __u32 cc_lb_slot(__u32 tag, __u32 size) { return (__u32)((__u64)tag * size >> 28); }

/* The two buckets of a flow. */
static inline __u32 cc_lb_bucket(__u64 hash, __u32 mask) { return (__u32)hash & mask; }
static inline __u32 cc_lb_other_bucket(__u64 hash, __u32 mask)
{
	return ((__u32)hash ^ (cc_lb_tag(hash) * 0x5bd1e995u | 1)) & mask;
}

#endif /* CILIUMCORE_ABI_LB_H_ */
