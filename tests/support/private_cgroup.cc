// SPDX-License-Identifier: Apache-2.0

#include "tests/support/private_cgroup.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ciliumcore::testing {
namespace {

// Where the hierarchy of version 2 is mounted; empty if it is nowhere.
std::string MountedCgroup2() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string source, target, type;
    words >> source >> target >> type;
    if (type == "cgroup2") return target;
  }
  return "";
}

// The process's own cgroup in it: "0::/path".
std::string OwnCgroup() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  }
  return "";
}

bool MoveTo(const std::string& cgroup) {
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << getpid() << std::flush;
  return procs.good();
}

}  // namespace

std::unique_ptr<PrivateCgroup> PrivateCgroup::EnterOrNull() {
  std::string root = MountedCgroup2();
  if (root.empty()) {
    char directory[] = "/tmp/cgroup-XXXXXX";
    if (mkdtemp(directory) == nullptr ||
        mount("none", directory, "cgroup2", 0, nullptr) != 0) {
      return nullptr;
    }
    root = directory;
  }
  std::string home = root + OwnCgroup();
  const std::string path = root + "/ciliumcore-" + std::to_string(getpid());
  if (mkdir(path.c_str(), 0755) != 0 && access(path.c_str(), F_OK) != 0)
    return nullptr;
  std::unique_ptr<PrivateCgroup> entered(
      new PrivateCgroup(std::move(home), path));
  return MoveTo(path) ? std::move(entered) : nullptr;
}

PrivateCgroup::~PrivateCgroup() {
  Leave();
  rmdir(path_.c_str());
}

void PrivateCgroup::Leave() { MoveTo(home_); }

}  // namespace ciliumcore::testing
