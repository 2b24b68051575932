// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kStates[] = "/run/ciliumcore/lab";
constexpr char kNetNs[] = "/run/netns";
constexpr char kStateFile[] = "state.json";
constexpr size_t kLongestName = 32;

absl::Status MakeDirectories(const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
      return absl::ErrnoToStatus(errno, part);
    if (at == std::string::npos) return absl::OkStatus();
  }
}

Json ToJson(const std::vector<IpAddress>& addresses) {
  Json list = Json::array();
  for (const IpAddress& address : addresses) list.push_back(address.ToString());
  return list;
}

// Our own file: what it does not parse as, throws.
std::vector<IpAddress> AddressesOf(const Json& list) {
  std::vector<IpAddress> addresses;
  for (const Json& text : list)
    addresses.push_back(IpAddress::Parse(text.get<std::string>()).value());
  return addresses;
}

Json ToJson(const KeptState& state) {
  Json out = {{"revision", state.revision},  {"bpffs", state.bpffs},
              {"podCidrs", state.pod_cidrs}, {"pods", Json::object()},
              {"services", Json::object()},  {"listeners", Json::array()},
              {"manifests", Json::array()}};
  for (const auto& [name, pod] : state.pods) {
    out["pods"][name] = {{"interface", pod.interface},
                         {"addresses", ToJson(pod.addresses)}};
  }
  for (const auto& [name, addresses] : state.services)
    out["services"][name] = ToJson(addresses);
  for (const KeptListener& listener : state.listeners) {
    out["listeners"].push_back({{"role", listener.role},
                                {"address", listener.address.ToString()},
                                {"port", listener.port.ToString()}});
  }
  for (const ManifestSource& source : state.manifests) {
    out["manifests"].push_back({{"name", source.name}, {"text", source.text}});
  }
  return out;
}

KeptState FromJson(const Json& json) {
  KeptState state;
  state.revision = json.at("revision").get<uint64_t>();
  state.bpffs = json.at("bpffs").get<std::string>();
  state.pod_cidrs = json.at("podCidrs").get<std::vector<std::string>>();
  for (const auto& [name, pod] : json.at("pods").items()) {
    state.pods[name] = {pod.at("interface").get<std::string>(),
                        AddressesOf(pod.at("addresses"))};
  }
  for (const auto& [name, addresses] : json.at("services").items())
    state.services[name] = AddressesOf(addresses);
  for (const Json& listener : json.at("listeners")) {
    state.listeners.push_back(
        {listener.at("role").get<std::string>(),
         IpAddress::Parse(listener.at("address").get<std::string>()).value(),
         PortProtocol::Parse(listener.at("port").get<std::string>()).value()});
  }
  for (const Json& source : json.at("manifests")) {
    state.manifests.push_back({source.at("name").get<std::string>(),
                               source.at("text").get<std::string>()});
  }
  return state;
}

}  // namespace

absl::StatusOr<KeptPlaces> KeptPlaces::Of(const std::string& lab) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (!lab.empty() && lab.size() <= kLongestName &&
      std::all_of(lab.begin(), lab.end(), fits)) {
    return KeptPlaces(lab);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("name of a lab: expected 1 to ", kLongestName,
                   " of a-z, 0-9 and '-', found \"", lab, "\""));
}

std::string KeptPlaces::directory() const {
  return absl::StrCat(kStates, "/", lab_);
}

std::string KeptPlaces::instance() const { return absl::StrCat("lab-", lab_); }

std::string KeptPlaces::cgroup() const {
  return absl::StrCat("ciliumcore-lab.", lab_);
}

std::string KeptPlaces::netns(const std::string& role) const {
  return absl::StrCat(kNetNs, "/cclab.", lab_, ".", role);
}

std::string KeptPlaces::RoleOf(const std::string& pod) {
  return absl::StrReplaceAll(pod, {{"/", "."}});
}

absl::StatusOr<UniqueFd> KeptPlaces::Lock() const {
  if (absl::Status made = MakeDirectories(directory()); !made.ok()) return made;
  UniqueFd lock(open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return absl::ErrnoToStatus(errno, directory());
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return absl::FailedPreconditionError(
      absl::StrCat("lab ", lab_, ": another process runs it"));
}

absl::StatusOr<std::string> KeptPlaces::ReadFile(
    const std::string& name) const {
  const std::string path = absl::StrCat(directory(), "/", name);
  errno = 0;
  std::ifstream file(path);
  if (!file.is_open()) {
    return absl::ErrnoToStatus(errno == 0 ? EIO : errno, path);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::Status KeptPlaces::WriteFile(const std::string& name,
                                   const std::string& text) const {
  const std::string path = absl::StrCat(directory(), "/", name);
  const std::string fresh = path + "+new";
  {
    std::ofstream file(fresh);
    file << text << std::flush;
    if (!file.good()) return absl::ErrnoToStatus(errno, fresh);
  }
  if (rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

absl::StatusOr<KeptState> KeptPlaces::Read() const {
  absl::StatusOr<std::string> text = ReadFile(kStateFile);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("no lab ", lab_, " stands"));
  }
  if (!text.ok()) return text.status();
  try {
    return FromJson(Json::parse(*text));
  } catch (const std::exception& error) {
    return absl::DataLossError(
        absl::StrCat(directory(), "/", kStateFile, ": ", error.what()));
  }
}

absl::Status KeptPlaces::Write(const KeptState& state) const {
  return WriteFile(kStateFile, ToJson(state).dump(2) + "\n");
}

absl::Status KeptPlaces::KeepNetNs(const NetNs& netns,
                                   const std::string& role) const {
  if (absl::Status made = MakeDirectories(kNetNs); !made.ok()) return made;
  const std::string path = this->netns(role);
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
  if (!file.valid()) return absl::ErrnoToStatus(errno, path);
  const std::string from = absl::StrCat("/proc/self/fd/", netns.fd());
  if (mount(from.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0)
    return absl::OkStatus();
  const int error = errno;
  unlink(path.c_str());
  return absl::ErrnoToStatus(error, path);
}

void KeptPlaces::ForgetNetNs(const std::string& role) const {
  const std::string path = netns(role);
  umount2(path.c_str(), MNT_DETACH);
  unlink(path.c_str());
}

}  // namespace ciliumcore::ccore
