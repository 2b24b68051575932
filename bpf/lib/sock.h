/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A socket and the services it speaks to. */
#ifndef CILIUMCORE_BPF_SOCK_H_
#define CILIUMCORE_BPF_SOCK_H_

#include "bpf/lib/events.h"
#include "bpf/lib/metrics.h"
#include "bpf/lib/service.h"

/* Written and read here; ends with the socket. */
CC_SK_STORAGE(cc_socks, struct cc_sock);

/* What the program returns. */
enum cc_sock_verdict {
	CC_SOCK_REFUSE = 0,
	CC_SOCK_GO_ON = 1,
};

#define CC_SOCK_ECONNREFUSED 111
#define CC_SOCK_ENOMEM 12

CC_INLINE bool cc_is_frontend(const struct cc_sock_service *known, const struct cc_addr *addr,
			      __be16 port)
{
	return known->frontend_port == port && cc_addr_equal(&known->frontend, addr);
}

/* What the socket knows of the frontend, or the entry to put that into. */
CC_INLINE struct cc_sock_service *cc_sock_entry(struct cc_sock *sock, const struct cc_addr *addr,
						__be16 port)
{
	__u32 at = sock->next % CC_SOCK_SERVICES;

	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++)
		if (cc_is_frontend(&sock->known[i], addr, port))
			at = i;
	if (at == sock->next % CC_SOCK_SERVICES)
		sock->next = at + 1;
	sock->last = at;
	return &sock->known[at];
}

/* Counts and tells that a frontend has no backend. */
CC_INLINE int cc_sock_refuse(const struct cc_choice *asked, __u32 epoch)
{
	const struct cc_packet p = { .dst = asked->addr,
				     .dport = asked->port,
				     .protocol = asked->protocol };
	const struct cc_told told = {
		.epoch = epoch,
		.kind = CC_EVENT_DROP,
		.reason = CC_REASON_NO_BACKEND,
		.direction = CC_EGRESS,
	};

	cc_count_shared(CC_EGRESS, CC_REASON_NO_BACKEND);
	if (cc_cfg()->emit_drops)
		cc_tell(0, &p, &told);
	bpf_set_retval(-CC_SOCK_ECONNREFUSED);
	return CC_SOCK_REFUSE;
}

/* Puts a backend in place of a frontend. An unconnected socket goes on with the
 * backend that it had: its datagrams to a service are one conversation. */
CC_INLINE int cc_sock_translate(struct bpf_sock_addr *ctx, struct cc_choice *choice, bool connects)
{
	const struct cc_choice asked = *choice;
	const __u32 epoch = cc_epoch();
	const __u32 index = cc_service_find(&asked);
	const struct cc_service *service = index ? cc_lookup(&cc_services, &index) : NULL;
	const __u64 target = service ? cc_service_target(service, epoch) : CC_SERVICE_NONE;

	if (!service || target == CC_SERVICE_NONE)
		return CC_SOCK_GO_ON;
	struct cc_sock *sock = cc_sock_of(&cc_socks, ctx, true);
	struct cc_sock_service *known = sock ? cc_sock_entry(sock, &asked.addr, asked.port) : NULL;

	if (!known) {
		bpf_set_retval(-CC_SOCK_ENOMEM);
		return CC_SOCK_REFUSE;
	}
	const bool goes_on = !connects && cc_is_frontend(known, &asked.addr, asked.port) &&
			     cc_choose_again(choice, known->index, known->born, index, epoch);

	if (!goes_on &&
	    (target == CC_SERVICE_EMPTY ||
	     !(service->affinity_ticks ? cc_choose_for(choice, service, index, target,
						       bpf_get_netns_cookie(ctx), epoch) :
					 cc_choose_any(choice, target))))
		return cc_sock_refuse(&asked, epoch);
	known->frontend = asked.addr;
	known->frontend_port = asked.port;
	known->backend = choice->addr;
	known->backend_port = choice->port;
	known->index = choice->index;
	known->born = choice->born;
	return CC_SOCK_GO_ON;
}

/* Puts the frontend in place of a backend that the socket got for it. */
CC_INLINE void cc_sock_restore(struct bpf_sock_addr *ctx, struct cc_choice *choice)
{
	const struct cc_sock *sock = cc_sock_of(&cc_socks, ctx, false);

	if (!sock)
		return;
	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++) {
		/* of two services with this backend, the one that it spoke to last */
		const struct cc_sock_service *known =
			&sock->known[(sock->last + i) % CC_SOCK_SERVICES];

		if (!known->born || known->backend_port != choice->port ||
		    !cc_addr_equal(&known->backend, &choice->addr))
			continue;
		choice->addr = known->frontend;
		choice->port = known->frontend_port;
		return;
	}
}

#endif /* CILIUMCORE_BPF_SOCK_H_ */
