/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connection tracking: one connection, one record, found by both directions
 * and by both endpoints on the node. */
#ifndef CILIUMCORE_ABI_CONNTRACK_H_
#define CILIUMCORE_ABI_CONNTRACK_H_

#include "ciliumcore/abi/base.h"
#include "ciliumcore/abi/config.h"

/* Key of map cc_conntrack (LRU hash): the tuple in canonical order, the lower
 * (address, port) first. For ICMP echo both ports are the identifier. */
struct cc_ct_key {
	struct cc_addr lo, hi;
	__be16 lo_port, hi_port;
	__u8 protocol;
	__u8 pad[3];
};
CC_ABI_SIZE(struct cc_ct_key, 40);

/* The record. Index 0 of the pairs is lo -> hi, index 1 hi -> lo.
 *
 * `word` is loaded and replaced whole, because an element may be recycled for
 * another connection while a packet still holds it:
 *
 *   check:24 | tcp of hi:4 | tcp of lo:4 | epoch:28 | CC_CT_* flags:4
 *
 * check is a hash of the key. epoch and the JUDGED flags say under which epoch
 * the connection was judged last, and which of its sides were: the egress of
 * the initiator's endpoint, the ingress of the responder's. A packet may trust
 * the record only if check and epoch are right and its own side is judged. */
struct cc_ct {
	__u64 word;
	__u32 seen;       /* tick of the last packet */
	__u16 where[2];   /* of lo and of hi, as cc_place_value.where; 0 not known yet */
	__u32 packets[2]; /* by direction; wraps */
	__u64 bytes[2];   /* by direction */
};
CC_ABI_SIZE(struct cc_ct, 40);

enum cc_ct_flags {
	CC_CT_EGRESS_JUDGED = 1,
	CC_CT_INGRESS_JUDGED = 2,
	CC_CT_FROM_HI = 4, /* hi opened the connection */
	CC_CT_JUDGED = CC_CT_EGRESS_JUDGED | CC_CT_INGRESS_JUDGED,
};

/* Bits of the tcp fields. */
enum cc_ct_tcp {
	CC_CT_FIN = 1,
	CC_CT_SYN = 2,
	CC_CT_RST = 4,
	CC_CT_ACK = 8,
};

#define CC_CT_EPOCH_SHIFT 4
#define CC_CT_EPOCH_MASK ((1u << 28) - 1) /* of the epoch that fit in */
#define CC_CT_TCP_SHIFT 32                /* of lo; hi is 4 above */
#define CC_CT_CHECK_SHIFT 40
#define CC_CT_TCP 6 /* the protocol whose connections end */

static inline __u32 cc_ct_check(const struct cc_ct_key *key)
{
	const __u64 *lo = (const __u64 *)&key->lo, *hi = (const __u64 *)&key->hi;
	const __u64 rest = (__u64)key->lo_port << 24 | (__u64)key->hi_port << 8 | key->protocol;
	const __u64 h = (lo[1] ^ rest << 20) * 0x9fb21c651e98df25ull ^
			(hi[1] ^ rest) * 0xd6e8feb86659fd93ull ^
			(lo[0] ^ hi[0] << 1) * 0xa0761d6478bd642full;

	return (__u32)(h >> 40);
}

/* Of a record's word: both ends of a TCP connection have closed it, or one reset it. */
static inline __u32 cc_ct_is_closing(__u64 word)
{
	const __u32 lo = word >> CC_CT_TCP_SHIFT & 15, hi = word >> (CC_CT_TCP_SHIFT + 4) & 15;

	return (lo | hi) & CC_CT_RST || lo & hi & CC_CT_FIN;
}

/* How long the connection may stay silent, in ticks. */
static inline __u32 cc_ct_life(const volatile struct cc_config *config, __u64 word, __u8 protocol)
{
	const __u64 acked = (__u64)(CC_CT_ACK | CC_CT_ACK << 4) << CC_CT_TCP_SHIFT;

	if (protocol != CC_CT_TCP)
		return config->ticks_any;
	if (cc_ct_is_closing(word))
		return config->ticks_close;
	return (word & acked) == acked ? config->ticks_tcp : config->ticks_syn;
}

/* True of a record that has been silent for too long: no packet believes it. `age` is
 * in ticks since its last packet. */
static inline __u32 cc_ct_is_expired(const volatile struct cc_config *config, __u64 word,
				     __u8 protocol, __u32 age)
{
	/* Another CPU may have seen one a tick later than we: it is signed. */
	return (__s32)age > (__s32)cc_ct_life(config, word, protocol);
}

#endif /* CILIUMCORE_ABI_CONNTRACK_H_ */
