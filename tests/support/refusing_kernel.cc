// SPDX-License-Identifier: Apache-2.0

#include "tests/support/refusing_kernel.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <future>
#include <thread>

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kTcxIngress = 46, kTcxEgress = 47;

// Calls of bpf(2) go to a supervisor; the rest is as ever. Its descriptor.
int FilterThisThread() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program = {.len = 4, .filter = filter};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

// Answers one call. The caller waits: its attr is where it was, in this
// process.
void Answer(int supervisor, const Refusal& refusal) {
  seccomp_notif call = {};
  if (ioctl(supervisor, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  bpf_attr attr = {};
  std::memcpy(&attr, reinterpret_cast<const void*>(call.data.args[1]),
              std::min<size_t>(sizeof(attr), call.data.args[2]));
  seccomp_notif_resp answer = {};
  answer.id = call.id;
  answer.error = -refusal(static_cast<int>(call.data.args[0]), attr);
  if (answer.error == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ioctl(supervisor, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

bool HasInsn(int command, const bpf_attr& attr,
             const std::function<bool(const bpf_insn&)>& is) {
  if (command != BPF_PROG_LOAD) return false;
  const auto* insns = reinterpret_cast<const bpf_insn*>(attr.insns);
  return std::any_of(insns, insns + attr.insn_cnt, is);
}

}  // namespace

void OnKernelThatRefuses(const Refusal& refusal,
                         const std::function<void()>& body) {
  std::promise<int> listener;
  std::atomic<bool> done = false;
  std::thread thread([&] {
    const int supervisor = FilterThisThread();
    listener.set_value(supervisor);
    if (supervisor >= 0) body();
    done = true;
  });
  const int supervisor = listener.get_future().get();
  EXPECT_GE(supervisor, 0) << "seccomp: " << std::strerror(errno);
  while (supervisor >= 0 && !done) {
    pollfd ready = {.fd = supervisor, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 10) > 0 && (ready.revents & POLLIN) != 0) {
      Answer(supervisor, refusal);
    }
  }
  thread.join();
  close(supervisor);
}

int RefuseHelper(uint32_t helper, int command, const bpf_attr& attr) {
  const bool calls = HasInsn(command, attr, [helper](const bpf_insn& insn) {
    return insn.code == (BPF_JMP | BPF_CALL) && insn.src_reg == 0 &&
           insn.imm == static_cast<int>(helper);
  });
  return calls ? EINVAL : 0;
}

int RefuseAtomics(int command, const bpf_attr& attr) {
  const bool fetches = HasInsn(command, attr, [](const bpf_insn& insn) {
    return (insn.code & 0xe7) == (BPF_STX | BPF_ATOMIC) &&
           (insn.imm & BPF_FETCH) != 0;
  });
  return fetches ? EINVAL : 0;
}

int RefuseMapType(uint32_t type, int command, const bpf_attr& attr) {
  return command == BPF_MAP_CREATE && attr.map_type == type ? EINVAL : 0;
}

int RefuseTcx(int command, const bpf_attr& attr) {
  const auto is_tcx = [](uint32_t type) {
    return type == kTcxIngress || type == kTcxEgress;
  };
  if (command == BPF_LINK_CREATE && is_tcx(attr.link_create.attach_type))
    return EINVAL;
  if (command == BPF_PROG_QUERY && is_tcx(attr.query.attach_type))
    return EINVAL;
  return 0;
}

int RefuseBatches(int command, const bpf_attr&) {
  return command >= BPF_MAP_LOOKUP_BATCH && command <= BPF_MAP_DELETE_BATCH
             ? EINVAL
             : 0;
}

}  // namespace ciliumcore::testing
