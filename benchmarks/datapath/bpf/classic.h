/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The classic way to judge, to measure ours against: one trie of policy entries
 * per endpoint, keyed by identity, direction, protocol and port, asked twice
 * (for the peer, then for anybody), and a trie that tells who an address is. */
#ifndef CILIUMCORE_BENCHMARKS_BPF_CLASSIC_H_
#define CILIUMCORE_BENCHMARKS_BPF_CLASSIC_H_

#include "ciliumcore/abi/identity.h"

struct classic_policy_key {
	__u32 bits; /* of what follows that count */
	__u32 identity;
	__u8 direction;
	__u8 protocol;
	__be16 port;
};
CC_ABI_SIZE(struct classic_policy_key, 12);
#define CLASSIC_POLICY_BITS 64

struct classic_policy {
	__u32 rule;
	__u8 deny;
	__u8 pad[3];
};
CC_ABI_SIZE(struct classic_policy, 8);

/* What a hash of peers x ports has an entry for. */
struct classic_flow {
	__u32 peer;
	__u32 port;
};
CC_ABI_SIZE(struct classic_flow, 8);

#endif /* CILIUMCORE_BENCHMARKS_BPF_CLASSIC_H_ */
