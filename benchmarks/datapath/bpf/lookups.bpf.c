/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Single questions, each the datapath's way and the classic way, about peers and
 * addresses in no order; bench_*_nothing is what that takes without asking. Whether
 * a peer may reach a port is also asked of bare hashes, which judge nothing: one of
 * as many peers, and one of peers x ports. */
#include "benchmarks/datapath/bpf/classic_lib.h"
#include "bpf/lib/place.h"
#include "bpf/lib/policy.h"

#define BENCH_QUESTIONS 16

#define BENCH_PORTS 16

CLASSIC_POLICY_MAP(classic_policy);

/* Of the capacity of cc_classes. */
CC_MAP(bench_peers, HASH, struct cc_class_key, struct cc_class_value, 1048576, BPF_F_NO_PREALLOC);
CC_MAP(bench_flows, HASH, struct classic_flow, __u64, 2097152, BPF_F_NO_PREALLOC);

/* Written by user space. */
__u32 next_question;
__u32 peer_count;
__u32 address_count;
__u16 ports[BENCH_PORTS];
struct cc_addr first_address; /* the last word counts up */
__u32 answer;

/* A number below `end`, in no order. It waits for the last answer, which is never
 * that large: asked one over the other, questions would seem cheaper than they
 * are on a packet's way. */
CC_INLINE __u32 bench_number(__u32 end)
{
	const __u32 n = next_question;

	next_question = n + 1 + (answer >> 31);
	return (__u64)(n * 0x2c1b3c6du ^ n * 0x9e3779b1u >> 15) * end >> 32;
}

CC_INLINE struct classic_flow bench_next_question(void)
{
	const __u32 n = bench_number(peer_count * BENCH_PORTS);

	return (struct classic_flow){ .peer = 1000 + n / BENCH_PORTS,
					.port = ports[n % BENCH_PORTS] };
}

CC_INLINE struct cc_addr bench_next_address(void)
{
	struct cc_addr addr = first_address;

	addr.w[3] = bpf_htonl(bpf_ntohl(addr.w[3]) + bench_number(address_count));
	return addr;
}

CC_INLINE __u32 bench_ask_nothing_once(void)
{
	const struct classic_flow q = bench_next_question();

	return q.peer + q.port;
}

CC_INLINE __u32 bench_ask_table_once(void)
{
	const struct classic_flow q = bench_next_question();
	const struct cc_cell cell = cc_decide(1, q.peer, IPPROTO_TCP, q.port);

	return cell.verdict * cell.rule_set; /* CC_VERDICT_ALLOW is 1 */
}

CC_INLINE __u32 bench_ask_trie_once(void)
{
	const struct classic_flow q = bench_next_question();

	return classic_decide(&classic_policy, q.peer, 0, IPPROTO_TCP, bpf_htons(q.port));
}

CC_INLINE __u32 bench_ask_peers_once(void)
{
	const struct classic_flow q = bench_next_question();
	const struct cc_class_key key = { .table = 1, .peer = q.peer };
	const struct cc_class_value *value = cc_lookup(&bench_peers, &key);

	return value ? value->cls + q.port : 0;
}

CC_INLINE __u32 bench_ask_flows_once(void)
{
	const struct classic_flow q = bench_next_question();
	const __u64 *value = cc_lookup(&bench_flows, &q);

	return value ? *value : 0;
}

CC_INLINE __u32 bench_name_nothing_once(void) { return bench_next_address().w[3] >> 1; }

CC_INLINE __u32 bench_name_place_once(void)
{
	const struct cc_addr addr = bench_next_address();

	return cc_place_of(&addr, 0).peer;
}

CC_INLINE __u32 bench_name_trie_once(void)
{
	const struct cc_addr addr = bench_next_address();

	return classic_identity_of(&addr);
}

/* A program of 16 questions, each of which must have an answer. */
#define BENCH_PROGRAM(name)                                     \
	SEC("tc") int name(cc_ctx *ctx __attribute__((unused))) \
	{                                                       \
		__u32 unanswered = 0;                           \
                                                                \
		for (int i = 0; i < BENCH_QUESTIONS; i++) {     \
			answer = name##_once();                 \
			unanswered += !answer;                  \
		}                                               \
		return unanswered;                              \
	}

BENCH_PROGRAM(bench_ask_nothing)
BENCH_PROGRAM(bench_ask_table)
BENCH_PROGRAM(bench_ask_trie)
BENCH_PROGRAM(bench_ask_peers)
BENCH_PROGRAM(bench_ask_flows)
BENCH_PROGRAM(bench_name_nothing)
BENCH_PROGRAM(bench_name_place)
BENCH_PROGRAM(bench_name_trie)

CC_LICENSE;
