// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/bpf_objects_internal.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

namespace ciliumcore::internal {

namespace {

absl::StatusOr<UniqueFd> Copy(int fd, absl::string_view what) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0) return absl::ErrnoToStatus(errno, what);
  return copy;
}

absl::StatusOr<UniqueFd> GetPinned(const std::string& path) {
  UniqueFd fd = Pins::Get(path);
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, path);
  return fd;
}

template <typename Info>
absl::Status InfoOf(int fd, const char* what, Info* info) {
  __u32 bytes = sizeof(*info);
  if (bpf_obj_get_info_by_fd(fd, info, &bytes) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, what);
}

// How a pinned map differs from the one that is wanted, but for its room.
absl::Status Compare(const bpf_map* map, const bpf_map_info& pinned,
                     const std::string& path) {
  std::string differences;
  const auto compare = [&](const char* what, uint32_t wanted, uint32_t found) {
    if (wanted == found) return;
    absl::StrAppend(&differences, differences.empty() ? "" : "; ", what,
                    ": expected ", wanted, ", found ", found);
  };
  compare("type", bpf_map__type(map), pinned.type);
  compare("bytes of a key", bpf_map__key_size(map), pinned.key_size);
  compare("bytes of a value", bpf_map__value_size(map), pinned.value_size);
  compare("flags", bpf_map__map_flags(map), pinned.map_flags);
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path, ": ", differences));
}

}  // namespace

absl::StatusOr<BpfObject> BpfObject::Load(bpf_object* object, const Pins* pins,
                                          Reuse reuse) {
  if (reuse != Reuse::kAll) {
    if (const int error = bpf_object__load(object); error != 0)
      return LoadError("loading programs", -error);
  }
  BpfObject loaded;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const char* name = bpf_map__name(map);
    CC_ASSIGN_OR_RETURN(loaded.maps_[name], reuse == Reuse::kAll
                                                ? GetPinned(pins->MapPath(name))
                                                : Copy(bpf_map__fd(map), name));
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const char* name = bpf_program__name(program);
    CC_ASSIGN_OR_RETURN(loaded.programs_[name],
                        reuse == Reuse::kAll
                            ? GetPinned(pins->ProgramPath(name))
                            : Copy(bpf_program__fd(program), name));
    bpf_prog_info info = {};
    CC_RETURN_IF_ERROR(InfoOf(loaded.programs_[name].get(), name, &info));
  }
  return loaded;
}

std::set<uint32_t> BpfObject::PinnedProgramIds(const Pins& pins) const {
  std::set<uint32_t> ids;
  for (const auto& [name, fd] : programs_) {
    const UniqueFd pinned = Pins::Get(pins.ProgramPath(name));
    bpf_prog_info info = {};
    if (InfoOf(pinned.get(), name.c_str(), &info).ok()) ids.insert(info.id);
  }
  return ids;
}

int BpfObject::program(absl::string_view name) const {
  const auto found = programs_.find(name);
  return found == programs_.end() ? -1 : found->second.get();
}

absl::StatusOr<UniqueFd> BpfObject::MapFd(absl::string_view name) const {
  const auto found = maps_.find(name);
  if (found != maps_.end()) return Copy(found->second.get(), name);
  return absl::InternalError(absl::StrCat("no map ", name, " in the programs"));
}

absl::Status BpfObject::Pin(const std::string& state) const {
  for (const auto& [name, fd] : maps_) {
    const absl::Status put = Pins::Put(fd.get(), Pins::MapPathIn(state, name));
    if (!put.ok() && !absl::IsAlreadyExists(put)) return put;
  }
  for (const auto& [name, fd] : programs_) {
    CC_RETURN_IF_ERROR(Pins::Put(fd.get(), Pins::ProgramPathIn(state, name)));
  }
  return absl::OkStatus();
}

absl::Status BpfObject::ReplacePrograms(const Pins& pins) const {
  for (const auto& [name, fd] : programs_)
    CC_RETURN_IF_ERROR(Pins::Replace(fd.get(), pins.ProgramPath(name)));
  return absl::OkStatus();
}

absl::StatusOr<bool> HasSameRoom(const bpf_object* object, const Pins& pins) {
  bool is_same = true;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const std::string path = pins.MapPath(bpf_map__name(map));
    const UniqueFd pinned = Pins::Get(path);
    if (pinned.get() < 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": expected a map, found ",
                       errno == ENOENT ? "nothing" : strerror(errno)));
    }
    bpf_map_info info = {};
    CC_RETURN_IF_ERROR(InfoOf(pinned.get(), path.c_str(), &info));
    CC_RETURN_IF_ERROR(Compare(map, info, path));
    is_same = is_same && info.max_entries == bpf_map__max_entries(map);
  }
  return is_same;
}

uint64_t HashBytes(uint64_t hash, const void* bytes, size_t count) {
  const auto* const at = static_cast<const uint8_t*>(bytes);
  for (size_t i = 0; i < count; ++i) hash = (hash ^ at[i]) * 0x100000001b3;
  return hash;
}

absl::Status ReuseMaps(bpf_object* object, const Pins& pins) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const char* name = bpf_map__name(map);
    CC_ASSIGN_OR_RETURN(const UniqueFd pinned, GetPinned(pins.MapPath(name)));
    if (const int error = bpf_map__reuse_fd(map, pinned.get()); error != 0)
      return absl::ErrnoToStatus(-error, absl::StrCat("map ", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<AttachedLink> AttachedLink::Make(
    int program, int target, bpf_attach_type type, std::string pin,
    const std::function<bool(int link)>& is_same) {
  AttachedLink link = {
      .fd = UniqueFd(), .program = program, .pin = std::move(pin)};
  if (!link.pin.empty()) {
    link.fd = Pins::Get(link.pin);
    link.is_adopted = link.fd.get() >= 0 && is_same(link.fd.get());
    if (link.is_adopted) return link;
  }
  link.fd = UniqueFd(bpf_link_create(program, target, type, nullptr));
  if (link.fd.get() < 0)
    return absl::ErrnoToStatus(errno, "attaching the programs");
  if (!link.pin.empty())
    CC_RETURN_IF_ERROR(Pins::Replace(link.fd.get(), link.pin));
  return link;
}

absl::Status AttachedLink::TakeOver() {
  if (!is_adopted) return absl::OkStatus();
  bpf_link_info link = {};
  bpf_prog_info ours = {};
  CC_RETURN_IF_ERROR(InfoOf(fd.get(), pin.c_str(), &link));
  CC_RETURN_IF_ERROR(InfoOf(program, pin.c_str(), &ours));
  if (link.prog_id != ours.id &&
      bpf_link_update(fd.get(), program, nullptr) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("updating the link ", pin));
  is_adopted = false;
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
