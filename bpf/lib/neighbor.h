/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stands in for every neighbour of an endpoint: whoever it asks for, by ARP
 * (RFC 826) or neighbour discovery (RFC 4861), is behind this interface. */
#ifndef CILIUMCORE_BPF_NEIGHBOR_H_
#define CILIUMCORE_BPF_NEIGHBOR_H_

#include "bpf/lib/ctx.h"
#include "bpf/lib/deliver.h"
#include "bpf/lib/endpoint.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/place.h"

struct cc_arp {
	__be16 hardware, protocol;
	__u8 hardware_bytes, protocol_bytes;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
	__u8 target_mac[6];
	__u8 target[4];
};

enum cc_nd_type {
	CC_ND_ROUTER_SOLICIT = 133,
	CC_ND_SOLICIT = 135,
	CC_ND_ADVERT = 136,
	CC_ND_REDIRECT = 137,
};

/* A neighbour advertisement as its checksum sees it (RFC 8200 8.1). */
struct cc_nd_advert {
	struct cc_addr src, dst;
	__be32 bytes;
	__be32 next_header;
	__u8 type, code;
	__u16 check;
	__be32 flags;
	struct cc_addr target;
	__u8 option, option_units;
	__u8 mac[6];
};

#define CC_ND_PSEUDO_BYTES 40
#define CC_ND_ADVERT_BYTES 32
#define CC_ND_FLAGS 0xe0000000u /* router, solicited, override */

CC_INLINE __be32 cc_read32(const __u8 *at)
{
	__be32 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

CC_INLINE struct cc_exit cc_answer_arp(cc_ctx *ctx, const struct cc_endpoint *me)
{
	struct ethhdr *eth = ctx_at(ctx, 0, ETH_HLEN);
	struct cc_arp *arp = ctx_at(ctx, ETH_HLEN, sizeof(*arp));

	if (!eth || !arp || arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP))
		return cc_exit_drop(CC_REASON_INVALID_PACKET);
	const __be32 sender = cc_read32(arp->sender), target = cc_read32(arp->target);

	if (sender && sender != me->v4.w[3])
		return cc_exit_drop(CC_REASON_INVALID_SOURCE_IP);
	if (arp->operation == bpf_htons(2))
		return (struct cc_exit){ .action = CC_PASS }; /* answers the node */
	if (arp->operation != bpf_htons(1) || !sender || target == sender)
		return cc_exit_drop(CC_REASON_LINK_SCOPE); /* a probe for its own address */
	arp->operation = bpf_htons(2);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	__builtin_memcpy(arp->target, &sender, sizeof(sender));
	__builtin_memcpy(arp->sender_mac, me->host_mac, ETH_ALEN);
	__builtin_memcpy(arp->sender, &target, sizeof(target));
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, me->host_mac, ETH_ALEN);
	return (struct cc_exit){ .action = bpf_redirect(me->ifindex, 0) };
}

CC_INLINE __u16 cc_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* Turns a solicitation for `target` into its answer. */
CC_INLINE struct cc_exit cc_answer_solicit(cc_ctx *ctx, const struct cc_packet *p,
					   const struct cc_addr *target,
					   const struct cc_endpoint *me)
{
	struct cc_nd_advert advert = {
		.src = *target,
		.dst = p->src,
		.bytes = bpf_htonl(CC_ND_ADVERT_BYTES),
		.next_header = bpf_htonl(IPPROTO_ICMPV6),
		.type = CC_ND_ADVERT,
		.flags = bpf_htonl(CC_ND_FLAGS),
		.target = *target,
		.option = 2, /* target link-layer address */
		.option_units = 1,
	};
	struct ethhdr *eth = ctx_at(ctx, 0, ETH_HLEN);
	struct ipv6hdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

	__builtin_memcpy(advert.mac, me->host_mac, ETH_ALEN);
	advert.check = cc_fold((__u64)bpf_csum_diff(NULL, 0, (__be32 *)&advert, sizeof(advert), 0));
	if (!eth || !ip || bpf_ntohs(ip->payload_len) < CC_ND_ADVERT_BYTES)
		return cc_exit_drop(CC_REASON_INVALID_PACKET);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, me->host_mac, ETH_ALEN);
	ip->payload_len = bpf_htons(CC_ND_ADVERT_BYTES);
	__builtin_memcpy(&ip->saddr, target, sizeof(*target));
	__builtin_memcpy(&ip->daddr, &p->src, sizeof(p->src));
	if (bpf_skb_store_bytes(ctx, ETH_HLEN + sizeof(*ip), (char *)&advert + CC_ND_PSEUDO_BYTES,
				CC_ND_ADVERT_BYTES, 0))
		return cc_exit_drop(CC_REASON_INVALID_PACKET);
	return (struct cc_exit){ .action = bpf_redirect(me->ifindex, 0) };
}

