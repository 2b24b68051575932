// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/unique_fd.h"

#include <unistd.h>

namespace ciliumcore {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  // Linux frees the number even when close() reports an error, so there is
  // nothing to retry.
  if (old >= 0) ::close(old);
}

}  // namespace ciliumcore
