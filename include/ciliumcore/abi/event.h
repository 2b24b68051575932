/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records of the ring buffer cc_events. */
#ifndef CILIUMCORE_ABI_EVENT_H_
#define CILIUMCORE_ABI_EVENT_H_

#include "ciliumcore/abi/base.h"

enum cc_event_kind {
	CC_EVENT_NEW = 1,     /* a connection was allowed and is tracked now */
	CC_EVENT_DROP = 2,    /* a packet was dropped */
	CC_EVENT_END = 3,     /* a packet closed its TCP connection: struct cc_event_end */
	CC_EVENT_VERDICT = 4, /* a tracked connection was judged again and allowed */
};
#define CC_EVENT_VERSION 1
#define CC_EVENT_KINDS 8 /* more than there are; a power of two */

struct cc_event {
	__u16 kind;              /* enum cc_event_kind */
	__u16 version;           /* CC_EVENT_VERSION */
	__u32 bytes;             /* of this record */
	__u64 time;              /* nanoseconds of CLOCK_MONOTONIC, to a jiffy */
	struct cc_addr src, dst; /* of the packet */
	__be16 sport, dport;     /* of the packet; ICMP echo: identifier */
	__u8 protocol;
	__u8 reason;              /* enum cc_reason; 0 but with CC_EVENT_DROP */
	__u8 direction;           /* enum cc_direction: which judgement, or which program */
	__u8 tcp_flags;           /* ICMP: the type */
	__u32 src_peer, dst_peer; /* peer numbers */
	__u32 rule_set[CC_DIRECTION_COUNT]; /* that decided; 0: this side was not asked */
	__u32 epoch;                        /* under which it was judged */
	__u32 ifindex;                      /* of the program's interface */
	__u32 packet_bytes;
	__u8 is_reply;
	__u8 audited; /* denied, but let pass */
	__u8 pad[2];
};
CC_ABI_SIZE(struct cc_event, 88);

/* Of kind CC_EVENT_END. The pairs: in the packet's direction, and against it. */
struct cc_event_end {
	struct cc_event event;
	__u64 bytes[2];
	__u32 packets[2];
};
CC_ABI_SIZE(struct cc_event_end, 112);

#endif /* CILIUMCORE_ABI_EVENT_H_ */
