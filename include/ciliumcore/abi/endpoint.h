/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Endpoints: the interfaces that the datapath judges for. */
#ifndef CILIUMCORE_ABI_ENDPOINT_H_
#define CILIUMCORE_ABI_ENDPOINT_H_

#include "ciliumcore/abi/base.h"

#define CC_MAX_ENDPOINTS 32768  /* slots 1..32767; 0 is nobody */
#define CC_IFINDEX_DIRECT 65536 /* ifindexes below it are found by array, others by hash */

/* Map cc_endpoints: array over slots, memory-mapped. All but `subject` is
 * written before the slot can be found and never changes while it can. */
struct cc_endpoint {
	__u64 subject;     /* CC_SWITCH over indexes of cc_subjects */
	struct cc_addr v4; /* own addresses: what it may send from; zero for none */
	struct cc_addr v6;
	__u8 mac[6];      /* of the endpoint's own interface */
	__u8 host_mac[6]; /* of this side's interface */
	__u32 ifindex;    /* of this side's interface; 0: no endpoint */
	__u32 flags;      /* CC_ENDPOINT_* */
	__u32 pad;
};
CC_ABI_SIZE(struct cc_endpoint, 64);

enum cc_endpoint_flags {
	CC_ENDPOINT_NO_PEER_REDIRECT = 1, /* deliver by redirect, not into the peer's namespace */
};

/* Map cc_subjects: array, memory-mapped. Who an endpoint is and which tables
 * judge it, as one change left it. One aligned word; never changes while in use. */
struct cc_subject {
	__u32 identity;
	__u16 table[CC_DIRECTION_COUNT]; /* by enum cc_direction, indexes of cc_tables */
};
CC_ABI_SIZE(struct cc_subject, 8);

#endif /* CILIUMCORE_ABI_ENDPOINT_H_ */
