/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What differs between the kernel and a process, in one place. Everything else
 * in bpf/ is compiled for both without knowing. */
#ifndef CILIUMCORE_BPF_CC_H_
#define CILIUMCORE_BPF_CC_H_

#ifdef __bpf__

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* A file of XDP programs defines CC_XDP before it includes anything. */
#ifdef CC_XDP
typedef struct xdp_md cc_ctx;
#else
typedef struct __sk_buff cc_ctx;
#endif

#define CC_MAP(name, kind, key_type, value_type, entries, flags) \
	struct {                                                 \
		__uint(type, BPF_MAP_TYPE_##kind);               \
		__uint(max_entries, entries);                    \
		__uint(map_flags, flags);                        \
		__type(key, key_type);                           \
		__type(value, value_type);                       \
	} name SEC(".maps")
#define CC_RINGBUF(name, bytes)                     \
	struct {                                    \
		__uint(type, BPF_MAP_TYPE_RINGBUF); \
		__uint(max_entries, bytes);         \
	} name SEC(".maps")
/* Values that belong to sockets and end with them. */
#define CC_SK_STORAGE(name, value_type)                \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE); \
		__uint(map_flags, BPF_F_NO_PREALLOC);  \
		__type(key, int);                      \
		__type(value, value_type);             \
	} name SEC(".maps")
/* The value of the socket of a struct bpf_sock_addr; a new one, of zeros, if it has
 * none and `create`. */
#define cc_sock_of(map_, ctx_, create_)                                      \
	((typeof((map_)->value))bpf_sk_storage_get((map_), (ctx_)->sk, NULL, \
						   (create_) ? BPF_SK_STORAGE_GET_F_CREATE : 0))
/* The node's configuration: .rodata, so a constant to the verifier. */
#define CC_CONFIG(type)                                           \
	const volatile type cc_config_data SEC(".rodata.config"); \
	CC_INLINE const volatile type *cc_cfg(void) { return &cc_config_data; }
#define CC_PROGRAM(section) SEC(section)
/* A function that the verifier checks once, for any arguments, instead of once for
 * each state of each caller. Costs a call; arguments are scalars, the context, or
 * pointers that it must compare with NULL; results are scalars. */
#define CC_FUNCTION __attribute__((noinline))
#define CC_LICENSE char cc_license[] SEC("license") = "Dual BSD/GPL"

#else
#include "bpf/native/helpers.h"
#endif

#define CC_INLINE static inline __attribute__((always_inline))

/* Map calls with the types of the map's declaration. */
#define cc_lookup(map_, key_) \
	((typeof((map_)->value))bpf_map_lookup_elem((map_), 1 ? (key_) : (typeof((map_)->key))0))
#define cc_put(map_, key_, value_, flags_)                               \
	bpf_map_update_elem((map_), 1 ? (key_) : (typeof((map_)->key))0, \
			    1 ? (value_) : (typeof((map_)->value))0, flags_)

/* One load of an aligned word that another CPU may store at the same time. */
#define cc_load_once(pointer) (*(const volatile typeof(*(pointer)) *)(pointer))

/* Hides a value's origin, so that the compiler neither forks nor moves what is
 * computed from it and the verifier sees the bound that was just checked. */
#define cc_opaque(variable) asm volatile("" : "+r"(variable))

#endif /* CILIUMCORE_BPF_CC_H_ */
