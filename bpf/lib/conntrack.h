/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One connection, one record. */
#ifndef CILIUMCORE_BPF_CONNTRACK_H_
#define CILIUMCORE_BPF_CONNTRACK_H_

#include "bpf/lib/packet.h"
#include "bpf/lib/state.h"
#include "ciliumcore/abi/conntrack.h"

/* Written and read here, read by user space. What has expired stays until its room is
 * needed: who deletes by key could meet the live record that took its place. */
CC_MAP(cc_conntrack, LRU_HASH, struct cc_ct_key, struct cc_ct, 524288, 0);

/* a > b, as the wire orders them or not: any total order does. */
CC_INLINE bool cc_addr_above(const struct cc_packet *p)
{
	const __u64 *a = (const __u64 *)&p->src, *b = (const __u64 *)&p->dst;

	if (!p->is_v6) {
		if (p->src.w[3] != p->dst.w[3])
			return p->src.w[3] > p->dst.w[3];
	} else if (a[1] != b[1]) {
		return a[1] > b[1];
	} else if (a[0] != b[0]) {
		return a[0] > b[0];
	}
	return p->sport > p->dport;
}

/* The canonical key; returns the packet's direction in it: 0 lo -> hi, 1 back. */
CC_INLINE __u32 cc_ct_key_of(const struct cc_packet *p, struct cc_ct_key *key)
{
	const __u32 back = cc_addr_above(p);

	if (back) {
		key->lo = p->dst;
		key->hi = p->src;
		key->lo_port = p->dport;
		key->hi_port = p->sport;
	} else {
		key->lo = p->src;
		key->hi = p->dst;
		key->lo_port = p->sport;
		key->hi_port = p->dport;
	}
	key->protocol = p->protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
	return back;
}

/* The TCP flags that matter, in the four bits the record keeps of a direction. */
CC_INLINE __u64 cc_ct_tcp_bits(const struct cc_packet *p, __u32 back)
{
	const __u64 bits = (p->tcp_flags & (CC_TCP_FIN | CC_TCP_SYN | CC_TCP_RST)) |
			   (p->tcp_flags & CC_TCP_ACK ? CC_CT_ACK : 0);

	return bits << (CC_CT_TCP_SHIFT + (back ? 4 : 0));
}

CC_INLINE __u64 cc_ct_word(const struct cc_ct_key *key, __u32 epoch, __u32 flags)
{
	return (__u64)cc_ct_check(key) << CC_CT_CHECK_SHIFT |
	       (__u64)(epoch & CC_CT_EPOCH_MASK) << CC_CT_EPOCH_SHIFT | flags;
}

/* What the packet's connection is known by. */
struct cc_ct_found {
	struct cc_ct *ct; /* live record, or NULL */
	__u64 word;       /* of the record, as it was found */
	__u16 where[2];   /* likewise */
};

/* The live record of the packet's connection. A packet that opens a connection
 * against the recorded direction, or over one that is closing, has none: it is
 * judged as what it is. */
CC_INLINE struct cc_ct_found cc_ct_find(const struct cc_packet *p, const struct cc_ct_key *key,
					__u32 back, __u32 now)
{
	const struct cc_ct_found none = { 0 };
	struct cc_ct *ct = cc_lookup(&cc_conntrack, key);

	if (!ct)
		return none;
	const __u64 word = cc_load_once(&ct->word);

	if (word >> CC_CT_CHECK_SHIFT != cc_ct_check(key))
		return none; /* recycled while we looked */
	if (cc_ct_is_expired(cc_cfg(), word, p->protocol, now - cc_load_once(&ct->seen)))
		return none;
	if (cc_is_opening(p) && ((!!(word & CC_CT_FROM_HI)) != back ||
				 (p->protocol == IPPROTO_TCP && cc_ct_is_closing(word))))
		return none;
	const struct cc_ct_found found = {
		.ct = ct,
		.word = word,
		.where = { cc_load_once(&ct->where[0]), cc_load_once(&ct->where[1]) },
	};

	/* The kernel recycles an element in the order of its bytes: whose `where` is
	 * another's has another's `word` by now. */
	if (cc_load_once(&ct->word) >> CC_CT_CHECK_SHIFT != word >> CC_CT_CHECK_SHIFT)
		return none;
	return found;
}

