/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include "bpf/native/probe.h"

#include "bpf/lib/judge.h"
#include "bpf/lib/neighbor.h"
#include "bpf/lib/parse.h"

void cc_native_probe(cc_ctx *ctx, struct cc_probe *probe)
{
	struct cc_packet p = { 0 };
	struct cc_flow flow = { 0 };
	const enum cc_parsed parsed = cc_parse(ctx, &p);

	*probe = (struct cc_probe){
		.is_arp = parsed == CC_PARSED_ARP,
		.is_refused = parsed == CC_PARSED_REFUSED,
		.reason = p.reason,
		.is_v6 = p.is_v6,
		.is_error = p.is_error,
		.protocol = p.protocol,
		.ttl = p.ttl,
		.tcp_flags = p.tcp_flags,
		.icmp_type = p.icmp_type,
		.icmp_code = p.icmp_code,
		.src = p.src,
		.dst = p.dst,
		.error_from = p.error_from,
		.sport = p.sport,
		.dport = p.dport,
		.epoch = cc_epoch(),
	};
	if (parsed != CC_PARSED_IP)
		return;
	cc_flow_begin(&flow, &p);
	probe->is_tracked = cc_is_tracked(&p);
	probe->is_link_control = cc_is_link_control(&p);
	probe->policy_port = cc_policy_port(&p, flow.is_reply);
	if (!flow.found.ct)
		return;
	probe->is_known = 1;
	probe->is_reply = flow.is_reply;
	for (__u32 side = CC_EGRESS; side <= CC_INGRESS; side++) {
		if (cc_ct_is_current(flow.found.word, flow.epoch, cc_judged_flag(side)))
			probe->judged |= cc_judged_flag(side);
	}
	probe->where_src = flow.where_src;
	probe->where_dst = flow.where_dst;
}
