/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Balances what comes in through a device over the backends of services.
 *
 *   cc_lb  XDP
 *     parse -> service -> slot -> [flows, if the slot has moved] -> around it -> out
 *
 * Backends take the packet out of the one that is put around it and answer the client
 * themselves (direct server return). What goes to no service is the node's. */
#define CC_XDP
#include "bpf/lib/lb_choose.h"
#include "bpf/lib/lb_forward.h"
#include "bpf/lib/lb_parse.h"

CC_PROGRAM("xdp")
int cc_lb(cc_ctx *ctx)
{
	const __u32 zero = 0;
	const struct cc_lb_state *state = cc_lookup(&cc_lb_state, &zero);
	struct cc_lb_packet l = { 0 };
	__u32 index = 0, chosen;

	if (!state || !cc_lb_parse(ctx, &l))
		return CC_PASS;
	const __u32 epoch = cc_load_once(&state->base.epoch);
	const __u32 frontend =
		cc_service_hash(&l.p.dst, l.p.dport, l.p.protocol, state->base.addr_seed);
	const struct cc_lb_service *service = cc_lb_find(&l.p, state, frontend, &index);

	if (!service)
		return CC_PASS;
	const __u16 which = cc_switch_pick(cc_load_once(&service->which), epoch);
	const __u64 target = cc_load_once(&service->target[which & 1]);

	if (target == CC_SERVICE_NONE)
		return CC_PASS;
	const __u32 reason = cc_lb_refusal(ctx, &l);

	/* before anything is remembered of it */
	if (reason)
		return cc_lb_drop(reason, l.bytes);
	if (l.part == CC_LB_FIRST)
		cc_fragment_remember(&l.p, l.fragment_id);
	const __u64 hash = cc_lb_hash(&l.p.src, l.p.sport, frontend, state->flow_seed);

	chosen = target == CC_SERVICE_EMPTY ?
			 0 :
			 cc_lb_choose(&l.p, service, index, which, hash, epoch);
	const struct cc_lb_backend *backend = chosen ? cc_lookup(&cc_lb_backends, &chosen) : NULL;

	if (!backend)
		return cc_lb_drop(CC_REASON_NO_BACKEND, l.bytes);
	return cc_lb_forward(ctx, &l, state, index, backend, hash);
}

CC_LICENSE;
