// SPDX-License-Identifier: Apache-2.0

#include "bindings/python/src/module.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore::python {

std::vector<IpPrefix> ToPrefixes(const py::iterable& objects) {
  std::vector<IpPrefix> prefixes;
  for (const py::handle object : objects) {
    prefixes.push_back(Value(IpPrefix::Parse(std::string(py::str(object)))));
  }
  return prefixes;
}

IpAddress ToAddress(const py::handle& object) {
  return Value(IpAddress::Parse(std::string(py::str(object))));
}

std::vector<IpAddress> ToAddresses(const py::object& objects) {
  if (py::isinstance<py::str>(objects) ||
      !py::isinstance<py::iterable>(objects)) {
    return {ToAddress(objects)};
  }
  std::vector<IpAddress> addresses;
  for (const py::handle object : objects) {
    addresses.push_back(ToAddress(object));
  }
  return addresses;
}

void RefuseChoice(const char* what, const std::string& found,
                  const std::vector<std::string>& choices) {
  throw StatusException(absl::InvalidArgumentError(
      absl::StrCat(what, ": expected \"", absl::StrJoin(choices, "\" or \""),
                   "\", found \"", found, "\"")));
}

namespace {

void BindErrors(py::module_& module) {
  static py::exception<StatusException> error(module, "StatusError",
                                              PyExc_RuntimeError);
  error.attr("__module__") = "ciliumcore";
  error.doc() =
      "What went wrong: `code` is the name of an absl::StatusCode, such as "
      "\"NOT_FOUND\"; `message` names the subject.";
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const StatusException& exception) {
      const absl::Status& status = exception.status();
      const std::string message(status.message());
      py::object instance = py::reinterpret_borrow<py::object>(error)(message);
      instance.attr("code") = absl::StatusCodeToString(status.code());
      instance.attr("message") = message;
      PyErr_SetObject(error.ptr(), instance.ptr());
    }
  });
}

}  // namespace

PYBIND11_MODULE(_ciliumcore, module) {
  module.doc() = "ciliumcore in Python; use the package ciliumcore.";
  BindErrors(module);
  BindLabels(module);
  BindPolicy(module);
  BindFlow(module);
  BindPackets(module);
  BindOptions(module);
  BindChange(module);
  BindDatapath(module);
  BindNative(module);
}

}  // namespace ciliumcore::python
