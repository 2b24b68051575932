// SPDX-License-Identifier: Apache-2.0

// What only the kernel tells: its features, who is on which hook, and what
// instances left.

#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/features.h"
#include "ciliumcore/datapath/inspect.h"
#include "lib/datapath/doctor_internal.h"
#include "lib/datapath/instance_view_internal.h"
#include "lib/datapath/kernel_status_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

namespace ciliumcore::internal {
namespace {

// Since Linux 6.6; older headers lack the names.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

bool IsOurs(const std::string& program) {
  return absl::StartsWith(program, "cc_");
}

// The programs of others on a hook, told as "name (id)".
std::vector<std::string> Strangers(int target, bpf_attach_type type) {
  std::vector<std::string> names;
  __u32 ids[64] = {}, count = std::size(ids), flags = 0;
  if (bpf_prog_query(target, type, 0, &flags, ids, &count) != 0) return names;
  for (__u32 i = 0; i < count; ++i) {
    const absl::StatusOr<KernelProgram> program = FindProgram(ids[i]);
    if (program.ok() && !IsOurs(program->status.name))
      names.push_back(absl::StrCat(program->status.name, " (", ids[i], ")"));
  }
  return names;
}

void LookAtInterface(const std::string& interface, Findings& findings) {
  const unsigned ifindex = if_nametoindex(interface.c_str());
  if (ifindex == 0) {
    findings.push_back({Severity::kWarning, interface,
                        "there is no such interface in this namespace", ""});
    return;
  }
  const LibbpfLog quiet;
  bool alone = true;
  const auto tell = [&](const std::string& program, const char* hook,
                        std::string remedy) {
    alone = false;
    findings.push_back(
        {Severity::kWarning, interface,
         absl::StrCat("program ", program, " is at ", hook,
                      " too: what it drops or redirects is not judged"),
         std::move(remedy)});
  };
  for (const auto& [type, hook] : {std::pair(kTcxIngress, "tcx ingress"),
                                   std::pair(kTcxEgress, "tcx egress")}) {
    for (const std::string& program :
         Strangers(static_cast<int>(ifindex), type))
      tell(program, hook, absl::StrCat("bpftool net show dev ", interface));
  }
  // libbpf asks for one filter at a time: the usual places.
  for (const auto& [point, hook] : {std::pair(BPF_TC_INGRESS, "ingress"),
                                    std::pair(BPF_TC_EGRESS, "egress")}) {
    for (uint32_t priority = 1; priority <= 8; ++priority) {
      LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = static_cast<int>(ifindex),
                  .attach_point = point);
      LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 1, .priority = priority);
      if (bpf_tc_query(&at, &filter) != 0) continue;
      const absl::StatusOr<KernelProgram> program = FindProgram(filter.prog_id);
      if (!program.ok() || IsOurs(program->status.name)) continue;
      tell(absl::StrCat(program->status.name, " (", filter.prog_id, ")"),
           absl::StrCat("clsact ", hook).c_str(),
           absl::StrCat("tc filter del dev ", interface, " ", hook, " pref ",
                        priority));
    }
  }
  if (alone)
    findings.push_back(
        {Severity::kOk, interface, "no program of others is on it", ""});
}

