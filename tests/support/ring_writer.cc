// SPDX-License-Identifier: Apache-2.0

#include "tests/support/ring_writer.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::testing {
namespace {

bpf_insn Code(int code, int to, int from, int offset, int value) {
  return {.code = static_cast<__u8>(code),
          .dst_reg = static_cast<__u8>(to & 0xf),
          .src_reg = static_cast<__u8>(from & 0xf),
          .off = static_cast<__s16>(offset),
          .imm = value};
}

// The record goes byte by byte to the stack, and from there to the ring.
std::vector<bpf_insn> ProgramFor(int ring, absl::Span<const std::byte> record) {
  const int size = static_cast<int>(record.size());
  std::vector<bpf_insn> program;
  for (int i = 0; i < size; ++i) {
    program.push_back(Code(BPF_ST | BPF_MEM | BPF_B, BPF_REG_10, 0, i - size,
                           std::to_integer<int>(record[i])));
  }
  for (const bpf_insn& step :
       {Code(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, ring),
        Code(0, 0, 0, 0, 0),  // of two
        Code(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
        Code(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -size),
        Code(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, size),
        Code(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0),
        Code(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
        Code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)}) {
    program.push_back(step);
  }
  return program;
}

}  // namespace

void WriteToRing(const std::string& path, absl::Span<const std::byte> record) {
  const UniqueFd ring(bpf_obj_get(path.c_str()));
  ASSERT_GE(ring.get(), 0) << path << ": " << strerror(errno);
  const std::vector<bpf_insn> code = ProgramFor(ring.get(), record);
  LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
  const UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "test_writer",
                                       "GPL", code.data(), code.size(),
                                       &options));
  ASSERT_GE(program.get(), 0) << strerror(errno);
  LIBBPF_OPTS(bpf_test_run_opts, run);
  ASSERT_EQ(bpf_prog_test_run_opts(program.get(), &run), 0) << strerror(errno);
  ASSERT_EQ(run.retval, 0u) << "the ring is full";
}

}  // namespace ciliumcore::testing
