// SPDX-License-Identifier: Apache-2.0

// Sizes and times that datapaths are opened with.

#include "ciliumcore/datapath/options.h"

#include <cstdint>

#include "absl/time/time.h"
#include "bindings/python/src/module.h"

namespace ciliumcore::python {
namespace {

void BindCapacity(py::module_& module) {
  const DatapathCapacity room;
  py::class_<DatapathCapacity>(
      module, "DatapathCapacity",
      "Room, fixed when the programs are loaded. `services` and `backends` are "
      "for datapaths with a cgroup, `journal_bytes` for those that are pinned; "
      "`event_bytes` is a power of two.")
      .def(py::init([](uint32_t connections, uint32_t addresses,
                       uint32_t prefixes, uint32_t classes, uint32_t cells,
                       uint32_t services, uint32_t backends,
                       uint32_t event_bytes, uint32_t journal_bytes) {
             return DatapathCapacity{.connections = connections,
                                     .addresses = addresses,
                                     .prefixes = prefixes,
                                     .classes = classes,
                                     .cells = cells,
                                     .services = services,
                                     .backends = backends,
                                     .event_bytes = event_bytes,
                                     .journal_bytes = journal_bytes};
           }),
           py::kw_only(), py::arg("connections") = room.connections,
           py::arg("addresses") = room.addresses,
           py::arg("prefixes") = room.prefixes,
           py::arg("classes") = room.classes, py::arg("cells") = room.cells,
           py::arg("services") = room.services,
           py::arg("backends") = room.backends,
           py::arg("event_bytes") = room.event_bytes,
           py::arg("journal_bytes") = room.journal_bytes)
      .def_readonly("connections", &DatapathCapacity::connections)
      .def_readonly("addresses", &DatapathCapacity::addresses)
      .def_readonly("prefixes", &DatapathCapacity::prefixes)
      .def_readonly("classes", &DatapathCapacity::classes)
      .def_readonly("cells", &DatapathCapacity::cells)
      .def_readonly("services", &DatapathCapacity::services)
      .def_readonly("backends", &DatapathCapacity::backends)
      .def_readonly("event_bytes", &DatapathCapacity::event_bytes)
      .def_readonly("journal_bytes", &DatapathCapacity::journal_bytes);
}

template <absl::Duration ConnectionTimeouts::*kMember>
double SecondsOf(const ConnectionTimeouts& timeouts) {
  return absl::ToDoubleSeconds(timeouts.*kMember);
}

void BindTimeouts(py::module_& module) {
  using Timeouts = ConnectionTimeouts;
  const Timeouts silence;
  py::class_<Timeouts>(
      module, "ConnectionTimeouts",
      "Seconds of silence after which a connection is forgotten.")
      .def(py::init([](double tcp, double tcp_opening, double tcp_closing,
                       double other) {
             return Timeouts{.tcp = absl::Seconds(tcp),
                             .tcp_opening = absl::Seconds(tcp_opening),
                             .tcp_closing = absl::Seconds(tcp_closing),
                             .other = absl::Seconds(other)};
           }),
           py::kw_only(), py::arg("tcp") = SecondsOf<&Timeouts::tcp>(silence),
           py::arg("tcp_opening") = SecondsOf<&Timeouts::tcp_opening>(silence),
           py::arg("tcp_closing") = SecondsOf<&Timeouts::tcp_closing>(silence),
           py::arg("other") = SecondsOf<&Timeouts::other>(silence))
      .def_property_readonly("tcp", &SecondsOf<&Timeouts::tcp>)
      .def_property_readonly("tcp_opening", &SecondsOf<&Timeouts::tcp_opening>)
      .def_property_readonly("tcp_closing", &SecondsOf<&Timeouts::tcp_closing>)
      .def_property_readonly("other", &SecondsOf<&Timeouts::other>);
}

}  // namespace

void BindOptions(py::module_& module) {
  BindCapacity(module);
  BindTimeouts(module);
}

}  // namespace ciliumcore::python
