// SPDX-License-Identifier: Apache-2.0
#include "tests/support/traced_child.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ciliumcore::testing {
namespace {

// No descriptor has this number: closing it does nothing.
constexpr int kMark = -47110815;

template <typename... Args>
long Ptrace(int request, Args... args) {
  return syscall(SYS_ptrace, static_cast<long>(request), args...);
}

// What `thread` begins; nothing at the end of a call.
bool BeginsCall(pid_t thread, SystemCall* call) {
  __ptrace_syscall_info info = {};
  if (Ptrace(PTRACE_GET_SYSCALL_INFO, static_cast<long>(thread), sizeof(info),
             &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY) {
    return false;
  }
  call->number = static_cast<long>(info.entry.nr);
  std::copy(std::begin(info.entry.args), std::end(info.entry.args), call->args);
  return true;
}

}  // namespace

void MarkTraced() { syscall(SYS_close, kMark); }

TracedEnd RunTraced(const std::function<int()>& work,
                    const std::function<bool(const SystemCall&)>& watch) {
  const pid_t child = fork();
  if (child == 0) {
    Ptrace(PTRACE_TRACEME, 0L, 0L, 0L);
    raise(SIGSTOP);
    _exit(work());
  }
  TracedEnd end;
  bool is_marked = false;
  int status = 0;
  waitpid(child, &status, 0);
  Ptrace(PTRACE_SETOPTIONS, static_cast<long>(child), 0L,
         static_cast<long>(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                           PTRACE_O_EXITKILL));
  Ptrace(PTRACE_SYSCALL, static_cast<long>(child), 0L, 0L);
  for (;;) {
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      return end;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != child) continue;
      if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
      return end;
    }
    long signal = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      SystemCall call;
      if (BeginsCall(thread, &call)) {
        if (is_marked && !end.killed && !watch(call)) {
          end.killed = true;
          kill(child, SIGKILL);
          continue;
        }
        is_marked = is_marked || (call.number == SYS_close &&
                                  static_cast<int>(call.args[0]) == kMark);
      }
    } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
      signal = WSTOPSIG(status);
    }
    Ptrace(PTRACE_SYSCALL, static_cast<long>(thread), 0L, signal);
  }
}

}  // namespace ciliumcore::testing