void LookAtCgroups(const DoctorOptions& options, Findings& findings) {
  const std::vector<std::string> mounts = MountsOf(options.proc, "cgroup2");
  std::string path = options.cgroup;
  if (path.empty() && !mounts.empty()) path = mounts.front();
  while (!path.empty()) {
    const UniqueFd cgroup(
        open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (cgroup.get() < 0) {
      findings.push_back({Severity::kWarning, "cgroup",
                          absl::StrCat(path, " cannot be opened"), ""});
      return;
    }
    for (const auto& [type, hook] :
         {std::pair(BPF_CGROUP_INET4_CONNECT, "connect4"),
          std::pair(BPF_CGROUP_INET6_CONNECT, "connect6"),
          std::pair(BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"),
          std::pair(BPF_CGROUP_UDP6_SENDMSG, "sendmsg6")}) {
      for (const std::string& program : Strangers(cgroup.get(), type)) {
        findings.push_back(
            {Severity::kWarning, "cgroup",
             absl::StrCat("program ", program, " is at ", hook, " of ", path,
                          ": it too may change where sockets connect to"),
             absl::StrCat("bpftool cgroup show ", path)});
      }
    }
    // Up to where the hierarchy is mounted.
    for (const std::string& mount : mounts) {
      if (path == mount) return;
    }
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

}  // namespace

void LookAtFeatures(Findings& findings) {
  for (const KernelFeatureInfo& info : KernelFeatures()) {
    const absl::StatusOr<bool> has = HasKernelFeature(info.feature);
    const std::string name(info.name);
    if (!has.ok()) {
      findings.push_back({Severity::kError, "kernel",
                          std::string(has.status().message()), "run as root"});
      return;
    }
    if (*has) {
      findings.push_back({Severity::kOk, "kernel", name, ""});
      continue;
    }
    findings.push_back(
        {info.is_required ? Severity::kError : Severity::kNote, "kernel",
         absl::StrCat("lacks ", name, ", by which the datapath ", info.purpose,
                      info.is_required ? "" : "; it ", info.without),
         absl::StrCat("boot Linux ", info.since.major, ".", info.since.minor,
                      " or newer")});
  }
}

void LookAtInstances(const DoctorOptions& options, Findings& findings) {
  const absl::StatusOr<std::vector<std::string>> names =
      ListInstances(options.bpffs);
  if (!names.ok()) return;  // the mounts tell
  for (const std::string& name : *names) {
    const std::string subject = absl::StrCat("instance ", name);
    const std::string directory =
        absl::StrCat(options.bpffs, "/ciliumcore/", name);
    const absl::StatusOr<InstanceStatus> status =
        InspectInstance({.name = name, .bpffs = options.bpffs});
    if (!status.ok()) {
      findings.push_back({Severity::kWarning, subject,
                          std::string(status.status().message()),
                          absl::StrCat("rm -r ", directory)});
      continue;
    }
    if (status->writer.has_value()) {
      findings.push_back(
          {Severity::kOk, subject,
           absl::StrCat("process ", *status->writer, " writes it"), ""});
    } else {
      findings.push_back(
          {Severity::kNote, subject,
           absl::StrCat("no process writes it: its programs judge by "
                        "generation ",
                        status->generation),
           absl::StrCat("if nobody will come back: rm -r ", directory)});
    }
    if (status->lag != 0 || !status->is_one_build) {
      findings.push_back(
          {Severity::kWarning, subject,
           absl::StrCat("a take-over was interrupted: programs in force are ",
                        status->lag, " changes behind",
                        status->is_one_build ? "" : ", and of two builds"),
           "start its process again: the first commit puts all programs in "
           "place"});
    }
    for (const LinkStatus& link : status->links) {
      if (!link.is_stale) continue;
      findings.push_back({Severity::kWarning, subject,
                          absl::StrCat("the link ", link.pin,
                                       " is left of an interface or cgroup "
                                       "that is gone"),
                          absl::StrCat("rm ", link.pin)});
    }
    for (const MapStatus& map : status->maps) {
      // A map that evicts is full in good health.
      if (map.pressure().value_or(0) < 90 ||
          absl::StartsWith(map.type, "LRU") || map.room <= 1)
        continue;
      findings.push_back(
          {Severity::kWarning, subject,
           absl::StrFormat("%s is %.0f%% full: %d of %d", map.name,
                           *map.pressure(), *map.used, map.room),
           "open it with a larger DatapathCapacity"});
    }
    if (status->events_lost != 0) {
      findings.push_back(
          {Severity::kNote, subject,
           absl::StrCat(status->events_lost,
                        " events were lost since it was loaded: nobody reads "
                        "them, or too slowly"),
           ""});
    }
  }
}

void LookAtHooks(const DoctorOptions& options, Findings& findings) {
  std::set<std::string> interfaces(options.interfaces.begin(),
                                   options.interfaces.end());
  const auto names = ListInstances(options.bpffs);
  for (const std::string& name :
       names.ok() ? *names : std::vector<std::string>()) {
    const auto status = InspectInstance({.name = name, .bpffs = options.bpffs});
    if (!status.ok()) continue;
    for (const EndpointStatus& endpoint : status->endpoints) {
      if (!endpoint.interface.empty()) interfaces.insert(endpoint.interface);
    }
  }
  for (const std::string& interface : interfaces)
    LookAtInterface(interface, findings);
  LookAtCgroups(options, findings);
}

}  // namespace ciliumcore::internal
