/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A backend's part: takes packets out of IPIP and IP6IP6, where the kernel has
 * no devices for that. */
#define CC_XDP
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/lib/ctx.h"

CC_INLINE int cc_test_unwrap(struct xdp_md* ctx, __u32 bytes, __be16 type) {
  struct ethhdr eth, *to = ctx_at(ctx, 0, sizeof(eth));

  if (!to) return CC_DROP;
  eth = *to;
  eth.h_proto = type;
  if (bpf_xdp_adjust_head(ctx, (int)bytes)) return CC_DROP;
  to = ctx_at(ctx, 0, sizeof(eth));
  if (!to) return CC_DROP;
  *to = eth;
  return CC_PASS;
}

SEC("xdp") int cc_test_decap(struct xdp_md* ctx) {
  const struct ethhdr* eth = ctx_at(ctx, 0, sizeof(*eth));

  if (eth && eth->h_proto == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

    if (ip && ip->protocol == IPPROTO_IPIP)
      return cc_test_unwrap(ctx, sizeof(*ip), bpf_htons(ETH_P_IP));
  } else if (eth && eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr* ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

    if (ip && ip->nexthdr == IPPROTO_IPV6)
      return cc_test_unwrap(ctx, sizeof(*ip), bpf_htons(ETH_P_IPV6));
  }
  return CC_PASS;
}

CC_LICENSE;
