// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace ciliumcore::ccore {
namespace {

absl::Status Errno(const std::string& what) {
  return absl::ErrnoToStatus(errno, what);
}

std::string ReadAll(int fd) {
  std::string all;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) all.append(buffer, got);
  return all;
}

// Runs `ip -batch -` in the calling thread's namespace, with `input`.
absl::Status RunIpBatch(const std::string& input) {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0) return Errno("pipe");
  UniqueFd in_read(to_child[0]), in_write(to_child[1]);
  if (pipe2(from_child, O_CLOEXEC) != 0) return Errno("pipe");
  UniqueFd out_read(from_child[0]), out_write(from_child[1]);
  const pid_t child = fork();
  if (child < 0) return Errno("fork");
  if (child == 0) {
    dup2(in_read.get(), STDIN_FILENO);
    dup2(out_write.get(), STDERR_FILENO);
    execlp("ip", "ip", "-batch", "-", nullptr);
    const char text[] = "ip(8) was not found; install iproute2\n";
    [[maybe_unused]] const ssize_t told =
        write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(127);
  }
  out_write = UniqueFd();
  in_read = UniqueFd();
  // ip reads all of its input before a pipe is full of answers: it gives none
  // but errors.
  const ssize_t sent = write(in_write.get(), input.data(), input.size());
  in_write = UniqueFd();
  const std::string said = ReadAll(out_read.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (sent == static_cast<ssize_t>(input.size()) && WIFEXITED(status) &&
      WEXITSTATUS(status) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat(
      "ip: ",
      absl::StrReplaceAll(absl::StripSuffix(said, "\n"), {{"\n", "; "}})));
}

}  // namespace

absl::StatusOr<Netns> Netns::Create() {
  UniqueFd fd;
  absl::Status made;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      made = Errno("creating a network namespace (are you root?)");
      return;
    }
    fd = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) made = Errno("/proc/thread-self/ns/net");
  }).join();
  if (!made.ok()) return made;
  Netns netns(std::move(fd));
  if (absl::Status up = netns.Ip({"link set lo up"}); !up.ok()) return up;
  return netns;
}

std::string Netns::path() const {
  return absl::StrCat("/proc/", getpid(), "/fd/", fd());
}

absl::Status Netns::Run(const std::function<absl::Status()>& work) const {
  absl::Status result;
  std::thread([&] {
    result = setns(fd(), CLONE_NEWNET) == 0
                 ? work()
                 : Errno("entering a network namespace");
  }).join();
  return result;
}

absl::Status Netns::Ip(const std::vector<std::string>& commands) const {
  const std::string input = absl::StrCat(absl::StrJoin(commands, "\n"), "\n");
  return Run([&] { return RunIpBatch(input); });
}

absl::Status Netns::Sysctl(const std::string& name,
                           const std::string& value) const {
  return Run([&]() -> absl::Status {
    const std::string path = absl::StrCat("/proc/sys/", name);
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || write(file.get(), value.data(), value.size()) < 0) {
      return Errno(path);
    }
    return absl::OkStatus();
  });
}

}  // namespace ciliumcore::ccore
