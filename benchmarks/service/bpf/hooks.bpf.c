/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What connect() costs with a program that does nothing, and with one that
 * makes a single lookup in the kernel's hash. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct bench_frontend {
  __u32 addr[4];
  __u32 port, protocol;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1); /* as many as there are services */
  __type(key, struct bench_frontend);
  __type(value, __u64);
} bench_frontends SEC(".maps");

__u64 found; /* so that the lookup is not left out */

SEC("cgroup/connect4")
int bench_empty(struct bpf_sock_addr* ctx __attribute__((unused))) { return 1; }

SEC("cgroup/connect4") int bench_lookup(struct bpf_sock_addr* ctx) {
  const struct bench_frontend key = {
      .addr = {0, 0, 0xffff0000, ctx->user_ip4},
      .port = ctx->user_port,
      .protocol = ctx->protocol,
  };
  const __u64* value = bpf_map_lookup_elem(&bench_frontends, &key);

  if (value) found = *value;
  return 1;
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
