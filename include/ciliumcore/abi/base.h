/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The dialect of the abi layer: what a header may use to mean the same bytes
 * to the BPF compiler, to the host's compilers and to a map pinned by an older
 * build. Plain C11: no bit-fields, no bool, no pointers, no implicit padding;
 * every byte of a struct has a name. Integers are in host order unless their
 * type is __be16 or __be32. */
#ifndef CILIUMCORE_ABI_BASE_H_
#define CILIUMCORE_ABI_BASE_H_

#include <linux/types.h>

#ifdef __cplusplus
#define CC_STATIC_ASSERT(condition, why) static_assert(condition, why)
#else
#define CC_STATIC_ASSERT(condition, why) _Static_assert(condition, why)
#endif

/* Pins a struct's size on both sides of the seam, at the struct. */
#define CC_ABI_SIZE(type, bytes) \
	CC_STATIC_ASSERT(sizeof(type) == (bytes), #type " is " #bytes " bytes of ABI")

/* An address. IPv4 is v4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that one
 * key, one map and one code path serve both families. */
struct cc_addr {
	__be32 w[4];
};
CC_ABI_SIZE(struct cc_addr, 16);

/* Which of an endpoint's two judgements: of what it sends, of what it gets. */
enum cc_direction {
	CC_EGRESS = 0,
	CC_INGRESS = 1,
	CC_DIRECTION_COUNT = 2,
};

/* A value that changes with the epoch, in one word that is loaded and stored
 * whole: {since:32 | now:16 | before:16}. A reader at epoch E takes `now` if
 * E has reached `since`, else `before`; see cc_switch_pick. */
#define CC_SWITCH(since, now, before) \
	(((__u64)(since) << 32) | ((__u64)(__u16)(now) << 16) | (__u64)(__u16)(before))

static inline __u16 cc_switch_pick(__u64 word, __u32 epoch)
{
	/* A signed difference, so that the epoch may wrap. */
	return (__s32)(epoch - (__u32)(word >> 32)) >= 0 ? (__u16)(word >> 16) : (__u16)word;
}

#endif /* CILIUMCORE_ABI_BASE_H_ */
