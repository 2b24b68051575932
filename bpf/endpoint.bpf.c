/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Guards an endpoint on both sides of its veth.
 *
 *   cc_from_endpoint  tc ingress of the host side: what the endpoint sends
 *     parse -> own address? -> connection -> [judge both ends] -> deliver or forward
 *   cc_to_endpoint    tc egress of the host side: what reaches it through the node
 *     parse -> connection -> [judge] -> pass
 *
 * A packet of a connection that was judged in this epoch skips the brackets.
 * Between two endpoints of a node one program judges both ends, at one epoch,
 * and the packet never meets the second program. */
#include "bpf/lib/deliver.h"
#include "bpf/lib/judge.h"
#include "bpf/lib/neighbor.h"
#include "bpf/lib/parse.h"

/* The local endpoint that the record says the packet goes to. */
CC_INLINE const struct cc_endpoint *cc_receiver(const struct cc_packet *p, __u16 where)
{
	const struct cc_endpoint *to = NULL;

	if (where && !(where & CC_REMOTE))
		to = cc_endpoint_at(where);
	/* a record may be recycled while we read it: believe only the address */
	if (to && !cc_addr_equal(p->is_v6 ? &to->v6 : &to->v4, &p->dst))
		to = NULL;
	cc_opaque(to); /* or later tests of `to` would become tests of `where` */
	return to;
}

CC_INLINE struct cc_exit cc_send(cc_ctx *ctx, const struct cc_packet *p,
				 const struct cc_endpoint *to, __u16 where)
{
	return to ? cc_deliver(ctx, p, to) : cc_forward(ctx, p, where);
}

/* Counts and tells what became of a packet that was allowed. */
CC_INLINE int cc_finish(cc_ctx *ctx, const struct cc_packet *p, struct cc_told *told,
			struct cc_exit exit)
{
	if (exit.reason)
		return cc_refuse_packet(ctx, p, told, exit.reason);
	cc_count_forwarded(told->slot, told->direction, p->bytes);
	return exit.action;
}

/* A packet that policy denies: dropped, unless the node only listens. */
CC_INLINE bool cc_is_denied(cc_ctx *ctx, const struct cc_packet *p, struct cc_told *told,
			    __u8 reason)
{
	cc_refuse_packet(ctx, p, told, reason);
	return !cc_cfg()->audit_only;
}

CC_PROGRAM("tc")
int cc_from_endpoint(cc_ctx *ctx)
{
	const __u32 slot = cc_slot_of(ctx_ifindex(ctx));
	const struct cc_endpoint *me = cc_endpoint_at(slot);
	struct cc_told told = { .direction = CC_EGRESS, .slot = slot };
	struct cc_packet p = { 0 };
	struct cc_flow flow = { 0 };
	const struct cc_endpoint *to;
	__u32 side, sides;
	__u8 reason;

	const enum cc_parsed parsed = cc_parse(ctx, &p);

	if (!me)
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_NO_ENDPOINT);
	if (parsed == CC_PARSED_ARP)
		return cc_finish(ctx, &p, &told, cc_answer_arp(ctx, me));
	if (parsed == CC_PARSED_REFUSED)
		return cc_refuse_packet(ctx, &p, &told, p.reason);
	if (cc_is_link_control(&p))
		return cc_finish(ctx, &p, &told, cc_link_control(ctx, &p, me));
	if (!cc_owns_source(me, &p))
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_INVALID_SOURCE_IP);

	cc_flow_begin(&flow, &p);
	told.epoch = flow.epoch;
	told.is_reply = flow.is_reply;
	side = cc_side_of_sender(&flow);
	if (flow.found.ct) {
		to = cc_receiver(&p, flow.where_dst);
		sides = flow.where_dst & CC_REMOTE ? cc_judged_flag(side) : CC_CT_JUDGED;
		if ((to || flow.where_dst & CC_REMOTE) &&
		    cc_ct_is_current(flow.found.word, flow.epoch, sides)) {
			cc_flow_touch(ctx, &flow, &p, CC_EGRESS);
			return cc_finish(ctx, &p, &told, cc_send(ctx, &p, to, flow.where_dst));
		}
	} else if (p.is_error) {
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_NOT_RELATED);
	}

	const struct cc_place_value dst = cc_place_of(&p.dst, flow.epoch);
	const struct cc_place_value src = cc_place_of(&p.src, flow.epoch);

	told.src_peer = src.peer;
	told.dst_peer = dst.peer;
	flow.where_src = src.where;
	flow.where_dst = dst.where;
	to = cc_receiver(&p, dst.where);
	if (!to && !(dst.where & CC_REMOTE))
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_HOST_UNREACHABLE);
	reason = cc_judge_side(me, side, dst.peer, &p, &flow, &told);
	sides = cc_judged_flag(side);
	if (!reason && to) {
		told.slot = dst.where;
		reason = cc_judge_side(to, cc_side_of_receiver(&flow), src.peer, &p, &flow, &told);
		sides = CC_CT_JUDGED;
	}
	if (reason) {
		if (cc_is_denied(ctx, &p, &told, reason))
			return CC_DROP;
	} else {
		reason = cc_flow_allow(ctx, &flow, &p, sides, &told);
		if (reason)
			return cc_refuse_packet(ctx, &p, &told, reason);
	}
	told.direction = CC_EGRESS;
	told.slot = slot;
	return cc_finish(ctx, &p, &told, cc_send(ctx, &p, to, dst.where));
}