/* True if the record lets a packet pass that needs `sides` judged at `epoch`. */
CC_INLINE bool cc_ct_is_current(__u64 word, __u32 epoch, __u32 sides)
{
	return ((__u32)word >> CC_CT_EPOCH_SHIFT) == (epoch & CC_CT_EPOCH_MASK) &&
	       (word & sides) == sides;
}

/* Adds `bits` to the record's word. True if it is they that close the connection:
 * of two packets that might, one does. */
CC_INLINE bool cc_ct_note(struct cc_ct_found *found, __u64 bits)
{
	__u64 word = found->word;

	/* lost only to other packets of the flow, twice, or to a recycling */
	for (int i = 0; i < 2 && !((word ^ found->word) >> CC_CT_CHECK_SHIFT); i++) {
		const __u64 was = __sync_val_compare_and_swap(&found->ct->word, word, word | bits);

		if (was == word) {
			found->word = word | bits;
			return !cc_ct_is_closing(word) && cc_ct_is_closing(word | bits);
		}
		word = was;
	}
	return false;
}

/* Notes a packet. Stores only what changes: other CPUs read the line too. True if
 * it closed the connection. */
CC_INLINE bool cc_ct_touch(struct cc_ct_found *found, const struct cc_packet *p, __u32 back,
			   __u32 now)
{
	struct cc_ct *ct = found->ct;
	const __u64 bits = cc_ct_tcp_bits(p, back);

	if (p->is_error)
		return false;
	if (ct->seen != now)
		ct->seen = now;
	if (back) {
		__sync_fetch_and_add(&ct->packets[1], 1);
		__sync_fetch_and_add(&ct->bytes[1], p->bytes);
	} else {
		__sync_fetch_and_add(&ct->packets[0], 1);
		__sync_fetch_and_add(&ct->bytes[0], p->bytes);
	}
	return (found->word | bits) != found->word && cc_ct_note(found, bits);
}

/* Stamps a record after a judgement of `sides` at `epoch`. Sides judged at the
 * same epoch before stay judged. If another CPU was faster, the next packet is
 * judged once more. */
CC_INLINE void cc_ct_stamp(struct cc_ct_found *found, __u32 epoch, __u32 sides)
{
	const __u64 stamp = (__u64)(epoch & CC_CT_EPOCH_MASK) << CC_CT_EPOCH_SHIFT;
	const __u64 stamp_mask = (__u64)CC_CT_EPOCH_MASK << CC_CT_EPOCH_SHIFT;
	__u64 word = found->word;

	if ((word & stamp_mask) != stamp)
		word = (word & ~(stamp_mask | CC_CT_JUDGED)) | stamp;
	word |= sides;
	if (word != found->word &&
	    __sync_val_compare_and_swap(&found->ct->word, found->word, word) == found->word)
		found->word = word;
}

/* A new record for the packet, with `sides` judged at `epoch`. False if the
 * table refused it. */
CC_INLINE bool cc_ct_open(const struct cc_packet *p, const struct cc_ct_key *key, __u32 back,
			  __u32 now, __u32 epoch, __u32 sides, const __u16 where[2])
{
	const struct cc_ct ct = {
		.word = cc_ct_word(key, epoch, sides | (back ? CC_CT_FROM_HI : 0)) |
			cc_ct_tcp_bits(p, back),
		.seen = now,
		.where = { where[0], where[1] },
		.packets = { !back, !!back },
		.bytes = { back ? 0 : p->bytes, back ? p->bytes : 0 },
	};

	return cc_put(&cc_conntrack, key, &ct, BPF_ANY) == 0;
}

/* Replaces a record by one that says where its ends are now: written in place,
 * it could be another connection's by the time. */
CC_INLINE bool cc_ct_move(const struct cc_ct_found *found, const struct cc_ct_key *key,
			  const __u16 where[2])
{
	struct cc_ct ct = *found->ct;

	ct.word = found->word;
	ct.where[0] = where[0];
	ct.where[1] = where[1];
	return cc_put(&cc_conntrack, key, &ct, BPF_ANY) == 0;
}

#endif /* CILIUMCORE_BPF_CONNTRACK_H_ */
