/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who an address is: exact addresses in a hash, prefixes in a trie that is
 * asked only on a miss; both name a *place*, which says who and where.
 *
 * The hash is ours: heads of chains in cc_addrs, the chains through cc_places. A
 * hit touches two cache lines, where an element of the kernel's hash and what it
 * refers to lie in four. One user-space writer links places and unlinks them; an
 * unlinked place keeps its address and its next until no packet can be on it. */
#ifndef CILIUMCORE_ABI_IDENTITY_H_
#define CILIUMCORE_ABI_IDENTITY_H_

#include "ciliumcore/abi/base.h"

enum cc_identity {
	CC_IDENTITY_UNKNOWN = 0,
	CC_IDENTITY_HOST = 1,
	CC_IDENTITY_WORLD = 2,
};

#define CC_ADDR_HEADS 16 /* in a line of cc_addrs */
#define CC_ADDR_CHAIN 16 /* places in a chain at most */

/* Map cc_addrs: array of a power of two, memory-mapped. The first place of each
 * chain, 0 for none. Of cc_addr_hash, the low bits choose within a line. */
struct cc_addr_heads {
	__u32 place[CC_ADDR_HEADS];
};
CC_ABI_SIZE(struct cc_addr_heads, 64);

/* Key of map cc_prefixes: trie; its value is an index into cc_places. */
struct cc_prefix_key {
	__u32 bits; /* of addr that count, 0..128 (IPv4: 96 + its length) */
	struct cc_addr addr;
};
CC_ABI_SIZE(struct cc_prefix_key, 20);

/* Who an address is and where it lives. One aligned word. */
struct cc_place_value {
	__u32 peer;  /* peer number; an identity, or one that the compiler split */
	__u16 where; /* endpoint slot; CC_REMOTE | next hop; 0 nothing known */
	__u16 pad;
};
CC_ABI_SIZE(struct cc_place_value, 8);

#define CC_REMOTE 0x8000u /* cc_place_value.where: not here; low bits: next hop, 0 by routing */
#define CC_PLACE_SLOTS 3

/* Map cc_places: array, memory-mapped; 0 is never used. `which` switches between
 * the values with the epoch (CC_SWITCH over slot numbers). */
struct cc_place {
	__u64 which;
	struct cc_place_value value[CC_PLACE_SLOTS];
	struct cc_addr addr; /* of an exact address, which is in a chain */
	__u32 next;          /* of its chain, 0 at the end */
	__u32 pad[3];
};
CC_ABI_SIZE(struct cc_place, 64);

/* Map cc_hops: array. How a remote address is reached; 0 is never used. */
struct cc_hop {
	__u32 ifindex;
	__u32 family; /* AF_INET or AF_INET6 of gateway; 0: the destination is on the link */
	struct cc_addr gateway;
};
CC_ABI_SIZE(struct cc_hop, 24);

/* Where in cc_addrs the chain of `a` begins. */
static inline __u32 cc_addr_hash(const struct cc_addr *a, __u32 seed)
{
	__u64 h = ((__u64)a->w[1] << 32 | a->w[0]) ^ seed;

	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 29 ^ ((__u64)a->w[3] << 32 | a->w[2])) * 0xd6e8feb86659fd93ull;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	return (__u32)(h >> 32);
}

#endif /* CILIUMCORE_ABI_IDENTITY_H_ */
