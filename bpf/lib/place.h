/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who an address is and where it lives, at an epoch. */
#ifndef CILIUMCORE_BPF_PLACE_H_
#define CILIUMCORE_BPF_PLACE_H_

#include "bpf/lib/cc.h"
#include "ciliumcore/abi/identity.h"

/* All written by user space, read here. */
CC_MAP(cc_addrs, HASH, struct cc_addr, struct cc_place_ref, 524288, BPF_F_NO_PREALLOC);
CC_MAP(cc_prefixes, LPM_TRIE, struct cc_prefix_key, struct cc_place_ref, 65536, BPF_F_NO_PREALLOC);
CC_MAP(cc_places, ARRAY, __u32, struct cc_place, 589824, BPF_F_MMAPABLE);

CC_INLINE struct cc_place_ref cc_place_ref_load(const struct cc_place_ref *ref)
{
	union {
		__u64 word;
		struct cc_place_ref ref;
	} copy = { .word = cc_load_once((const __u64 *)ref) };

	return copy.ref;
}

/* The place of `addr`, 0 if none is known. */
CC_INLINE __u32 cc_place_index(const struct cc_addr *addr)
{
	const struct cc_place_ref *ref = cc_lookup(&cc_addrs, addr);
	struct cc_place_ref found;

	if (ref) {
		found = cc_place_ref_load(ref);
		if (found.check == cc_addr_check(addr))
			return found.place;
		/* recycled while we looked: `addr` has just been removed */
	}
	const struct cc_prefix_key key = { .bits = 128, .addr = *addr };
	ref = cc_lookup(&cc_prefixes, &key);
	return ref ? cc_place_ref_load(ref).place : 0;
}

/* World, by the node's routing, where nothing is known. */
CC_INLINE struct cc_place_value cc_place_of(const struct cc_addr *addr, __u32 epoch)
{
	const __u32 at = cc_place_index(addr);
	const struct cc_place *place = at ? cc_lookup(&cc_places, &at) : NULL;
	union {
		__u64 word;
		struct cc_place_value value;
	} copy;

	if (!place)
		return (struct cc_place_value){ .peer = CC_IDENTITY_WORLD, .where = CC_REMOTE };
	const __u16 slot = cc_switch_pick(cc_load_once(&place->which), epoch);
	const struct cc_place_value *value = slot == 0 ? &place->value[0] :
					     slot == 1 ? &place->value[1] :
							 &place->value[2];
	copy.word = cc_load_once((const __u64 *)value);
	return copy.value;
}

#endif /* CILIUMCORE_BPF_PLACE_H_ */
