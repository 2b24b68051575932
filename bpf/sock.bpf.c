/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Services at the socket: no packet ever has a frontend's address.
 *
 *   cc_connect4/6      a socket connects: frontend -> backend
 *   cc_sendmsg4/6      an unconnected UDP socket sends: the same
 *   cc_recvmsg4/6      it receives: backend -> frontend
 *   cc_getpeername4/6  it asks whom it is connected to: the same
 *
 * An IPv6 socket may speak to an IPv4 frontend by its v4-mapped address; that is
 * how addresses are kept here anyway. */
#include "bpf/lib/sock.h"

CC_INLINE struct cc_choice cc_asked4(const struct bpf_sock_addr *ctx)
{
	return (struct cc_choice){
		.addr = cc_addr_v4(ctx->user_ip4),
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};
}

CC_INLINE struct cc_choice cc_asked6(const struct bpf_sock_addr *ctx)
{
	return (struct cc_choice){
		.addr = { { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			    ctx->user_ip6[3] } },
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};
}

CC_INLINE void cc_answer4(struct bpf_sock_addr *ctx, const struct cc_choice *choice)
{
	ctx->user_ip4 = choice->addr.w[3];
	ctx->user_port = choice->port;
}

CC_INLINE void cc_answer6(struct bpf_sock_addr *ctx, const struct cc_choice *choice)
{
	ctx->user_ip6[0] = choice->addr.w[0];
	ctx->user_ip6[1] = choice->addr.w[1];
	ctx->user_ip6[2] = choice->addr.w[2];
	ctx->user_ip6[3] = choice->addr.w[3];
	ctx->user_port = choice->port;
}

CC_INLINE int cc_out4(struct bpf_sock_addr *ctx, bool connects)
{
	struct cc_choice choice = cc_asked4(ctx);
	const int verdict = cc_sock_translate(ctx, &choice, connects);

	cc_answer4(ctx, &choice);
	return verdict;
}

CC_INLINE int cc_out6(struct bpf_sock_addr *ctx, bool connects)
{
	struct cc_choice choice = cc_asked6(ctx);
	const int verdict = cc_sock_translate(ctx, &choice, connects);

	cc_answer6(ctx, &choice);
	return verdict;
}

CC_INLINE int cc_back4(struct bpf_sock_addr *ctx)
{
	struct cc_choice choice = cc_asked4(ctx);

	cc_sock_restore(ctx, &choice);
	cc_answer4(ctx, &choice);
	return CC_SOCK_GO_ON;
}

CC_INLINE int cc_back6(struct bpf_sock_addr *ctx)
{
	struct cc_choice choice = cc_asked6(ctx);

	cc_sock_restore(ctx, &choice);
	cc_answer6(ctx, &choice);
	return CC_SOCK_GO_ON;
}

CC_PROGRAM("cgroup/connect4")
int cc_connect4(struct bpf_sock_addr *ctx) { return cc_out4(ctx, true); }

CC_PROGRAM("cgroup/connect6")
int cc_connect6(struct bpf_sock_addr *ctx) { return cc_out6(ctx, true); }

CC_PROGRAM("cgroup/sendmsg4")
int cc_sendmsg4(struct bpf_sock_addr *ctx) { return cc_out4(ctx, false); }

CC_PROGRAM("cgroup/sendmsg6")
int cc_sendmsg6(struct bpf_sock_addr *ctx) { return cc_out6(ctx, false); }

CC_PROGRAM("cgroup/recvmsg4")
int cc_recvmsg4(struct bpf_sock_addr *ctx) { return cc_back4(ctx); }

CC_PROGRAM("cgroup/recvmsg6")
int cc_recvmsg6(struct bpf_sock_addr *ctx) { return cc_back6(ctx); }

CC_PROGRAM("cgroup/getpeername4")
int cc_getpeername4(struct bpf_sock_addr *ctx) { return cc_back4(ctx); }

CC_PROGRAM("cgroup/getpeername6")
int cc_getpeername6(struct bpf_sock_addr *ctx) { return cc_back6(ctx); }

CC_LICENSE;
