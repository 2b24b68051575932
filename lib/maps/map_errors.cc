// SPDX-License-Identifier: Apache-2.0

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore::internal {
namespace {

std::string About(const MapInfo& info, absl::string_view what) {
  return absl::StrCat("map ", info.name, ": ", what);
}

}  // namespace

absl::Status NoSuchKey(const MapInfo& info) {
  return absl::NotFoundError(About(info, "no such key"));
}

absl::Status KeyExists(const MapInfo& info) {
  return absl::AlreadyExistsError(About(info, "the key is there already"));
}

absl::Status MapFull(const MapInfo& info) {
  return absl::ResourceExhaustedError(About(
      info,
      absl::StrCat("full at its capacity of ", info.capacity, " entries")));
}

absl::Status IndexBeyond(const MapInfo& info) {
  return absl::OutOfRangeError(About(
      info, absl::StrCat("index is not below its size of ", info.capacity)));
}

absl::Status PrefixTooLong(const MapInfo& info) {
  return absl::InvalidArgumentError(
      About(info, absl::StrCat("prefix is longer than the ",
                               (info.key_size - 4) * 8, " bits of a key")));
}

absl::Status NotErasable(const MapInfo& info) {
  return absl::InvalidArgumentError(
      About(info, "entries of an array cannot be erased"));
}

absl::Status NotMapped(const MapInfo& info) {
  return absl::FailedPreconditionError(
      About(info, "was not created to be mapped into memory"));
}

absl::Status MapError(const MapInfo& info, int error,
                      absl::string_view action) {
  const bool array =
      info.kind == MapKind::kArray || info.kind == MapKind::kPerCpuArray;
  switch (error) {
    case ENOENT:
      return NoSuchKey(info);
    case EEXIST:
      return KeyExists(info);
    case E2BIG:
      return array ? IndexBeyond(info) : MapFull(info);
    case ENOSPC:  // of a trie
      return MapFull(info);
    case ENOMEM:
      return absl::ResourceExhaustedError(
          About(info, absl::StrCat(action, ": no memory for an entry")));
    case EINVAL:
      if (array && action == "erase") return NotErasable(info);
      if (info.kind == MapKind::kLpmTrie) return PrefixTooLong(info);
      break;
    default:
      break;
  }
  return BpfError(error, About(info, action));
}

absl::Status BpfError(int error, absl::string_view subject) {
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(absl::StrCat(
        subject,
        ": refused; bpf(2) needs CAP_BPF, and a map that is not frozen"));
  }
  return absl::ErrnoToStatus(error, subject);
}

}  // namespace ciliumcore::internal
