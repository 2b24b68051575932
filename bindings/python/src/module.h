// SPDX-License-Identifier: Apache-2.0

// What the parts of the Python module share: errors as exceptions, addresses
// and choices as text, and who adds what.

#ifndef CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_
#define CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <exception>
#include <initializer_list>
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

// An address likewise; of several, a lone one stands for a list.
IpAddress ToAddress(const py::handle& object);
std::vector<IpAddress> ToAddresses(const py::object& objects);

// Throws InvalidArgument: `what` is one of `choices`, which `found` is not.
[[noreturn]] void RefuseChoice(const char* what, const std::string& found,
                               const std::vector<std::string>& choices);

// The value that `text` stands for.
template <typename T>
T OneOf(const char* what, const std::string& text,
        std::initializer_list<std::pair<const char*, T>> choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names.push_back(name);
  }
  RefuseChoice(what, text, names);
}

// "policy denied"; of a number without a name, "reason 17".
std::string ReasonName(uint8_t reason);

// Each adds its part to the module, after those whose types it shows.
void BindLabels(py::module_& module);
void BindPolicy(py::module_& module);
void BindFlow(py::module_& module);
void BindPackets(py::module_& module);
void BindOptions(py::module_& module);
void BindChange(py::module_& module);
void BindDatapath(py::module_& module);
void BindNative(py::module_& module);

}  // namespace ciliumcore::python

#endif  // CILIUMCORE_BINDINGS_PYTHON_SRC_MODULE_H_
