// SPDX-License-Identifier: Apache-2.0

// Flows, filters of them, and counters.

#include <pybind11/operators.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "bindings/python/src/module.h"
#include "ciliumcore/flow/flow_proto.h"
#include "ciliumcore/testing/packet_trace.h"

namespace ciliumcore::python {
namespace {

void BindParts(py::module_& module) {
  py::class_<FlowEnd>(module, "FlowEnd", "One end of a flow.")
      .def_property_readonly(
          "address", [](const FlowEnd& end) { return end.address.ToString(); })
      .def_readonly("port", &FlowEnd::port, "Of ICMP echo, the identifier.")
      .def_property_readonly("identity",
                             [](const FlowEnd& end) {
                               return static_cast<uint32_t>(end.identity);
                             })
      .def_readonly("name", &FlowEnd::name,
                    "What the datapath calls the peer; may be empty.")
      .def_readonly("pod", &FlowEnd::pod,
                    "\"shop/web-0\"; empty if it is none, or has no name.")
      .def_property_readonly(
          "namespace", [](const FlowEnd& end) { return std::string(end.ns()); },
          "The pod's, else that of the labels; empty if there is none.")
      .def_property_readonly(
          "labels",
          [](const FlowEnd& end) -> py::object {
            if (end.labels == nullptr) return py::none();
            return py::cast(*end.labels);
          },
          "Of the identity, or None if they are not known.");

  py::class_<Flow::Judgement>(module, "FlowJudgement", "Of one side's policy.")
      .def_readonly("rule_set", &Flow::Judgement::rule_set,
                    "0: this side was not asked.")
      .def_readonly("why", &Flow::Judgement::why,
                    "Its rules, or what denies by default.");

  py::class_<FlowCounts>(module, "FlowCounts",
                         "What a connection carried in one direction.")
      .def_readonly("packets", &FlowCounts::packets, "Wraps at 2**32.")
      .def_readonly("bytes", &FlowCounts::bytes, "Of whole frames.")
      .def(py::self == py::self);
}

void BindFilter(py::module_& module) {
  py::class_<FlowFilter>(
      module, "FlowFilter",
      "Which flows somebody wants: \"pod=shop/web-0 verdict=dropped\", as of "
      "ccore flows. All terms must hold; without any, everything passes.")
      .def(py::init([](const std::string& text) {
             return Value(FlowFilter::Parse(text));
           }),
           py::arg("text"), "INVALID_ARGUMENT names the term that is wrong.")
      .def("matches", &FlowFilter::Matches, py::arg("flow"))
      .def("__str__", &FlowFilter::ToString);
}

}  // namespace

std::string ReasonName(uint8_t reason) {
  const auto known = FindDropReason(reason);
  return known.has_value() ? std::string(known->name)
                           : absl::StrCat("reason ", reason);
}

void BindFlow(py::module_& module) {
  BindParts(module);
  py::class_<Flow>(module, "Flow",
                   "What the datapath decided about a packet, and why. A "
                   "value; str() is one line.")
      .def_readonly("monotonic_ns", &Flow::monotonic_ns,
                    "time.monotonic_ns() of the packet, to a jiffy.")
      .def_property_readonly(
          "kind",
          [](const Flow& flow) { return std::string(FlowKindName(flow.kind)); },
          "\"new\", \"drop\", \"end\" or \"verdict\".")
      .def_property_readonly(
          "verdict",
          [](const Flow& flow) {
            return std::string(FlowVerdictName(flow.verdict));
          },
          "\"forwarded\", \"dropped\" or \"audited\".")
      .def_readonly("reason", &Flow::reason, "Of a drop; 0 if forwarded.")
      .def_property_readonly(
          "reason_name",
          [](const Flow& flow) { return ReasonName(flow.reason); },
          "\"policy denied\"; \"forwarded\".")
      .def_readonly("source", &Flow::source,
                    "Of the packet; at the end, who opened the connection.")
      .def_readonly("destination", &Flow::destination)
      .def_property_readonly(
          "protocol",
          [](const Flow& flow) { return ProtocolName(flow.protocol); })
      .def_property_readonly(
          "tcp_flags",
          [](const Flow& flow) {
            return testing::TcpFlagNames(flow.tcp_flags);
          },
          "\"SYN,ACK\"; \"none\".")
      .def_readonly("icmp_type", &Flow::icmp_type)
      .def_readonly("is_egress", &Flow::is_egress,
                    "The sender's endpoint decided, else the receiver's.")
      .def_readonly("is_reply", &Flow::is_reply)
      .def_readonly("egress", &Flow::egress)
      .def_readonly("ingress", &Flow::ingress)
      .def_readonly("generation", &Flow::generation,
                    "The change under which it was judged.")
      .def_readonly("ifindex", &Flow::ifindex)
      .def_readonly("bytes", &Flow::bytes, "Of the packet.")
      .def_readonly("sent", &Flow::sent,
                    "At the end: what the source sent, all in all.")
      .def_readonly("answered", &Flow::answered, "And got.")
      .def_readonly("service", &Flow::service,
                    "That the server is a backend of; may be empty.")
      .def(
          "to_json", [](const Flow& flow) { return Value(FlowToJson(flow)); },
          "One line, with the names of proto/ciliumcore/flow/v1/flow.proto.")
      .def("__str__", &Flow::ToString)
      .def("__repr__", [](const Flow& flow) {
        return absl::StrCat("<Flow ", flow.ToString(), ">");
      });
  BindFilter(module);

  py::class_<Counter>(module, "Counter",
                      "Packets of a direction that met a fate.")
      .def_readonly("is_egress", &Counter::is_egress)
      .def_readonly("reason", &Counter::reason, "0: forwarded.")
      .def_property_readonly(
          "reason_name",
          [](const Counter& counter) { return ReasonName(counter.reason); })
      .def_readonly("packets", &Counter::packets)
      .def_readonly("bytes", &Counter::bytes)
      .def_readonly("endpoint", &Counter::endpoint,
                    "Its interface, where they are told apart.")
      .def("__repr__", [](const Counter& counter) {
        return absl::StrCat("<Counter ", counter.endpoint,
                            counter.endpoint.empty() ? "" : " ",
                            counter.is_egress ? "egress" : "ingress", " ",
                            ReasonName(counter.reason), ": ", counter.packets,
                            " packets, ", counter.bytes, " bytes>");
      });
}

}  // namespace ciliumcore::python