CC_INLINE bool cc_is_link_local(const struct cc_addr *addr)
{
	return (addr->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

CC_INLINE bool cc_is_link_multicast(const struct cc_addr *addr)
{
	return (addr->w[0] & bpf_htonl(0xff0f0000)) == bpf_htonl(0xff020000);
}

/* ICMPv6 that never leaves a link: neighbour and router discovery, multicast
 * listeners (RFC 4861, RFC 2710, RFC 3810). */
CC_INLINE bool cc_is_link_control(const struct cc_packet *p)
{
	if (p->protocol != IPPROTO_ICMPV6 || p->is_error)
		return false;
	return (p->icmp_type >= 130 && p->icmp_type <= CC_ND_REDIRECT) || p->icmp_type == 143;
}

/* What an endpoint says on its link. */
CC_INLINE struct cc_exit cc_link_control(cc_ctx *ctx, const struct cc_packet *p,
					 const struct cc_endpoint *me)
{
	struct cc_addr target;

	if (p->icmp_type == 143 || p->icmp_type <= CC_ND_ROUTER_SOLICIT)
		return cc_exit_drop(CC_REASON_LINK_SCOPE);
	if (p->icmp_type != CC_ND_SOLICIT && p->icmp_type != CC_ND_ADVERT)
		return cc_exit_drop(CC_REASON_FORBIDDEN_ICMPV6);
	if (p->ttl != 255 || p->l4 != ETH_HLEN + sizeof(struct ipv6hdr) ||
	    !ctx_load(ctx, p->l4 + 8, &target, sizeof(target)))
		return cc_exit_drop(CC_REASON_INVALID_PACKET);
	const bool is_own = (me->v6.w[2] | me->v6.w[3]) && cc_addr_equal(&target, &me->v6);

	if (p->icmp_type == CC_ND_SOLICIT &&
	    (is_own || !(p->src.w[0] | p->src.w[1] | p->src.w[2] | p->src.w[3])))
		return cc_exit_drop(CC_REASON_LINK_SCOPE); /* a probe for its own address */
	if (!cc_is_link_local(&p->src) && !cc_owns_source(me, p))
		return cc_exit_drop(CC_REASON_INVALID_SOURCE_IP);
	if (p->icmp_type == CC_ND_ADVERT) {
		if (!is_own && !cc_is_link_local(&target))
			return cc_exit_drop(CC_REASON_FORBIDDEN_ICMPV6);
		/* the node's stack would route it to others, past the policy */
		if (!cc_is_link_local(&p->dst) && !cc_is_link_multicast(&p->dst) &&
		    cc_place_of(&p->dst, cc_epoch()).peer != CC_IDENTITY_HOST)
			return cc_exit_drop(CC_REASON_LINK_SCOPE);
		return (struct cc_exit){ .action = CC_PASS };
	}
	return cc_answer_solicit(ctx, p, &target, me);
}

#endif /* CILIUMCORE_BPF_NEIGHBOR_H_ */
