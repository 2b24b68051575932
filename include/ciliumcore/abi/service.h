/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Services: frontends in a hash of ours, as addresses are (identity.h); each
 * names a range of backends and the slots that choose among them. Of an IPv4
 * service with few, the slots and copies of the backends lie in its own line.
 *
 * One user-space writer. What a packet or a system call may hold is rewritten
 * only when its grace period is over. */
#ifndef CILIUMCORE_ABI_SERVICE_H_
#define CILIUMCORE_ABI_SERVICE_H_

#include "ciliumcore/abi/identity.h"

#define CC_SERVICE_HEADS 16 /* in a line of cc_frontends */
#define CC_SERVICE_CHAIN 16 /* services in a chain at most */
#define CC_SERVICE_SLOTS 32 /* in a line of cc_maglev */
#define CC_SERVICE_FEW 8    /* slots that fit into a target, each of a number below 8 */
#define CC_SERVICE_NEAR 4   /* backends of which a service has copies at most */

/* Map cc_frontends: array of a power of two, memory-mapped. The first service
 * of each chain, 0 for none. Of cc_service_hash, the low bits choose within a
 * line. */
struct cc_service_heads {
	__u32 service[CC_SERVICE_HEADS];
};
CC_ABI_SIZE(struct cc_service_heads, 64);

/* What a frontend stands for, in one word. Its backends are numbered: number n is
 * at index `backends` + n of cc_backends. A new connection takes one of `size`
 * slots, each of which has the number of a backend.
 *
 *   {0:2 | remembers:1 | line:21 | size:17 | backends:23}
 *        the slots are in cc_maglev, from that line on
 *   {1:1 | near:1 | remembers:1 | 0:10 | slots:24 | size:4 | backends:23}
 *        the slots are here: 8 at most, 3 bits each, the first lowest; if `near`, the
 *        service has copies of the backends, whose numbers are below 4
 *
 * If it `remembers`, a client has the backend that it had. */
#define CC_SERVICE_TARGET(line, size, backends) \
	((__u64)(line) << 40 | (__u64)(size) << 23 | (__u64)(backends))
#define CC_SERVICE_IS_FEW (1ull << 63)
#define CC_SERVICE_IS_NEAR (1ull << 62)
#define CC_SERVICE_REMEMBERS (1ull << 61)
#define CC_SERVICE_FEW_TARGET(slots, size, backends) \
	(CC_SERVICE_IS_FEW | (__u64)(slots) << 27 | (__u64)(size) << 23 | (__u64)(backends))
#define CC_SERVICE_NONE 0ull  /* no service */
#define CC_SERVICE_EMPTY 1ull /* a service without backends: refuse */
#define CC_SERVICE_MAX_LINES (1u << 21)
#define CC_SERVICE_MAX_BACKENDS (1u << 23)

/* Map cc_services: array, memory-mapped; 0 is never used. `which` switches
 * between the targets with the epoch (CC_SWITCH over their indices). */
struct cc_service {
	__u64 which;
	__u64 target[2];
	__u32 next;           /* of its chain, 0 at the end */
	__u32 affinity_ticks; /* how long a client is remembered, if at all */
	/* While the target is near, of numbers 0 to 3. IPv6: three words of its address. */
	__be32 near_addr[CC_SERVICE_NEAR];
	__be16 near_port[CC_SERVICE_NEAR];
	/* The frontend. Of the address, the last word, which is all of an IPv4 one. */
	__be32 addr;
	__be16 port;
	__u8 protocol;
	__u8 is_v6;
};
CC_ABI_SIZE(struct cc_service, 64);

/* Map cc_maglev: array, memory-mapped. Slots of services: Maglev tables, and lists
 * where any order does. */
struct cc_service_slots {
	__u16 backend[CC_SERVICE_SLOTS];
};
CC_ABI_SIZE(struct cc_service_slots, 64);

/* Map cc_backends: array, memory-mapped. */
struct cc_backend {
	struct cc_addr addr;
	__be16 port;
	__u16 epoch; /* that it was written for: the low bits */
	__u32 born;  /* a number of its own; 0: nobody */
	__u32 until; /* the epoch at which it is gone; 0: not yet */
	__u32 service;
};
CC_ABI_SIZE(struct cc_backend, 32);

/* Map cc_affinity: LRU hash. Which backend a client of a service had. Elements
 * are recycled at once: whose `backend` was not born as the word says, or is of
 * another service, is not believed. */
struct cc_affinity_key {
	__u64 client; /* cookie of its network namespace */
	__u32 service;
	__u32 pad;
};
CC_ABI_SIZE(struct cc_affinity_key, 16);

struct cc_affinity {
	__u32 backend;
	__u32 born;
	__u32 seen; /* tick of the last connection */
	__u32 pad;
};
CC_ABI_SIZE(struct cc_affinity, 16);

/* A service that a socket speaks to. */
struct cc_sock_service {
	struct cc_addr frontend, backend;
	__be16 frontend_port, backend_port;
	__u32 index; /* of the backend */
};
CC_ABI_SIZE(struct cc_sock_service, 40);

#define CC_SOCK_SERVICES 4 /* that an unconnected socket remembers */

/* Map cc_socks: storage of a socket. */
struct cc_sock {
	__u32 service[CC_SOCK_SERVICES]; /* indexes of those that are known, 0 for none */
	__u32 last;                      /* the one it spoke to last, or is connected to */
	__u32 next;                      /* the one to forget next */
	struct cc_sock_service known[CC_SOCK_SERVICES];
};
CC_ABI_SIZE(struct cc_sock, 184);

/* Of a connected UDP socket: a service that it got its peer of, by a backend that
 * has another number by now, or none. */
struct cc_doubtful {
	__u64 cookie;
	struct cc_addr frontend, backend;
	__be16 frontend_port, backend_port;
	__u32 pad;
};
CC_ABI_SIZE(struct cc_doubtful, 48);

/* Where in cc_frontends the chain of a frontend begins. */
static inline __u32 cc_service_hash(const struct cc_addr *addr, __be16 port, __u8 protocol,
				    __u32 seed)
{
	return cc_addr_hash(addr, seed ^ ((__u32)protocol << 16 | port));
}

#endif /* CILIUMCORE_ABI_SERVICE_H_ */
