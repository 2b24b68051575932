// SPDX-License-Identifier: Apache-2.0

// Labels, selectors, identities.

#include <pybind11/operators.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "bindings/python/src/module.h"

namespace ciliumcore::python {
namespace {

Labels FromDict(const py::dict& pairs) {
  Labels labels;
  for (const auto& [key, value] : pairs) {
    labels.Set(py::cast<std::string>(key), py::cast<std::string>(value));
  }
  return labels;
}

uint32_t Number(const IdentityRef& identity) {
  return static_cast<uint32_t>(identity.id());
}

}  // namespace

void BindLabels(py::module_& module) {
  py::class_<Label>(module, "Label", "One label: source, key and value.")
      .def(py::init([](const std::string& text) {
             return Value(Label::Parse(text));
           }),
           py::arg("text"), "Reads \"[source:]key[=value]\".")
      .def_readonly("source", &Label::source)
      .def_readonly("key", &Label::key)
      .def_readonly("value", &Label::value)
      .def("__str__", &Label::ToString)
      .def("__repr__",
           [](const Label& label) {
             return absl::StrCat("Label('", label.ToString(), "')");
           })
      .def("__hash__",
           [](const Label& label) { return absl::Hash<Label>()(label); })
      .def(py::self == py::self);

  py::class_<Labels>(
      module, "Labels",
      "A set of labels, at most one for each source and key. A dict of keys "
      "and values, or text (\"app=web,tier=front\"), is taken for one wherever "
      "labels are asked for.")
      .def(py::init<>())
      .def(py::init(&FromDict), py::arg("pairs"))
      .def(py::init([](const std::string& text) {
             return Value(Labels::Parse(text));
           }),
           py::arg("text"))
      .def(
          "get",
          [](const Labels& labels, const std::string& key) -> py::object {
            const std::string* value = labels.Get(key);
            if (value == nullptr) return py::none();
            return py::str(*value);
          },
          py::arg("key"), "The value of `key` from any source, or None.")
      .def("canonical_key", &Labels::CanonicalKey,
           "Equal sets have equal keys.")
      .def("__len__", &Labels::size)
      .def(
          "__iter__",
          [](const Labels& labels) {
            return py::make_iterator(labels.begin(), labels.end());
          },
          py::keep_alive<0, 1>())
      .def("__contains__",
           [](const Labels& labels, const std::string& key) {
             return labels.Get(key) != nullptr;
           })
      .def("__str__", &Labels::ToString)
      .def("__repr__",
           [](const Labels& labels) {
             return absl::StrCat("Labels('", labels.CanonicalKey(), "')");
           })
      .def("__hash__",
           [](const Labels& labels) { return absl::Hash<Labels>()(labels); })
      .def(py::self == py::self);
  py::implicitly_convertible<py::dict, Labels>();
  py::implicitly_convertible<py::str, Labels>();

  py::class_<LabelSelector>(module, "Selector",
                            "A label selector, in kubectl's form.")
      .def(py::init([](const std::string& text) {
             return Value(LabelSelector::Parse(text));
           }),
           py::arg("text"),
           "Reads \"app=web, tier in (a, b), !legacy\"; the empty text selects "
           "everything.")
      .def("matches", &LabelSelector::Matches, py::arg("labels"))
      .def_property_readonly("matches_everything",
                             &LabelSelector::matches_everything)
      .def("__str__", &LabelSelector::ToString)
      .def("__repr__",
           [](const LabelSelector& selector) {
             return absl::StrCat("Selector('", selector.ToString(), "')");
           })
      .def(py::self == py::self);

  py::class_<IdentityRef>(
      module, "Identity",
      "A set of labels with its number, which is kept while this lives.")
      .def_property_readonly("id", &Number)
      .def_property_readonly(
          "labels",
          [](const IdentityRef& identity) { return identity.labels(); })
      .def("__int__", &Number)
      .def("__str__", &IdentityRef::ToString)
      .def("__repr__",
           [](const IdentityRef& identity) {
             return absl::StrCat("<Identity ", identity.ToString(), ">");
           })
      .def("__hash__", &Number)
      .def(py::self == py::self);

  py::class_<IdentityAllocator>(
      module, "IdentityAllocator",
      "Gives every set of labels in use a number. Thread-safe.")
      .def(py::init([](uint32_t first, uint32_t last) {
             return IdentityAllocator({.first = first, .last = last});
           }),
           py::kw_only(), py::arg("first") = kFirstClusterIdentity,
           py::arg("last") = kLastClusterIdentity)
      .def(
          "allocate",
          [](IdentityAllocator& allocator, const Labels& labels) {
            return Value(allocator.TryAllocate(labels));
          },
          py::arg("labels"),
          "The identity of `labels`. RESOURCE_EXHAUSTED if no number is free.")
      .def(
          "allocate_cidr",
          [](IdentityAllocator& allocator, const std::string& prefix) {
            IdentityRef identity =
                allocator.AllocateCidr(Value(IpPrefix::Parse(prefix)));
            Check(identity.status());
            return identity;
          },
          py::arg("prefix"), "The identity of addresses outside.")
      .def(
          "restore",
          [](IdentityAllocator& allocator, uint32_t id, const Labels& labels) {
            return Value(allocator.Restore(Identity{id}, labels));
          },
          py::arg("id"), py::arg("labels"),
          "Gives `labels` the number that they had before. ALREADY_EXISTS if "
          "either has another partner.")
      .def(
          "find",
          [](const IdentityAllocator& allocator, uint32_t id) {
            return Value(allocator.Find(Identity{id}));
          },
          py::arg("id"),
          "The identity of that number. NOT_FOUND if it is free.")
      .def("in_use", &IdentityAllocator::InUse)
      .def("__len__", &IdentityAllocator::size);
}

}  // namespace ciliumcore::python
