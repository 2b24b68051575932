/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which backend a client of a frontend gets, at an epoch. */
#ifndef CILIUMCORE_BPF_SERVICE_H_
#define CILIUMCORE_BPF_SERVICE_H_

#include "bpf/lib/packet.h"
#include "bpf/lib/state.h"
#include "ciliumcore/abi/service.h"

/* Written by user space, read here. */
CC_MAP(cc_frontends, ARRAY, __u32, struct cc_service_heads, 8192, BPF_F_MMAPABLE);
CC_MAP(cc_services, ARRAY, __u32, struct cc_service, 73728, BPF_F_MMAPABLE);
CC_MAP(cc_maglev, ARRAY, __u32, struct cc_service_slots, 1048576, BPF_F_MMAPABLE);
CC_MAP(cc_backends, ARRAY, __u32, struct cc_backend, 524288, BPF_F_MMAPABLE);
/* Written and read here. */
CC_MAP(cc_affinity, LRU_HASH, struct cc_affinity_key, struct cc_affinity, 65536, 0);

/* What a client asks for, and what it gets. */
struct cc_choice {
	struct cc_addr addr; /* of the frontend, then of the backend */
	__be16 port;
	__u8 protocol;
	__u32 index, born; /* of the backend */
};

/* The index of the service of that frontend, 0 if none. */
CC_INLINE __u32 cc_service_find(const struct cc_choice *asked)
{
	const __u32 zero = 0;
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	if (!state)
		return 0;
	const __u32 hash =
		cc_service_hash(&asked->addr, asked->port, asked->protocol, state->addr_seed);
	const __u32 line = hash / CC_SERVICE_HEADS & state->service_mask;
	const struct cc_service_heads *heads = cc_lookup(&cc_frontends, &line);

	if (!heads)
		return 0;
	__u32 at = cc_load_once(&heads->service[hash % CC_SERVICE_HEADS]);

	for (int i = 0; i < CC_SERVICE_CHAIN && at; i++) {
		const struct cc_service *service = cc_lookup(&cc_services, &at);

		if (!service)
			break;
		if (service->port == asked->port && service->protocol == asked->protocol &&
		    cc_addr_equal(&service->addr, &asked->addr))
			return at;
		at = cc_load_once(&service->next);
	}
	return 0;
}

/* What the service stands for at `epoch`. */
CC_INLINE __u64 cc_service_target(const struct cc_service *service, __u32 epoch)
{
	const __u16 which = cc_switch_pick(cc_load_once(&service->which), epoch);
	const __u64 *target = which == 0 ? &service->target[0] :
			      which == 1 ? &service->target[1] :
					   &service->target[2];

	return cc_load_once(target);
}

/* Puts the backend at `index` into `choice`. */
CC_INLINE bool cc_choose(struct cc_choice *choice, __u32 index)
{
	const struct cc_backend *backend = cc_lookup(&cc_backends, &index);

	if (!backend)
		return false;
	choice->addr = backend->addr;
	choice->port = backend->port;
	choice->index = index;
	choice->born = backend->born;
	return true;
}

/* The same of one that is remembered from an earlier epoch, if it is still there
 * and of `service`. Between the two looks at `born` nobody else moved in. */
CC_INLINE bool cc_choose_again(struct cc_choice *choice, __u32 index, __u32 born, __u32 service,
			       __u32 epoch)
{
	const struct cc_backend *backend = cc_lookup(&cc_backends, &index);

	if (!born || !backend || cc_load_once(&backend->born) != born)
		return false;
	const __u32 until = cc_load_once(&backend->until);

	if (backend->service != service || (until && (__s32)(epoch - until) >= 0))
		return false;
	const struct cc_choice before = *choice;

	choice->addr = backend->addr;
	choice->port = backend->port;
	choice->index = index;
	choice->born = born;
	if (cc_load_once(&backend->born) == born)
		return true;
	*choice = before;
	return false;
}

/* A backend by the Maglev table, at random. */
CC_INLINE bool cc_choose_any(struct cc_choice *choice, __u64 target)
{
	const __u32 size = target >> 23 & 0x1ffff;
	const __u32 backends = target & (CC_SERVICE_MAX_BACKENDS - 1);

	if (size == 1)
		return cc_choose(choice, backends);
	const __u32 slot = (__u64)bpf_get_prandom_u32() * size >> 32;
	const __u32 line = (__u32)(target >> 40) + slot / CC_SERVICE_SLOTS;
	const struct cc_service_slots *slots = cc_lookup(&cc_maglev, &line);

	return slots &&
	       cc_choose(choice, backends + cc_load_once(&slots->backend[slot % CC_SERVICE_SLOTS]));
}

/* The same, but the one that `client` had if it came back in time. */
CC_INLINE bool cc_choose_for(struct cc_choice *choice, const struct cc_service *service,
			     __u32 index, __u64 target, __u64 client, __u32 epoch)
{
	const struct cc_affinity_key key = { .client = client, .service = index };
	const __u32 life = service->affinity_ticks, now = cc_now();
	struct cc_affinity *had = cc_lookup(&cc_affinity, &key);

	if (had && (__s32)(now - cc_load_once(&had->seen)) <= (__s32)life &&
	    cc_choose_again(choice, cc_load_once(&had->backend), cc_load_once(&had->born), index,
			    epoch)) {
		if (had->seen != now)
			had->seen = now;
		return true;
	}
	if (!cc_choose_any(choice, target))
		return false;
	const struct cc_affinity has = { .backend = choice->index,
					 .born = choice->born,
					 .seen = now };

	/* a table that takes no more forgets: the client is served all the same */
	cc_put(&cc_affinity, &key, &has, BPF_ANY);
	return true;
}

#endif /* CILIUMCORE_BPF_SERVICE_H_ */