/* True if a packet says that it comes from an endpoint of this node, but did not
 * enter through its interface. */
CC_INLINE bool cc_is_impostor(const cc_ctx *ctx, __u16 where_src)
{
	const struct cc_endpoint *sender;
	const __u32 ingress = ctx_ingress_ifindex(ctx);

	if (!where_src || where_src & CC_REMOTE || !ingress)
		return false;
	sender = cc_endpoint_at(where_src);
	return sender && sender->ifindex != ingress;
}

CC_PROGRAM("tc")
int cc_to_endpoint(cc_ctx *ctx)
{
	const __u32 slot = cc_slot_of(ctx_ifindex(ctx));
	const struct cc_endpoint *me = cc_endpoint_at(slot);
	struct cc_told told = { .direction = CC_INGRESS, .slot = slot };
	struct cc_packet p = { 0 };
	struct cc_flow flow = { 0 };
	__u32 side;
	__u8 reason;

	const enum cc_parsed parsed = cc_parse(ctx, &p);

	if (!me)
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_NO_ENDPOINT);
	if (parsed == CC_PARSED_ARP)
		return CC_PASS;
	if (parsed == CC_PARSED_REFUSED)
		return cc_refuse_packet(ctx, &p, &told, p.reason);
	if (cc_is_link_control(&p) && p.ttl == 255)
		return CC_PASS; /* from the node itself: no router lets it through */

	cc_flow_begin(&flow, &p);
	told.epoch = flow.epoch;
	told.is_reply = flow.is_reply;
	side = cc_side_of_receiver(&flow);
	if (flow.found.ct) {
		if (cc_ct_is_current(flow.found.word, flow.epoch, cc_judged_flag(side)) &&
		    flow.where_src && !cc_is_impostor(ctx, flow.where_src)) {
			cc_flow_touch(ctx, &flow, &p, CC_INGRESS);
			return cc_finish(ctx, &p, &told, (struct cc_exit){ .action = CC_PASS });
		}
	} else if (p.is_error) {
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_NOT_RELATED);
	}

	const struct cc_place_value src = cc_place_of(&p.src, flow.epoch);
	const struct cc_place_value dst = cc_place_of(&p.dst, flow.epoch);

	told.src_peer = src.peer;
	told.dst_peer = dst.peer;
	flow.where_src = src.where;
	flow.where_dst = dst.where;
	if (cc_is_impostor(ctx, src.where))
		return cc_refuse_packet(ctx, &p, &told, CC_REASON_INVALID_SOURCE_IP);
	reason = cc_judge_side(me, side, src.peer, &p, &flow, &told);
	if (reason) {
		if (cc_is_denied(ctx, &p, &told, reason))
			return CC_DROP;
	} else {
		reason = cc_flow_allow(ctx, &flow, &p, cc_judged_flag(side), &told);
		if (reason)
			return cc_refuse_packet(ctx, &p, &told, reason);
	}
	told.direction = CC_INGRESS;
	return cc_finish(ctx, &p, &told, (struct cc_exit){ .action = CC_PASS });
}

CC_LICENSE;
