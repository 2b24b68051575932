/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The classic endpoint programs, to measure ours against: what a datapath must
 * do per packet if policy is a trie that every packet asks, if each endpoint
 * keeps a record of its own of each connection, and if events go through a perf
 * buffer. Parsing, delivery and routing are the same code as in the programs
 * under test, so that only this difference is seen. It is not a complete
 * datapath: what it leaves out makes it faster. */
#include "benchmarks/datapath/bpf/classic_lib.h"
#include "bpf/lib/deliver.h"
#include "bpf/lib/parse.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/state.h"

struct classic_ct_key {
	struct cc_addr src, dst;
	__be16 sport, dport;
	__u8 protocol;
	__u8 direction; /* of the endpoint that keeps the record */
	__u8 pad[2];
};

struct classic_ct {
	__u64 packets[2], bytes[2];
	__u32 lifetime;
	__u32 source_identity;
	__u16 tcp_flags[2];
	__u32 last_report;
};

CLASSIC_POLICY_MAP(classic_sender);
CLASSIC_POLICY_MAP(classic_receiver);
CC_MAP(classic_conntrack, LRU_HASH, struct classic_ct_key, struct classic_ct, 524288, 0);
CC_MAP(classic_endpoints, HASH, struct cc_addr, struct cc_endpoint, 65536, 0);
CC_MAP(classic_metrics, PERCPU_HASH, __u32, struct cc_metric, 1024, 0);
CC_MAP(classic_events, PERF_EVENT_ARRAY, __u32, __u32, 0, 0);

const volatile __u32 classic_self = 500; /* the endpoint's own identity */

CC_INLINE void classic_count(__u32 direction, __u32 reason, __u32 bytes)
{
	const __u32 key = CC_METRIC_KEY(direction, reason);
	struct cc_metric *metric = cc_lookup(&classic_metrics, &key);

	if (metric) {
		metric->packets++;
		metric->bytes += bytes;
	} else {
		const struct cc_metric first = { 1, bytes };

		cc_put(&classic_metrics, &key, &first, BPF_ANY);
	}
}

CC_INLINE void classic_tell(cc_ctx *ctx, const struct cc_packet *p, __u16 kind, __u8 direction,
			    __u8 reason)
{
	struct cc_event event = {
		.kind = kind,
		.version = CC_EVENT_VERSION,
		.bytes = sizeof(event),
		.time = bpf_ktime_get_coarse_ns(),
		.src = p->src,
		.dst = p->dst,
		.sport = p->sport,
		.dport = p->dport,
		.protocol = p->protocol,
		.reason = reason,
		.direction = direction,
		.tcp_flags = p->tcp_flags,
		.packet_bytes = p->bytes,
	};

	bpf_perf_event_output(ctx, &classic_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
}

CC_INLINE int classic_drop(cc_ctx *ctx, const struct cc_packet *p, __u8 direction, __u8 reason)
{
	classic_count(direction, reason, p->bytes);
	classic_tell(ctx, p, CC_EVENT_DROP, direction, reason);
	return CC_DROP;
}

/* One endpoint's part: its record of the connection, its policy. The reason for
 * a drop, or 0. */
CC_INLINE __u8 classic_judge(cc_ctx *ctx, const struct cc_packet *p, void *policy, __u8 direction,
			     __u32 peer)
{
	struct classic_ct_key key = {
		.src = p->src,
		.dst = p->dst,
		.sport = p->sport,
		.dport = p->dport,
		.protocol = p->protocol,
		.direction = direction,
	};
	const __u32 now = (__u32)(bpf_jiffies64() >> 8);
	struct classic_ct *ct = cc_lookup(&classic_conntrack, &key);

	/* every packet asks: rules may have changed since the last one */
	if (!classic_decide(policy, peer, direction, p->protocol, p->dport))
		return CC_REASON_POLICY_DENIED;
	if (ct) {
		ct->lifetime = now + 8000;
		ct->tcp_flags[0] |= p->tcp_flags;
		__sync_fetch_and_add(&ct->packets[0], 1);
		__sync_fetch_and_add(&ct->bytes[0], p->bytes);
		return 0;
	}
	const struct classic_ct made = {
		.packets = { 1 },
		.bytes = { p->bytes },
		.lifetime = now + 60,
		.source_identity = peer,
		.tcp_flags = { p->tcp_flags },
	};
	if (cc_put(&classic_conntrack, &key, &made, BPF_ANY))
		return CC_REASON_CT_INSERT_FAILED;
	classic_tell(ctx, p, CC_EVENT_NEW, direction, 0);
	return 0;
}

SEC("tc") int classic_from_endpoint(cc_ctx *ctx)
{
	struct cc_packet p = { 0 };
	struct cc_exit exit;
	__u8 reason;

	if (cc_parse(ctx, &p) != CC_PARSED_IP)
		return classic_drop(ctx, &p, CC_EGRESS, CC_REASON_INVALID_PACKET);
	const __u32 peer = classic_identity_of(&p.dst);

	reason = classic_judge(ctx, &p, &classic_sender, CC_EGRESS, peer);
	if (reason)
		return classic_drop(ctx, &p, CC_EGRESS, reason);
	classic_count(CC_EGRESS, CC_REASON_FORWARDED, p.bytes);
	const struct cc_endpoint *to = cc_lookup(&classic_endpoints, &p.dst);

	if (!to) {
		exit = cc_forward_fib(ctx, &p);
	} else {
		reason = classic_judge(ctx, &p, &classic_receiver, CC_INGRESS, classic_self);
		if (reason)
			return classic_drop(ctx, &p, CC_INGRESS, reason);
		classic_count(CC_INGRESS, CC_REASON_FORWARDED, p.bytes);
		exit = cc_deliver(ctx, &p, to);
	}
	if (exit.reason)
		return classic_drop(ctx, &p, CC_EGRESS, exit.reason);
	return exit.action;
}

SEC("tc") int classic_to_endpoint(cc_ctx *ctx)
{
	struct cc_packet p = { 0 };
	__u8 reason;

	if (cc_parse(ctx, &p) != CC_PARSED_IP)
		return classic_drop(ctx, &p, CC_INGRESS, CC_REASON_INVALID_PACKET);
	reason = classic_judge(ctx, &p, &classic_receiver, CC_INGRESS, classic_identity_of(&p.src));
	if (reason)
		return classic_drop(ctx, &p, CC_INGRESS, reason);
	classic_count(CC_INGRESS, CC_REASON_FORWARDED, p.bytes);
	return CC_PASS;
}

CC_LICENSE;
