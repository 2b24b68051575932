/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Verdict tables: peer -> class, (protocol, port) -> interval, and one cell for
 * each pair. The compiler has settled every precedence; the datapath reads. */
#ifndef CILIUMCORE_ABI_POLICY_H_
#define CILIUMCORE_ABI_POLICY_H_

#include "ciliumcore/abi/base.h"

enum cc_verdict {
	CC_VERDICT_DENY = 0,
	CC_VERDICT_ALLOW = 1,
	CC_VERDICT_REDIRECT = 2,
};

#define CC_INLINE_BOUNDS 12
#define CC_BOUNDS_PAGED 0xffffu
#define CC_PORT_PAGE 256
#define CC_MAX_TABLES 65536

/* Which ports page a protocol's root is; everything else has one interval. */
enum cc_port_root {
	CC_ROOT_TCP = 0,
	CC_ROOT_UDP = 1,
	CC_ROOT_SCTP = 2,
	CC_ROOT_ICMP = 3,
	CC_ROOT_ICMPV6 = 4,
	CC_ROOT_OTHER = 5,
	CC_ROOT_COUNT = 6,
};

/* Map cc_tables: array, memory-mapped. One verdict table; never changes while a
 * subject uses it.
 *
 * A packet's place on the port axis is protocol << 16 | port; for ICMP the port
 * is type << 8 | code. Tables with few intervals list where each begins: the
 * interval is the number of bounds that are not above the packet's place
 * (unused bounds are ~0). Others have bound_count CC_BOUNDS_PAGED and pages: per
 * protocol a root page over the port's high byte, whose entry is an interval,
 * or CC_PORT_DEEP | a page over the low byte. The root of CC_ROOT_OTHER is not
 * a page: it is the one interval of all other protocols. */
struct cc_table {
	__u32 cells;          /* first cell, index of cc_cells */
	__u16 interval_count; /* cells per class */
	__u16 bound_count;    /* inline bounds in use, or CC_BOUNDS_PAGED */
	__u32 class_count;
	__u32 generation;             /* the epoch that made it, for explanation */
	__u32 axis[CC_INLINE_BOUNDS]; /* bounds, ascending; or roots, by enum cc_port_root */
};
CC_ABI_SIZE(struct cc_table, 64);

#define CC_PORT_DEEP 0x8000u

/* Map cc_port_pages: array, memory-mapped. */
struct cc_port_page {
	__u16 entry[CC_PORT_PAGE];
};
CC_ABI_SIZE(struct cc_port_page, 512);

/* Map cc_classes: hash. Peers that are not listed are of class 0. */
struct cc_class_key {
	__u32 table;
	__u32 peer;
};
CC_ABI_SIZE(struct cc_class_key, 8);

/* One aligned word. A hash element may be recycled, at once, for another key
 * while a packet still holds it; `check` is a hash of the key and tells. */
struct cc_class_value {
	__u32 check; /* cc_class_check of the key */
	__u32 cls;
};
CC_ABI_SIZE(struct cc_class_value, 8);

/* Map cc_cells: array, memory-mapped. One aligned word. */
struct cc_cell {
	__u32 rule_set;   /* which rules decided; user space knows them by this number */
	__u16 proxy_port; /* with CC_VERDICT_REDIRECT */
	__u8 verdict;     /* enum cc_verdict */
	__u8 auth;        /* authentication type required, 0 none */
};
CC_ABI_SIZE(struct cc_cell, 8);

static inline __u32 cc_class_check(__u32 table, __u32 peer)
{
	__u32 h = (table * 0x9e3779b1u ^ peer) * 0x85ebca77u;
	return h ^ (h >> 15);
}

#endif /* CILIUMCORE_ABI_POLICY_H_ */
