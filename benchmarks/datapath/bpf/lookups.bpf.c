/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Single questions, each the datapath's way and the classic way, about peers and
 * addresses in no order; bench_*_nothing is what that takes without asking. */
#include "benchmarks/datapath/bpf/classic_lib.h"
#include "bpf/lib/place.h"
#include "bpf/lib/policy.h"

#define BENCH_QUESTIONS 16

CLASSIC_POLICY_MAP(classic_policy);

/* Written by user space. */
__u32 next_question;
__u32 peer_mask;    /* peers - 1, a power of two */
__u32 address_mask; /* addresses - 1, a power of two */
__u16 ports[16];
struct cc_addr first_address; /* the last word counts up */
__u32 answer;

struct bench_question {
	__u32 peer;
	__u16 port;
};

/* A number in 0..mask, in no order. It waits for the last answer, which is never
 * that large: asked one over the other, questions would seem cheaper than they
 * are on a packet's way. */
CC_INLINE __u32 bench_number(__u32 mask)
{
	const __u32 n = next_question;

	next_question = n + 1 + (answer >> 31);
	return (n * 0x2c1b3c6du ^ n * 0x9e3779b1u >> 15) & mask;
}

CC_INLINE struct bench_question bench_next_question(void)
{
	const __u32 n = bench_number(peer_mask << 4 | 15);

	return (struct bench_question){ .peer = 1000 + (n >> 4), .port = ports[n & 15] };
}

CC_INLINE struct cc_addr bench_next_address(void)
{
	struct cc_addr addr = first_address;

	addr.w[3] = bpf_htonl(bpf_ntohl(addr.w[3]) + bench_number(address_mask));
	return addr;
}

CC_INLINE __u32 bench_ask_nothing_once(void)
{
	const struct bench_question q = bench_next_question();

	return q.peer + q.port;
}

CC_INLINE __u32 bench_ask_table_once(void)
{
	const struct bench_question q = bench_next_question();
	const struct cc_cell cell = cc_decide(1, q.peer, IPPROTO_TCP, q.port);

	return cell.verdict * cell.rule_set; /* CC_VERDICT_ALLOW is 1 */
}

CC_INLINE __u32 bench_ask_trie_once(void)
{
	const struct bench_question q = bench_next_question();

	return classic_decide(&classic_policy, q.peer, 0, IPPROTO_TCP, bpf_htons(q.port));
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
BENCH_PROGRAM(bench_name_nothing)
BENCH_PROGRAM(bench_name_place)
BENCH_PROGRAM(bench_name_trie)

CC_LICENSE;
