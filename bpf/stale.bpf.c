/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* UDP sockets that are connected to backends that have gone would go on to speak to
 * nobody. Both programs are shown all sockets of a network namespace:
 *
 *   cc_doubt           writes a cc_doubtful for those whose backend has not the number
 *                      any more that it had
 *   cc_end_doomed      ends those that are in cc_doomed, and writes a byte for each
 *
 * An unconnected socket needs none of this: its next datagram finds another backend. */
#include "bpf/lib/service.h"
#include "bpf/lib/sock.h"

/* Of the kernel's own, what is read here; libbpf finds where it is. */
#define CC_RELOCATED __attribute__((preserve_access_index))

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CC_RELOCATED;

struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
} CC_RELOCATED;

struct sock {
	struct sock_common __sk_common;
} CC_RELOCATED;

struct udp_sock;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} CC_RELOCATED;

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

#define CC_SK_ESTABLISHED 1 /* TCP_ESTABLISHED: of a UDP socket, connected */
#define CC_AF_INET 2

/* Cookies of those that are to end. */
CC_MAP(cc_doomed, HASH, __u64, __u8, 65536, BPF_F_NO_PREALLOC);

/* Whether it is connected to that backend: it may have left the service since. */
CC_INLINE bool cc_sock_speaks_to(const struct sock_common *sk, const struct cc_sock_service *known)
{
	const __be32 *words = sk->skc_v6_daddr.in6_u.u6_addr32;
	const struct cc_addr v6 = { { words[0], words[1], words[2], words[3] } };
	const struct cc_addr peer = sk->skc_family == CC_AF_INET ? cc_addr_v4(sk->skc_daddr) : v6;

	return known->frontend_port && sk->skc_dport == known->backend_port &&
	       cc_addr_equal(&peer, &known->backend);
}

/* Whether the backend is where it was, at that number. */
CC_INLINE bool cc_sock_is_sure(const struct cc_sock_service *known, __u32 service, __u32 epoch)
{
	struct cc_choice choice = { .addr = known->frontend, .port = known->frontend_port };

	return cc_sock_go_on(&choice, known, service, epoch);
}

CC_INLINE struct sock_common *cc_connected(struct udp_sock *udp)
{
	struct sock_common *const sk = udp ? &((struct sock *)udp)->__sk_common : NULL;

	return sk && sk->skc_state == CC_SK_ESTABLISHED ? sk : NULL;
}

CC_PROGRAM("iter/udp")
int cc_doubt(struct bpf_iter__udp *ctx)
{
	struct udp_sock *const udp = ctx->udp_sk;
	struct sock_common *const sk = cc_connected(udp);
	const __u32 zero = 0;
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	if (!udp || !sk || !state)
		return 0;
	const struct cc_sock *sock = bpf_sk_storage_get(&cc_socks, udp, 0, 0);

	if (!sock)
		return 0;
	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++)
		if (cc_sock_speaks_to(sk, &sock->known[i]) &&
		    cc_sock_is_sure(&sock->known[i], sock->service[i], cc_load_once(&state->epoch)))
			return 0;
	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++) {
		const struct cc_sock_service *known = &sock->known[i];

		if (!cc_sock_speaks_to(sk, known))
			continue;
		const struct cc_doubtful doubtful = {
			.cookie = bpf_get_socket_cookie(udp),
			.frontend = known->frontend,
			.backend = known->backend,
			.frontend_port = known->frontend_port,
			.backend_port = known->backend_port,
		};

		bpf_seq_write(ctx->meta->seq, &doubtful, sizeof(doubtful));
	}
	return 0;
}

CC_PROGRAM("iter/udp")
int cc_end_doomed(struct bpf_iter__udp *ctx)
{
	struct udp_sock *const udp = ctx->udp_sk;
	const char one = 1;

	if (!udp || !cc_connected(udp))
		return 0;
	const __u64 cookie = bpf_get_socket_cookie(udp);

	if (cc_lookup(&cc_doomed, &cookie) && !bpf_sock_destroy((struct sock_common *)udp))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

CC_LICENSE;
