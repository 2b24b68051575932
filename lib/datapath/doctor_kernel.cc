// SPDX-License-Identifier: Apache-2.0

// What only the kernel tells: its features, and what instances left.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ciliumcore/datapath/features.h"
#include "ciliumcore/datapath/inspect.h"
#include "lib/datapath/doctor_internal.h"

namespace ciliumcore::internal {
namespace {

// Of an instance that cannot be read. It may be at work all the same.
std::string RemedyOf(const absl::Status& why) {
  if (absl::IsPermissionDenied(why)) return "run as root";
  if (absl::IsFailedPrecondition(why))
    return "ask the ccore of the build that pinned it";
  return "";
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
                          RemedyOf(status.status())});
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

}  // namespace ciliumcore::internal
