/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fragments: only the first has a transport header; the others are found by it. */
#ifndef CILIUMCORE_ABI_FRAGMENT_H_
#define CILIUMCORE_ABI_FRAGMENT_H_

#include "ciliumcore/abi/base.h"

/* Key of map cc_fragments (LRU hash): what the fragments of a datagram share
 * (RFC 791 3.2, RFC 8200 4.5). */
struct cc_fragment_key {
	struct cc_addr src, dst;
	__u32 id; /* as on the wire */
	__u8 protocol;
	__u8 pad[3];
};
CC_ABI_SIZE(struct cc_fragment_key, 40);

struct cc_fragment {
	__be16 sport, dport;
	__u8 icmp_type, icmp_code;
	__u8 pad[2];
};
CC_ABI_SIZE(struct cc_fragment, 8);

#endif /* CILIUMCORE_ABI_FRAGMENT_H_ */
