// SPDX-License-Identifier: Apache-2.0

// Memory-mapped arrays of an object that is loaded, by their names.

#ifndef CILIUMCORE_LIB_DATAPATH_NAMED_ARRAY_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_NAMED_ARRAY_INTERNAL_H_

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {

// Takes the map that `fd_of` has of that name. Its error, or Adopt's.
template <typename T>
absl::StatusOr<MappedArray<T>> AdoptNamed(
    const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of,
    const char* name) {
  CC_ASSIGN_OR_RETURN(UniqueFd fd, fd_of(name));
  return MappedArray<T>::Adopt(std::move(fd));
}

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_NAMED_ARRAY_INTERNAL_H_
