/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* May the packet pass? An endpoint's own judgement, and that of the other end
 * if it is on this node too. */
#ifndef CILIUMCORE_BPF_JUDGE_H_
#define CILIUMCORE_BPF_JUDGE_H_

#include "bpf/lib/conntrack.h"
#include "bpf/lib/ctx.h"
#include "bpf/lib/endpoint.h"
#include "bpf/lib/events.h"
#include "bpf/lib/metrics.h"
#include "bpf/lib/place.h"
#include "bpf/lib/policy.h"

/* A packet on its way through a program. */
struct cc_flow {
	struct cc_ct_key key;
	struct cc_ct_found found;
	__u32 epoch, now;
	__u32 back; /* direction in the key: 1 is hi -> lo */
	__u16 where_src, where_dst;
	bool is_reply;
};

/* Finds the packet's connection. */
CC_INLINE void cc_flow_begin(struct cc_flow *flow, const struct cc_packet *p)
{
	flow->epoch = cc_epoch();
	flow->now = cc_now();
	flow->back = cc_ct_key_of(p, &flow->key);
	if (!cc_is_tracked(p))
		return;
	flow->found = cc_ct_find(p, &flow->key, flow->back, flow->now);
	if (!flow->found.ct)
		return;
	flow->is_reply = !!(flow->found.word & CC_CT_FROM_HI) != flow->back;
	flow->where_src = flow->back ? flow->found.where[1] : flow->found.where[0];
	flow->where_dst = flow->back ? flow->found.where[0] : flow->found.where[1];
}

/* The judgement that the sender's endpoint (or the receiver's) owes a packet:
 * replies are judged as the connection that they belong to. */
CC_INLINE __u32 cc_side_of_sender(const struct cc_flow *flow)
{
	return flow->is_reply ? CC_INGRESS : CC_EGRESS;
}

CC_INLINE __u32 cc_side_of_receiver(const struct cc_flow *flow)
{
	return flow->is_reply ? CC_EGRESS : CC_INGRESS;
}

CC_INLINE __u32 cc_judged_flag(__u32 side)
{
	return side == CC_EGRESS ? CC_CT_EGRESS_JUDGED : CC_CT_INGRESS_JUDGED;
}

/* One side's verdict on the connection with `peer`; the rule set goes to `told`.
 * The reason for a drop, or 0. */
CC_INLINE __u8 cc_judge_side(const struct cc_endpoint *endpoint, __u32 side, __u32 peer,
			     const struct cc_packet *p, const struct cc_flow *flow,
			     struct cc_told *told)
{
	const struct cc_subject subject = cc_subject_of(endpoint, flow->epoch);
	const __u32 table =
		side == CC_EGRESS ? subject.table[CC_EGRESS] : subject.table[CC_INGRESS];
	const struct cc_cell cell =
		cc_decide(table, peer, p->protocol, cc_policy_port(p, flow->is_reply));

	if (side == CC_EGRESS)
		told->rule_set[CC_EGRESS] = cell.rule_set;
	else
		told->rule_set[CC_INGRESS] = cell.rule_set;
	told->direction = side;
	if (cell.verdict == CC_VERDICT_ALLOW)
		return 0;
	/* Without a branch: the verifier would follow both to the end. */
	return CC_REASON_POLICY_DENIED +
	       (cell.verdict >> 1 & 1) * (CC_REASON_NO_PROXY - CC_REASON_POLICY_DENIED);
}

/* Tells that the packet closed its connection. */
CC_FUNCTION int cc_tell_end(cc_ctx *ctx, const struct cc_packet *p, __u32 epoch, __u32 direction,
			    __u32 is_reply)
{
	struct cc_told told = {
		.epoch = epoch,
		.kind = CC_EVENT_END,
		.direction = direction,
		.is_reply = is_reply,
	};
	struct cc_event_end *end;
	struct cc_ct_key key;
	const struct cc_ct *ct;
	__u32 back;

	if (!p)
		return 0;
	told.src_peer = cc_place_of(&p->src, epoch).peer;
	told.dst_peer = cc_place_of(&p->dst, epoch).peer;
	back = cc_ct_key_of(p, &key);
	ct = cc_lookup(&cc_conntrack, &key);
	if (!ct)
		return 0;
	end = bpf_ringbuf_reserve(&cc_events, sizeof(*end), 0);
	if (!end) {
		cc_count_lost(CC_EVENT_END);
		return 0;
	}
	cc_write_event(&end->event, sizeof(*end), ctx_ifindex(ctx), p, &told);
	end->bytes[0] = back ? ct->bytes[1] : ct->bytes[0];
	end->bytes[1] = back ? ct->bytes[0] : ct->bytes[1];
	end->packets[0] = back ? ct->packets[1] : ct->packets[0];
	end->packets[1] = back ? ct->packets[0] : ct->packets[1];
	bpf_ringbuf_submit(end, cc_wake_flags(sizeof(*end)));
	return 0;
}

/* Notes a packet of a known connection. */
CC_INLINE void cc_flow_touch(cc_ctx *ctx, struct cc_flow *flow, const struct cc_packet *p,
			     __u32 direction)
{
	if (cc_ct_touch(&flow->found, p, flow->back, flow->now) && cc_cfg()->emit_end)
		cc_tell_end(ctx, p, flow->epoch, direction, flow->is_reply);
}

/* Notes that `sides` may pass, with a new record if there is none. The reason
 * for a drop, or 0. */
CC_INLINE __u8 cc_flow_allow(cc_ctx *ctx, struct cc_flow *flow, const struct cc_packet *p,
			     __u32 sides, struct cc_told *told)
{
	const __u16 where[2] = {
		flow->back ? flow->where_dst : flow->where_src,
		flow->back ? flow->where_src : flow->where_dst,
	};

	if (!cc_is_tracked(p))
		return 0;
	if (!flow->found.ct &&
	    !cc_ct_open(p, &flow->key, flow->back, flow->now, flow->epoch, sides, where))
		return CC_REASON_CT_INSERT_FAILED;
	told->kind = flow->found.ct ? CC_EVENT_VERDICT : CC_EVENT_NEW;
	if (flow->found.ct ? cc_cfg()->emit_verdicts : cc_cfg()->emit_new)
		cc_tell(ctx_ifindex(ctx), p, told);
	if (!flow->found.ct)
		return 0;
	cc_ct_stamp(&flow->found, flow->epoch, sides);
	cc_flow_touch(ctx, flow, p, told->direction);
	if (where[0] == flow->found.where[0] && where[1] == flow->found.where[1])
		return 0;
	return cc_ct_move(&flow->found, &flow->key, where) ? 0 : CC_REASON_CT_INSERT_FAILED;
}

/* True for the first of each 2^drop_sample_shift. */
CC_INLINE bool cc_is_sampled(__u64 count)
{
	return !((count - 1) & ((1u << (cc_cfg()->drop_sample_shift & 31)) - 1));
}

/* Counts and tells a drop; what the program returns. */
CC_FUNCTION int cc_refuse_packet(cc_ctx *ctx, const struct cc_packet *p, struct cc_told *told,
				 __u8 reason)
{
	if (!p || !told)
		return CC_DROP;
	const __u64 count = cc_count_drop(told->slot, told->direction, reason, p->bytes);

	if (cc_cfg()->emit_drops && reason != CC_REASON_LINK_SCOPE && cc_is_sampled(count)) {
		told->kind = CC_EVENT_DROP;
		told->reason = reason;
		cc_tell(ctx_ifindex(ctx), p, told);
	}
	return CC_DROP;
}

#endif /* CILIUMCORE_BPF_JUDGE_H_ */
