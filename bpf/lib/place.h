/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who an address is and where it lives, at an epoch. */
#ifndef CILIUMCORE_BPF_PLACE_H_
#define CILIUMCORE_BPF_PLACE_H_

#include "bpf/lib/packet.h"
#include "bpf/lib/state.h"
#include "ciliumcore/abi/identity.h"

/* All written by user space, read here. */
CC_MAP(cc_addrs, ARRAY, __u32, struct cc_addr_heads, 65536, BPF_F_MMAPABLE);
CC_MAP(cc_prefixes, LPM_TRIE, struct cc_prefix_key, __u32, 65536, BPF_F_NO_PREALLOC);
CC_MAP(cc_places, ARRAY, __u32, struct cc_place, 589824, BPF_F_MMAPABLE);

/* The place of exactly `addr`, 0 if none. */
CC_INLINE __u32 cc_place_exact(const struct cc_addr *addr)
{
	const __u32 zero = 0;
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	if (!state)
		return 0;
	const __u32 hash = cc_addr_hash(addr, state->addr_seed);
	const __u32 line = hash / CC_ADDR_HEADS & state->addr_mask;
	const struct cc_addr_heads *heads = cc_lookup(&cc_addrs, &line);

	if (!heads)
		return 0;
	__u32 at = cc_load_once(&heads->place[hash % CC_ADDR_HEADS]);

	for (int i = 0; i < CC_ADDR_CHAIN && at; i++) {
		const struct cc_place *place = cc_lookup(&cc_places, &at);

		if (!place)
			break;
		if (cc_addr_equal(&place->addr, addr))
			return at;
		at = cc_load_once(&place->next);
	}
	return 0;
}

/* The place of the longest prefix of `addr`, 0 if none. */
CC_INLINE __u32 cc_place_prefix(const struct cc_addr *addr)
{
	const struct cc_prefix_key key = { .bits = 128, .addr = *addr };
	const __u32 *at = cc_lookup(&cc_prefixes, &key);

	return at ? cc_load_once(at) : 0;
}

union cc_place_word {
	__u64 word;
	struct cc_place_value value;
};

/* cc_place_of, as a word. */
CC_FUNCTION __u64 cc_place_word_of(const struct cc_addr *addr, __u32 epoch)
{
	/* World, by the node's routing, where nothing is known. */
	const union cc_place_word nobody = {
		.value = { .peer = CC_IDENTITY_WORLD, .where = CC_REMOTE },
	};

	if (!addr)
		return nobody.word;
	__u32 at = cc_place_exact(addr);

	if (!at)
		at = cc_place_prefix(addr);
	const struct cc_place *place = at ? cc_lookup(&cc_places, &at) : NULL;

	if (!place)
		return nobody.word;
	const __u16 slot = cc_switch_pick(cc_load_once(&place->which), epoch);
	const struct cc_place_value *value = slot == 0 ? &place->value[0] :
					     slot == 1 ? &place->value[1] :
							 &place->value[2];
	return cc_load_once((const __u64 *)value);
}

/* Who and where `addr` is at `epoch`. */
CC_INLINE struct cc_place_value cc_place_of(const struct cc_addr *addr, __u32 epoch)
{
	const union cc_place_word found = { .word = cc_place_word_of(addr, epoch) };

	return found.value;
}

#endif /* CILIUMCORE_BPF_PLACE_H_ */
