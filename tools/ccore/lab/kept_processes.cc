// SPDX-License-Identifier: Apache-2.0

// The processes of a lab that was kept: how they serve, and how they end.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/net/cgroup.h"
#include "tools/ccore/lab/kept.h"
#include "tools/ccore/lab/sockets.h"

extern char** environ;

namespace ciliumcore::ccore {
namespace {

// "PID REVISION" of who serves, and what it has to say.
constexpr char kServing[] = "serving";
constexpr char kServingLog[] = "serving.log";

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kLook = absl::Milliseconds(20);

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  DIR* open_directory = opendir(directory.c_str());
  if (open_directory == nullptr) return names;
  while (const dirent* entry = readdir(open_directory)) {
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  closedir(open_directory);
  return names;
}

// Whether the process is still the one that serves this lab.
bool Serves(int pid, const std::string& lab) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/cmdline"));
  std::ostringstream text;
  text << file.rdbuf();
  const std::string end("lab\0pods\0--name\0", 16);
  return absl::EndsWith(text.str(), end + lab + std::string(1, '\0'));
}

// `ccore lab pods`, as a session of its own that holds none of our files.
absl::StatusOr<int> Spawn(const KeptPlaces& places) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const std::string log = absl::StrCat(places.directory(), "/", kServingLog);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string words[] = {"ccore", "lab", "pods", "--name", places.lab()};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(),
                       words[3].data(), words[4].data(), nullptr};
  int pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &files, &attributes,
                                arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, "starting the pods");
  return pid;
}

// Serves what is listed from now on, and nothing else.
absl::Status Serve(const KeptPlaces& places, Listeners& listeners,
                   std::set<KeptListener>& served) {
  absl::StatusOr<KeptState> state = places.Read();
  if (!state.ok()) return state.status();
  const std::set<KeptListener> wanted(state->listeners.begin(),
                                      state->listeners.end());
  for (const KeptListener& listener : served) {
    if (!wanted.contains(listener))
      listeners.Remove(listener.address, listener.port);
  }
  for (const KeptListener& listener : wanted) {
    if (served.contains(listener)) continue;
    absl::StatusOr<NetNs> netns = NetNs::Open(places.netns(listener.role));
    if (!netns.ok()) return netns.status();
    absl::Status added = listeners.Add(
        {.netns = netns->fd(), .address = listener.address}, listener.port);
    if (!added.ok()) return Annotate(added, listener.role);
  }
  served = wanted;
  return places.WriteFile(kServing,
                          absl::StrCat(getpid(), " ", state->revision, "\n"));
}

}  // namespace

int KeptPlaces::ServingProcess(uint64_t* revision) const {
  absl::StatusOr<std::string> text = ReadFile(kServing);
  if (!text.ok()) return 0;
  int pid = 0;
  std::istringstream(*text) >> pid >> *revision;
  return pid > 0 && Serves(pid, lab_) ? pid : 0;
}

absl::Status KeptPlaces::ServeListeners(const KeptState& state) const {
  uint64_t revision = 0;
  int pid = ServingProcess(&revision);
  const bool is_ours = pid == 0;
  if (!is_ours) {
    kill(pid, SIGHUP);
  } else {
    absl::StatusOr<int> spawned = Spawn(*this);
    if (!spawned.ok()) return spawned.status();
    pid = *spawned;
  }
  const absl::Time end = absl::Now() + kPatience;
  const auto has_ended = [&] {
    return is_ours ? waitpid(pid, nullptr, WNOHANG) == pid : !Serves(pid, lab_);
  };
  while (absl::Now() < end && !has_ended()) {
    if (ServingProcess(&revision) == pid && revision == state.revision)
      return absl::OkStatus();
    absl::SleepFor(kLook);
  }
  return absl::UnavailableError(
      absl::StrCat("the pods of lab ", lab_,
                   " do not serve: ", ReadFile(kServingLog).value_or("")));
}

absl::Status RunListeners(const KeptPlaces& places) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // also in threads to come
  Listeners listeners;
  std::set<KeptListener> served;
  for (int signal = SIGHUP; signal == SIGHUP;) {
    absl::Status serving = Serve(places, listeners, served);
    if (!serving.ok()) return serving;
    while (sigwait(&signals, &signal) != 0) {
    }
  }
  return absl::OkStatus();
}

// Those in its cgroup, and who serves: where there are no cgroups, that is all.
absl::Status KeptPlaces::EndProcesses() const {
  uint64_t revision = 0;
  if (const int pid = ServingProcess(&revision); pid != 0) kill(pid, SIGKILL);
  absl::StatusOr<Cgroup> group = Cgroup::Keep(cgroup());
  if (!group.ok()) return absl::OkStatus();
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end;) {
    absl::StatusOr<std::vector<int>> processes = group->Processes();
    if (!processes.ok()) return processes.status();
    std::erase(*processes, getpid());
    for (const int pid : *processes) kill(pid, SIGKILL);
    // A process that ends is no longer listed, and still in the cgroup.
    absl::Status removed = group->Remove();
    if (!absl::IsFailedPrecondition(removed)) return removed;
    absl::SleepFor(kLook);
  }
  return group->Remove();
}

absl::Status KeptPlaces::Stop(const std::string& bpffs) const {
  const std::string prefix = absl::StrCat("cclab.", lab_, ".");
  std::vector<std::string> roles;
  for (const std::string& name : NamesIn("/run/netns")) {
    if (absl::StartsWith(name, prefix))
      roles.push_back(name.substr(prefix.size()));
  }
  const std::string pins = absl::StrCat(bpffs, "/ciliumcore/", instance());
  const bool is_pinned = access(pins.c_str(), F_OK) == 0;
  if (roles.empty() && !is_pinned && access(directory().c_str(), F_OK) != 0)
    return absl::NotFoundError(absl::StrCat("no lab ", lab_, " stands"));
  absl::Status result = EndProcesses();
  if (is_pinned) {
    result.Update(Datapath::Remove(
        {.name = instance(), .lifetime = Lifetime::kPinned, .bpffs = bpffs}));
  }
  for (const std::string& role : roles) ForgetNetNs(role);
  for (const std::string& name : NamesIn(directory()))
    unlink(absl::StrCat(directory(), "/", name).c_str());
  rmdir(directory().c_str());
  return result;
}

}  // namespace ciliumcore::ccore
