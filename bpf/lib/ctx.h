/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packet's bytes. ctx_at is the only bounds check there is. */
#ifndef CILIUMCORE_BPF_CTX_H_
#define CILIUMCORE_BPF_CTX_H_

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/lib/cc.h"

#ifdef __bpf__
CC_INLINE void *ctx_data(const cc_ctx *ctx) { return (void *)(long)ctx->data; }
CC_INLINE void *ctx_data_end(const cc_ctx *ctx) { return (void *)(long)ctx->data_end; }
#ifdef CC_XDP
CC_INLINE __u32 ctx_len(const cc_ctx *ctx)
{
	return (__u32)((char *)ctx_data_end(ctx) - (char *)ctx_data(ctx));
}
CC_INLINE __u32 ctx_ifindex(const cc_ctx *ctx) { return ctx->ingress_ifindex; }
#else
CC_INLINE __u32 ctx_len(const cc_ctx *ctx) { return ctx->len; }
CC_INLINE __u32 ctx_ifindex(const cc_ctx *ctx) { return ctx->ifindex; }
/* The interface through which the packet entered the node, 0 if it was sent here. */
CC_INLINE __u32 ctx_ingress_ifindex(const cc_ctx *ctx) { return ctx->ingress_ifindex; }
#endif
#endif

/* `bytes` bytes at `offset`, to read and write in place, or NULL. */
CC_INLINE void *ctx_at(const cc_ctx *ctx, __u32 offset, __u32 bytes)
{
	__u64 at = offset;

	if (at > 0x3fff)
		return NULL; /* a bound that the verifier sees; folded for constants */
	cc_opaque(at);
	char *p = (char *)ctx_data(ctx) + at;
	return p + bytes > (char *)ctx_data_end(ctx) ? NULL : p;
}

#ifdef CC_XDP

/* A whole packet is linear. */
enum cc_action {
	CC_DROP = 1,     /* XDP_DROP */
	CC_PASS = 2,     /* XDP_PASS */
	CC_SEND = 3,     /* XDP_TX */
	CC_REDIRECT = 4, /* XDP_REDIRECT */
};

#else

enum cc_action {
	CC_PASS = 0, /* TC_ACT_OK */
	CC_DROP = 2, /* TC_ACT_SHOT */
};

/* Makes the first `bytes` (or all there are) of the packet linear, so that
 * ctx_at can reach them. Earlier pointers into the packet are void. */
CC_INLINE bool ctx_pull(cc_ctx *ctx, __u32 bytes)
{
	const __u32 len = ctx_len(ctx);

	if ((char *)ctx_data_end(ctx) - (char *)ctx_data(ctx) >= (long)len)
		return true; /* it is linear as a whole */
	return bpf_skb_pull_data(ctx, len < bytes ? len : bytes) == 0;
}

CC_INLINE bool ctx_load(const cc_ctx *ctx, __u32 offset, void *to, __u32 bytes)
{
	return bpf_skb_load_bytes(ctx, offset, to, bytes) == 0;
}

#endif

/* One hop less, in the packet at hand. */
CC_INLINE bool cc_decrement_ttl(cc_ctx *ctx, bool is_v6)
{
	if (is_v6) {
		struct ipv6hdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

		if (!ip)
			return false;
		ip->hop_limit--;
		return true;
	}
	struct iphdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

	if (!ip)
		return false;
	/* RFC 1624, for a decrement of the field's high byte */
	const __u32 check = (__u32)ip->check + bpf_htons(0x0100);

	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
	return true;
}

#endif /* CILIUMCORE_BPF_CTX_H_ */
