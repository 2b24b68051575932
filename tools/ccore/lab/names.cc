// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab/names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ciliumcore::ccore {
namespace {

// Where the files are made, out of everybody else's sight.
constexpr char kScratch[] = "/tmp";

// Puts a file of that text in place of the one at `path`, which must be there.
absl::Status Cover(const std::string& path, const std::string& text) {
  const std::string made =
      absl::StrCat(kScratch, "/",
                   std::vector<std::string>(absl::StrSplit(path, '/')).back());
  std::ofstream file(made);
  file << text << std::flush;
  if (!file.good()) return absl::ErrnoToStatus(errno, made);
  if (mount(made.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

IpAddress AddressOf(const addrinfo& info) {
  if (info.ai_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(info.ai_addr);
    return IpAddress::FromV4(ntohl(v4->sin_addr.s_addr));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(info.ai_addr);
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
  return IpAddress::FromBytes(bytes);
}

std::set<IpAddress> ResolveHere(const std::string& name) {
  std::set<IpAddress> addresses;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return addresses;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    addresses.insert(AddressOf(*info));
  }
  freeaddrinfo(list);
  return addresses;
}

}  // namespace

Names NamesFor(const Cluster& cluster,
               const std::vector<ServiceOptions>& services,
               const std::string& ns) {
  std::map<std::string, std::set<IpAddress>> by_service;  // "ns/name"
  for (const ServiceOptions& service : services) {
    by_service[service.name.substr(0, service.name.find(':'))].insert(
        service.frontend.address);
  }
  for (const Service& service : cluster.services) {
    if (!service.is_headless || !service.selector.has_value()) continue;
    for (const Pod& pod : cluster.pods) {
      if (pod.ns != service.ns || !service.selector->Matches(pod.labels))
        continue;
      by_service[absl::StrCat(service.ns, "/", service.name)].insert(
          pod.addresses.begin(), pod.addresses.end());
    }
  }
  Names names;
  for (const auto& [service, addresses] : by_service) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(service, '/');
    const auto& [of, name] = parts;
    if (of == ns) names[name] = addresses;
    for (const char* suffix : {"", ".svc", ".svc.cluster.local"}) {
      names[absl::StrCat(name, ".", of, suffix)] = addresses;
    }
  }
  return names;
}

std::string HostsText(const Names& names) {
  std::string text = "127.0.0.1 localhost\n::1 localhost\n";
  for (const auto& [name, addresses] : names) {
    for (const IpAddress& address : addresses) {
      absl::StrAppend(&text, address.ToString(), " ", name, "\n");
    }
  }
  return text;
}

absl::Status UseHosts(const std::string& text) {
  if (unshare(CLONE_NEWNS) != 0)
    return absl::ErrnoToStatus(errno, "a mount namespace");
  // What is mounted from now on is the thread's alone; what others unmount goes
  // here too.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
      mount("names", kScratch, "tmpfs", 0, "mode=0755") != 0) {
    return absl::ErrnoToStatus(errno, "mounting a hosts file");
  }
  absl::Status covered = Cover("/etc/hosts", text);
  if (covered.ok() && access("/etc/nsswitch.conf", F_OK) == 0) {
    covered = Cover("/etc/nsswitch.conf",
                    "passwd: files\ngroup: files\nhosts: files\n");
  }
  umount2(kScratch, MNT_DETACH);
  return covered;
}

absl::StatusOr<Names> Resolve(const std::string& hosts_text,
                              const std::set<std::string>& names) {
  absl::StatusOr<Names> resolved = Names();
  std::thread([&] {
    if (absl::Status used = UseHosts(hosts_text); !used.ok()) {
      resolved = used;
      return;
    }
    for (const std::string& name : names) {
      (*resolved)[name] = ResolveHere(name);
    }
  }).join();
  return resolved;
}

}  // namespace ciliumcore::ccore
