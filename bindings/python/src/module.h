// SPDX-License-Identifier: Apache-2.0

// What the parts of the Python module share: errors as exceptions, prefixes as
// text, and who adds what.

#ifndef CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_
#define CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/ciliumcore.h"

namespace ciliumcore::python {

namespace py = pybind11;

// A status on its way to Python, where it is ciliumcore.StatusError.
class StatusException : public std::exception {
 public:
  explicit StatusException(absl::Status status)
      : status_(std::move(status)), what_(status_.ToString()) {}
  const char* what() const noexcept override { return what_.c_str(); }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
  std::string what_;
};

inline void Check(const absl::Status& status) {
  if (!status.ok()) throw StatusException(status);
}

template <typename T>
T Value(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

// A prefix is text, or anything that prints as one, such as ipaddress's.
std::vector<IpPrefix> ToPrefixes(const py::iterable& objects);

// Each adds its part to the module.
void BindLabels(py::module_& module);
void BindPolicy(py::module_& module);

}  // namespace ciliumcore::python

#endif  // CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_
