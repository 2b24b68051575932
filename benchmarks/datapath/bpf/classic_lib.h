/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The classic lookups. */
#ifndef CILIUMCORE_BENCHMARKS_DATAPATH_BPF_CLASSIC_LIB_H_
#define CILIUMCORE_BENCHMARKS_DATAPATH_BPF_CLASSIC_LIB_H_

#include "benchmarks/datapath/bpf/classic.h"
#include "bpf/lib/cc.h"

#define CLASSIC_POLICY_MAP(name)                                                         \
	CC_MAP(name, LPM_TRIE, struct classic_policy_key, struct classic_policy, 2097152, \
	       BPF_F_NO_PREALLOC)

CC_MAP(classic_identities, LPM_TRIE, struct cc_prefix_key, __u32, 524288, BPF_F_NO_PREALLOC);

CC_INLINE __u32 classic_identity_of(const struct cc_addr *addr)
{
	const struct cc_prefix_key key = { .bits = 128, .addr = *addr };
	const __u32 *identity = cc_lookup(&classic_identities, &key);

	return identity ? *identity : CC_IDENTITY_WORLD;
}

/* The rule that lets `peer` pass, 0 if none does or one forbids it. Of the two
 * entries the one for the peer wins, unless only the other denies. */
CC_INLINE __u32 classic_decide(void *policy, __u32 peer, __u8 direction, __u8 protocol, __be16 port)
{
	struct classic_policy_key key = {
		.bits = CLASSIC_POLICY_BITS,
		.identity = peer,
		.direction = direction,
		.protocol = protocol,
		.port = port,
	};
	const struct classic_policy *exact = bpf_map_lookup_elem(policy, &key);
	const struct classic_policy *any;

	key.identity = 0;
	any = bpf_map_lookup_elem(policy, &key);
	if ((exact && exact->deny) || (any && any->deny))
		return 0;
	return exact ? exact->rule : any ? any->rule : 0;
}

#endif /* CILIUMCORE_BENCHMARKS_DATAPATH_BPF_CLASSIC_LIB_H_ */
