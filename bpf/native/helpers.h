/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The helpers and declarations of bpf_helpers.h, for a process: the same names,
 * but functions of the model in world.h. Included by bpf/lib/cc.h only. */
#ifndef CILIUMCORE_BPF_NATIVE_HELPERS_H_
#define CILIUMCORE_BPF_NATIVE_HELPERS_H_

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>

/* libbpf exports functions of these names, and the linker would take ours for
 * them without a word. */
#define bpf_csum_diff cc_native_csum_diff
#define bpf_fib_lookup(...) cc_native_fib_lookup(__VA_ARGS__) /* also a struct's name */
#define bpf_jiffies64 cc_native_jiffies64
#define bpf_ktime_get_coarse_ns cc_native_ktime_get_coarse_ns
#define bpf_map_lookup_elem cc_native_map_lookup_elem
#define bpf_map_update_elem cc_native_map_update_elem
#define bpf_redirect cc_native_redirect
#define bpf_redirect_neigh cc_native_redirect_neigh
#define bpf_redirect_peer cc_native_redirect_peer
#define bpf_ringbuf_query cc_native_ringbuf_query
#define bpf_ringbuf_reserve cc_native_ringbuf_reserve
#define bpf_ringbuf_submit cc_native_ringbuf_submit
#define bpf_get_netns_cookie cc_native_get_netns_cookie
#define bpf_get_prandom_u32 cc_native_get_prandom_u32
#define bpf_set_retval cc_native_set_retval
#define bpf_skb_load_bytes cc_native_skb_load_bytes
#define bpf_skb_pull_data cc_native_skb_pull_data
#define bpf_skb_store_bytes cc_native_skb_store_bytes
#define bpf_xdp_adjust_head cc_native_xdp_adjust_head
#define bpf_xdp_adjust_tail cc_native_xdp_adjust_tail

#ifdef __cplusplus
extern "C" {
#endif

/* A map as a program declares it. Programs that declare the same name share the
 * map, as they do in the kernel when it is pinned by name. */
struct cc_native_map {
	const char *name;
	__u32 type, key_size, value_size, max_entries, flags;
	__u32 id; /* set by cc_native_register */
};

/* What a program sees as its context. [data, data_end) is the linear part,
 * [data, tail) the packet, in memory of malloc that whoever owns the packet frees. */
typedef struct cc_native_ctx {
	__u8 *data, *data_end, *tail;
	void *memory;
	__u32 ifindex, ingress_ifindex;
} cc_ctx;

void cc_native_register(struct cc_native_map *map);
const void *cc_native_config(void);

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
void *bpf_ringbuf_reserve(void *ringbuf, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *record, __u64 flags);
__u64 bpf_ringbuf_query(void *ringbuf, __u64 what);
__u64 bpf_jiffies64(void);
__u64 bpf_ktime_get_coarse_ns(void);
__s64 bpf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size,
		    __u32 seed);
long bpf_fib_lookup(cc_ctx *ctx, struct bpf_fib_lookup *params, int size, __u32 flags);
long bpf_redirect(__u32 ifindex, __u64 flags);
long bpf_redirect_peer(__u32 ifindex, __u64 flags);
long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *params, int size, __u64 flags);
__u64 bpf_get_netns_cookie(void *ctx);
__u32 bpf_get_prandom_u32(void);
int bpf_set_retval(int value);
/* The value of a socket, by its pointer. */
void *cc_native_sock_of(void *map, const void *sk, bool create);
long bpf_skb_load_bytes(const cc_ctx *ctx, __u32 offset, void *to, __u32 bytes);
long bpf_skb_store_bytes(cc_ctx *ctx, __u32 offset, const void *from, __u32 bytes, __u64 flags);
long bpf_skb_pull_data(cc_ctx *ctx, __u32 bytes);
long bpf_xdp_adjust_head(cc_ctx *ctx, int delta);
long bpf_xdp_adjust_tail(cc_ctx *ctx, int delta);

#ifdef __cplusplus
}
#endif

static inline void *ctx_data(const cc_ctx *ctx) { return ctx->data; }
static inline void *ctx_data_end(const cc_ctx *ctx) { return ctx->data_end; }
static inline __u32 ctx_len(const cc_ctx *ctx) { return (__u32)(ctx->tail - ctx->data); }
static inline __u32 ctx_ifindex(const cc_ctx *ctx) { return ctx->ifindex; }
static inline __u32 ctx_ingress_ifindex(const cc_ctx *ctx) { return ctx->ingress_ifindex; }

#define CC_MAP(name_, kind, key_type, value_type, entries, flags_)                                \
	static struct {                                                                           \
		struct cc_native_map map;                                                         \
		key_type *key;                                                                    \
		value_type *value;                                                                \
	} name_ = { { #name_, BPF_MAP_TYPE_##kind, sizeof(key_type), sizeof(value_type), entries, \
		      flags_, 0 },                                                                \
		    NULL,                                                                         \
		    NULL };                                                                       \
	__attribute__((constructor)) static void name_##_register(void)                           \
	{                                                                                         \
		cc_native_register(&name_.map);                                                   \
	}                                                                                         \
	struct cc_native_map
#define CC_RINGBUF(name_, bytes)                                                                 \
	static struct cc_native_map name_ = { #name_, BPF_MAP_TYPE_RINGBUF, 0, 0, bytes, 0, 0 }; \
	__attribute__((constructor)) static void name_##_register(void)                          \
	{                                                                                        \
		cc_native_register(&name_);                                                      \
	}                                                                                        \
	struct cc_native_map
#define CC_SK_STORAGE(name_, value_type)                                                           \
	static struct {                                                                            \
		struct cc_native_map map;                                                          \
		value_type *value;                                                                 \
	} name_ = { { #name_, BPF_MAP_TYPE_SK_STORAGE, sizeof(void *), sizeof(value_type), ~0u, 0, \
		      0 },                                                                         \
		    NULL };                                                                        \
	__attribute__((constructor)) static void name_##_register(void)                            \
	{                                                                                          \
		cc_native_register(&name_.map);                                                    \
	}                                                                                          \
	struct cc_native_map
#define cc_sock_of(map_, ctx_, create_) \
	((typeof((map_)->value))cc_native_sock_of((map_), (ctx_)->sk, create_))
#define CC_CONFIG(type)                                           \
	static inline const volatile type *cc_cfg(void)           \
	{                                                         \
		return (const volatile type *)cc_native_config(); \
	}
#define CC_PROGRAM(section)
#define CC_FUNCTION static __attribute__((unused))
#define CC_LICENSE struct cc_native_map

#endif /* CILIUMCORE_BPF_NATIVE_HELPERS_H_ */
