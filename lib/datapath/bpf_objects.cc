// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/bpf_objects_internal.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {

absl::StatusOr<UniqueFd> CopyMapFd(const bpf_object* object, const char* name) {
  const int fd = bpf_object__find_map_fd_by_name(object, name);
  if (fd < 0) {
    return absl::InternalError(
        absl::StrCat("no map ", name, " in the programs"));
  }
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("map ", name));
  return copy;
}

absl::Status PinAllMaps(const bpf_object* object, const Pins& pins) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    CC_RETURN_IF_ERROR(
        Pins::Replace(bpf_map__fd(map), pins.MapPath(bpf_map__name(map))));
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
  if (bpf_link_update(fd.get(), program, nullptr) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("updating the link ", pin));
  is_adopted = false;
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
