// SPDX-License-Identifier: Apache-2.0

// Who else is where the datapath attaches, and which of the two decides.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/net/netlink.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/doctor_internal.h"
#include "lib/datapath/kernel_status_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

namespace ciliumcore::internal {
namespace {

// Since Linux 6.6; older headers lack the names.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

// A program, or another kind of filter, on a hook.
struct Station {
  std::string who;      // "program cil_from_lxc (12)"
  std::string where;    // "tcx ingress"
  std::string look;     // a command that shows it
  std::string program;  // of the library's own: "cc_from_endpoint"

  bool is_ours() const { return !program.empty(); }
};

// Nothing if it is gone meanwhile.
absl::StatusOr<std::optional<Station>> StationOf(uint32_t id) {
  const absl::StatusOr<KernelProgram> program = FindProgram(id);
  if (absl::IsNotFound(program.status())) return std::nullopt;
  if (!program.ok()) return program.status();
  const std::string& name = program->status.name;
  Station station = {.who = absl::StrCat("program ", name, " (", id, ")"),
                     .where = {},
                     .look = {},
                     .program = {}};
  if (absl::StartsWith(name, "cc_")) station.program = name;
  return station;
}

// Those on a hook, in the order in which they run. `flags`: how they are there.
absl::StatusOr<std::vector<Station>> StationsOn(int target,
                                                bpf_attach_type type,
                                                __u32* flags = nullptr) {
  std::vector<Station> stations;
  __u32 ids[64] = {}, count = std::size(ids), how = 0;
  if (bpf_prog_query(target, type, 0, &how, ids, &count) != 0) {
    if (errno == EINVAL) return stations;  // the kernel has no such hook
    return absl::ErrnoToStatus(errno, "asking who is on its hooks");
  }
  if (flags != nullptr) *flags = how;
  for (__u32 i = 0; i < count; ++i) {
    CC_ASSIGN_OR_RETURN(std::optional<Station> station, StationOf(ids[i]));
    if (station.has_value()) stations.push_back(*std::move(station));
  }
  return stations;
}

// And by filters, which packets come to behind tcx.
absl::StatusOr<std::vector<Station>> StationsOn(
    const std::string& interface, int ifindex, bool is_egress,
    const std::vector<TrafficFilter>& filters) {
  const char* const hook = is_egress ? "egress" : "ingress";
  CC_ASSIGN_OR_RETURN(
      std::vector<Station> stations,
      StationsOn(ifindex, is_egress ? kTcxEgress : kTcxIngress));
  for (Station& station : stations) {
    station.where = absl::StrCat("tcx ", hook);
    station.look = absl::StrCat("bpftool net show dev ", interface);
  }
  for (const TrafficFilter& filter : filters) {
    if (filter.is_egress != is_egress) continue;
    std::optional<Station> station;
    if (filter.program != 0) {
      CC_ASSIGN_OR_RETURN(station, StationOf(filter.program));
    }
    if (!station.has_value()) {
      station.emplace();
      station->who = absl::StrCat("a filter of kind ", filter.kind);
    }
    station->where = absl::StrCat("tc ", hook, ", pref ", filter.priority);
    station->look = absl::StrCat("tc filter show dev ", interface, " ", hook);
    stations.push_back(*std::move(station));
  }
  return stations;
}

void TellUnasked(const std::string& subject, const absl::Status& why,
                 Findings& findings) {
  findings.push_back({Severity::kWarning, subject, std::string(why.message()),
                      absl::IsPermissionDenied(why) ? "run as root" : ""});
}

// Two of the library's own on one hook belong to two datapaths.
void LookForTwins(const std::string& subject, const std::string& where,
                  const std::vector<Station>& stations, Findings& findings) {
  std::map<std::string, int> counts;
  for (const Station& station : stations) {
    if (!station.is_ours()) continue;
    if (++counts[station.program] != 2) continue;
    findings.push_back(
        {Severity::kWarning, subject,
         absl::StrCat("two programs ", station.program, " are at ", where,
                      ": two datapaths have it, and the first one decides"),
         "ccore status; let one instance have it"});
  }
}

// What a stranger means depends on where the library's own program is.
void TellStrangers(const std::string& interface,
                   const std::vector<Station>& stations, Findings& findings) {
  const auto ours =
      std::find_if(stations.begin(), stations.end(),
                   [](const Station& station) { return station.is_ours(); });
  for (auto at = stations.begin(); at != stations.end(); ++at) {
    if (at->is_ours()) continue;
    // A classifier may show several parts of itself.
    if (at != stations.begin() && std::prev(at)->who == at->who &&
        std::prev(at)->where == at->where)
      continue;
    const char* const meaning =
        ours == stations.end()
            ? ": with a datapath too, the first of both would decide alone"
        : at < ours ? " in front of the datapath: only what it leaves to the "
                      "next is judged"
                    : " behind the datapath, which leaves nothing to the next: "
                      "no packet comes to it";
    findings.push_back(
        {Severity::kWarning, interface,
         absl::StrCat(at->who, " is at ", at->where, meaning),
         absl::StrCat(at->look,
                      "; take the interface out of what put it "
                      "there, or leave it out of the datapath")});
  }
}

// Those before tc: they see packets first, and hand on most.
void LookAtXdp(const std::string& interface, int ifindex, Findings& findings) {
  LIBBPF_OPTS(bpf_xdp_query_opts, attached);
  if (bpf_xdp_query(ifindex, 0, &attached) != 0) return;
  for (const __u32 id : std::set<__u32>{
           attached.drv_prog_id, attached.hw_prog_id, attached.skb_prog_id}) {
    if (id == 0) continue;
    const absl::StatusOr<std::optional<Station>> station = StationOf(id);
    if (!station.ok())
      return TellUnasked(interface, station.status(), findings);
    if (!station->has_value()) continue;
    findings.push_back(
        {Severity::kNote, interface,
         absl::StrCat((*station)->who,
                      " is at XDP: what it drops or redirects is not judged"),
         absl::StrCat("ip link show dev ", interface)});
  }
}

void LookAtInterface(const std::string& interface, Findings& findings) {
  const int ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (ifindex == 0) {
    findings.push_back({Severity::kWarning, interface,
                        "there is no such interface in this namespace", ""});
    return;
  }
  const LibbpfLog quiet;
  const size_t before = findings.size();
  absl::StatusOr<Netlink> netlink = Netlink::Open();
  const absl::StatusOr<std::vector<TrafficFilter>> filters =
      netlink.ok() ? netlink->Filters(interface) : netlink.status();
  if (!filters.ok()) return TellUnasked(interface, filters.status(), findings);
  LookAtXdp(interface, ifindex, findings);
  for (const bool is_egress : {false, true}) {
    const absl::StatusOr<std::vector<Station>> stations =
        StationsOn(interface, ifindex, is_egress, *filters);
    if (!stations.ok())
      return TellUnasked(interface, stations.status(), findings);
    TellStrangers(interface, *stations, findings);
    LookForTwins(interface, is_egress ? "tc egress" : "tc ingress", *stations,
                 findings);
  }
  if (findings.size() == before)
    findings.push_back(
        {Severity::kOk, interface, "no program of others is on it", ""});
}

void LookAtCgroup(const std::string& path, int cgroup, Findings& findings) {
  for (const auto& [type, hook] :
       {std::pair(BPF_CGROUP_INET4_CONNECT, "connect4"),
        std::pair(BPF_CGROUP_INET6_CONNECT, "connect6"),
        std::pair(BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"),
        std::pair(BPF_CGROUP_UDP6_SENDMSG, "sendmsg6")}) {
    __u32 flags = 0;
    const absl::StatusOr<std::vector<Station>> stations =
        StationsOn(cgroup, type, &flags);
    if (!stations.ok()) {
      return TellUnasked("cgroup", Annotate(stations.status(), path), findings);
    }
    const std::string where = absl::StrCat(hook, " of ", path);
    for (const Station& station : *stations) {
      if (station.is_ours()) continue;
      const char* const meaning =
          (flags & BPF_F_ALLOW_MULTI) != 0
              ? ": it too may change where sockets connect to"
          : (flags & BPF_F_ALLOW_OVERRIDE) != 0
              ? ", alone: services cannot be attached to this cgroup"
              : ", alone: services cannot be attached to this cgroup, nor to "
                "any below it";
      findings.push_back(
          {Severity::kWarning, "cgroup",
           absl::StrCat(station.who, " is at ", where, meaning),
           absl::StrCat("bpftool cgroup show ", path,
                        "; give the datapath a cgroup that its owner has "
                        "not")});
    }
    LookForTwins("cgroup", where, *stations, findings);
  }
}

// The directory of a cgroup by its number, in a hierarchy; empty if there is
// none.
std::string CgroupPath(const std::string& mount, uint64_t number) {
  const auto is_it = [number](const std::string& path) {
    struct stat info = {};
    return stat(path.c_str(), &info) == 0 && info.st_ino == number;
  };
  if (is_it(mount)) return mount;
  std::error_code error;
  constexpr auto kSkip =
      std::filesystem::directory_options::skip_permission_denied;
  for (std::filesystem::recursive_directory_iterator at(mount, kSkip, error),
       end;
       !error && at != end; at.increment(error)) {
    if (at->is_directory(error) && is_it(at->path().string()))
      return at->path().string();
  }
  return "";
}

// The cgroups and all above them: programs of those run too.
void LookAtCgroups(const DoctorOptions& options,
                   const std::set<uint64_t>& of_instances, Findings& findings) {
  const std::vector<std::string> mounts = MountsOf(options.proc, "cgroup2");
  std::set<std::string> wanted;
  if (!options.cgroup.empty()) wanted.insert(options.cgroup);
  if (wanted.empty() && !mounts.empty()) wanted.insert(mounts.front());
  for (const uint64_t number : of_instances) {
    const std::string path =
        mounts.empty() ? "" : CgroupPath(mounts.front(), number);
    if (!path.empty()) wanted.insert(path);
  }
  std::set<std::string> seen;
  for (std::string path : wanted) {
    while (!path.empty() && seen.insert(path).second) {
      const UniqueFd cgroup(
          open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (cgroup.get() < 0) {
        findings.push_back({Severity::kWarning, "cgroup",
                            absl::StrCat(path, " cannot be opened"), ""});
        break;
      }
      struct statfs system = {};
      if (fstatfs(cgroup.get(), &system) != 0 ||
          static_cast<unsigned long>(system.f_type) != CGROUP2_SUPER_MAGIC) {
        if (wanted.contains(path)) {
          findings.push_back({Severity::kWarning, "cgroup",
                              absl::StrCat(path, " is no cgroup of version 2"),
                              ""});
        }
        break;
      }
      LookAtCgroup(path, cgroup.get(), findings);
      // Up to where the hierarchy is mounted.
      if (std::find(mounts.begin(), mounts.end(), path) != mounts.end()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
}

}  // namespace

void LookAtHooks(const DoctorOptions& options, Findings& findings) {
  std::set<std::string> interfaces(options.interfaces.begin(),
                                   options.interfaces.end());
  std::set<uint64_t> cgroups;
  const auto names = ListInstances(options.bpffs);
  for (const std::string& name :
       names.ok() ? *names : std::vector<std::string>()) {
    const auto status = InspectInstance({.name = name, .bpffs = options.bpffs});
    if (!status.ok()) continue;
    size_t unseen = 0;
    for (const EndpointStatus& endpoint : status->endpoints) {
      if (!endpoint.interface.empty()) {
        interfaces.insert(endpoint.interface);
      } else {
        ++unseen;
      }
    }
    for (const LinkStatus& link : status->links) {
      if (link.kind == LinkKind::kCgroup && !link.is_stale)
        cgroups.insert(link.cgroup);
    }
    if (unseen == 0) continue;
    findings.push_back(
        {Severity::kNote, absl::StrCat("instance ", name),
         absl::StrCat(unseen,
                      " of its endpoints have no interface in this namespace: "
                      "what else is on those was not looked at"),
         "run it in theirs: nsenter --net=PATH ccore doctor"});
  }
  for (const std::string& interface : interfaces)
    LookAtInterface(interface, findings);
  LookAtCgroups(options, cgroups, findings);
}

}  // namespace ciliumcore::internal
