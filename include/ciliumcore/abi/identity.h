/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who an address is: exact addresses in a hash, prefixes in a trie that is
 * asked only on a miss; both name a *place*, which says who and where. */
#ifndef CILIUMCORE_ABI_IDENTITY_H_
#define CILIUMCORE_ABI_IDENTITY_H_

#include "ciliumcore/abi/base.h"

enum cc_identity {
	CC_IDENTITY_UNKNOWN = 0,
	CC_IDENTITY_HOST = 1,
	CC_IDENTITY_WORLD = 2,
};

/* Value of maps cc_addrs (hash, key struct cc_addr) and cc_prefixes (trie).
 * One aligned word. A hash element may be recycled, at once, for another
 * key while a packet still holds it; `check` is a hash of the key and tells. */
struct cc_place_ref {
	__u32 check; /* cc_addr_check of the address; 0 in cc_prefixes */
	__u32 place; /* index into cc_places */
};
CC_ABI_SIZE(struct cc_place_ref, 8);

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

/* Map cc_places: array, memory-mapped. `which` switches between the values
 * with the epoch (CC_SWITCH over slot numbers). */
struct cc_place {
	__u64 which;
	struct cc_place_value value[CC_PLACE_SLOTS];
};
CC_ABI_SIZE(struct cc_place, 32);

/* Map cc_hops: array. How a remote address is reached; 0 is never used. */
struct cc_hop {
	__u32 ifindex;
	__u32 family; /* AF_INET or AF_INET6 of gateway; 0: the destination is on the link */
	struct cc_addr gateway;
};
CC_ABI_SIZE(struct cc_hop, 24);

static inline __u32 cc_addr_check(const struct cc_addr *a)
{
	__u32 h = a->w[0] * 0x9e3779b1u;
	h = (h ^ (h >> 15) ^ a->w[1]) * 0x85ebca77u;
	h = (h ^ (h >> 13) ^ a->w[2]) * 0xc2b2ae3du;
	h = (h ^ (h >> 16) ^ a->w[3]) * 0x27d4eb2fu;
	return h ^ (h >> 15);
}

#endif /* CILIUMCORE_ABI_IDENTITY_H_ */
