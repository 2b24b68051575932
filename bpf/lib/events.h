/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Tells user space what was decided, and by which rules. */
#ifndef CILIUMCORE_BPF_EVENTS_H_
#define CILIUMCORE_BPF_EVENTS_H_

#include "bpf/lib/config.h"
#include "bpf/lib/packet.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/reason.h"

/* Written here, read by one reader. */
CC_RINGBUF(cc_events, 4 << 20);
/* Events that found the ring full, by kind; per CPU. */
CC_MAP(cc_events_lost, PERCPU_ARRAY, __u32, __u64, CC_EVENT_KINDS, 0);

/* What an event says beyond the packet. */
struct cc_told {
	__u32 src_peer, dst_peer;
	__u32 rule_set[CC_DIRECTION_COUNT];
	__u32 epoch;
	__u8 kind, reason, direction, is_reply;
	__u32 slot; /* of the endpoint that judges; counted, not told */
};

/* Wakes the reader once per event_wake_bytes, not once per event of `bytes`. */
CC_INLINE __u64 cc_wake_flags(__u64 bytes)
{
	const __u64 unread = bpf_ringbuf_query(&cc_events, BPF_RB_AVAIL_DATA);
	const __u64 wake = cc_cfg()->event_wake_bytes;
	const __u64 record = bytes + BPF_RINGBUF_HDR_SZ;

	return unread >= wake && (unread & (wake - 1)) < record ? BPF_RB_FORCE_WAKEUP :
								  BPF_RB_NO_WAKEUP;
}

CC_INLINE void cc_count_lost(__u32 kind)
{
	__u64 *lost;

	kind &= CC_EVENT_KINDS - 1;
	lost = cc_lookup(&cc_events_lost, &kind);
	if (lost)
		__sync_fetch_and_add(lost, 1);
}

/* True for what policy refuses, which an audit lets pass. */
CC_INLINE bool cc_is_of_policy(__u8 reason)
{
	return reason == CC_REASON_POLICY_DENIED || reason == CC_REASON_NO_PROXY;
}

/* Says in a record of `bytes` what every event does. */
CC_INLINE void cc_write_event(struct cc_event *event, __u32 bytes, __u32 ifindex,
			      const struct cc_packet *p, const struct cc_told *told)
{
	event->kind = told->kind;
	event->version = CC_EVENT_VERSION;
	event->bytes = bytes;
	event->time = bpf_ktime_get_coarse_ns();
	event->src = p->src;
	event->dst = p->dst;
	event->sport = p->sport;
	event->dport = p->dport;
	event->protocol = p->protocol;
	event->reason = told->reason;
	event->direction = told->direction;
	event->tcp_flags = cc_is_icmp(p) ? p->icmp_type : p->tcp_flags;
	event->src_peer = told->src_peer;
	event->dst_peer = told->dst_peer;
	event->rule_set[CC_EGRESS] = told->rule_set[CC_EGRESS];
	event->rule_set[CC_INGRESS] = told->rule_set[CC_INGRESS];
	event->epoch = told->epoch;
	event->ifindex = ifindex;
	event->packet_bytes = p->bytes;
	event->is_reply = told->is_reply;
	event->audited = cc_is_of_policy(told->reason) && cc_cfg()->audit_only;
	event->pad[0] = event->pad[1] = 0;
}

/* `ifindex`: of the program's interface, 0 at a socket. */
CC_INLINE void cc_tell(__u32 ifindex, const struct cc_packet *p, const struct cc_told *told)
{
	struct cc_event *event = bpf_ringbuf_reserve(&cc_events, sizeof(*event), 0);

	if (!event) {
		cc_count_lost(told->kind);
		return;
	}
	cc_write_event(event, sizeof(*event), ifindex, p, told);
	bpf_ringbuf_submit(event, cc_wake_flags(sizeof(*event)));
}

#endif /* CILIUMCORE_BPF_EVENTS_H_ */
