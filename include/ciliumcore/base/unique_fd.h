// SPDX-License-Identifier: Apache-2.0

// UniqueFd: the owner of one file descriptor.

#ifndef CILIUMCORE_BASE_UNIQUE_FD_H_
#define CILIUMCORE_BASE_UNIQUE_FD_H_

#include <utility>

namespace ciliumcore {

// Closes its descriptor when destroyed. Move-only; a moved-from UniqueFd owns
// nothing. Thread-compatible.
class UniqueFd {
 public:
  // Owns nothing.
  UniqueFd() = default;
  // Takes `fd`; a negative number is nothing.
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor to the caller, who must close it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  // Closes what it owns and takes `fd`.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_UNIQUE_FD_H_
