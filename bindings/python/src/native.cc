// SPDX-License-Identifier: Apache-2.0

// A datapath in the process, and what becomes of packets there.

#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bindings/python/src/change.h"
#include "ciliumcore/testing/native_datapath.h"
#include "ciliumcore/testing/packet_trace.h"

namespace ciliumcore::python {
namespace {

using testing::NativeDatapath;
using testing::PacketOutcome;
using testing::PacketTrace;

// One call at a time, in whichever thread; each lets others run meanwhile.
class Node : public Changeable {
 public:
  explicit Node(NativeDatapath datapath) : datapath_(std::move(datapath)) {}

  void Transact(absl::FunctionRef<void(Transaction&)> use) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction = datapath_.Begin();
    use(transaction);
  }

  template <typename Use>
  auto With(Use use) {
    const py::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    return use(datapath_);
  }

 private:
  std::mutex mutex_;
  NativeDatapath datapath_;
};

std::shared_ptr<Node> Open(bool audit_only, bool report_new, bool report_drops,
                           bool report_ends, bool report_verdicts,
                           const std::optional<DatapathCapacity>& capacity,
                           const std::optional<ConnectionTimeouts>& timeouts,
                           const py::object& host_addresses) {
  testing::NativeDatapathOptions options = {
      .audit_only = audit_only,
      .report_new = report_new,
      .report_drops = report_drops,
      .report_ends = report_ends,
      .report_verdicts = report_verdicts,
      .timeouts = timeouts.value_or(ConnectionTimeouts()),
      .host_addresses = ToAddresses(host_addresses)};
  if (capacity.has_value()) options.capacity = *capacity;
  const py::gil_scoped_release release;
  return std::make_shared<Node>(Value(NativeDatapath::Open(options)));
}

const char* FateName(PacketOutcome::To to) {
  switch (to) {
    case PacketOutcome::To::kNobody:
      return "nobody";
    case PacketOutcome::To::kEndpoint:
      return "endpoint";
    case PacketOutcome::To::kNode:
      return "node";
    case PacketOutcome::To::kInterface:
      return "interface";
  }
  return "";
}

void BindTrace(py::module_& module) {
  py::class_<PacketTrace::End>(module, "TraceEnd",
                               "One end of a packet, as the datapath saw it.")
      .def_property_readonly(
          "address",
          [](const PacketTrace::End& end) { return end.address.ToString(); })
      .def_readonly("port", &PacketTrace::End::port)
      .def_property_readonly("identity",
                             [](const PacketTrace::End& end) {
                               return static_cast<uint32_t>(end.identity);
                             })
      .def_readonly("name", &PacketTrace::End::name, "Of the identity.")
      .def_readonly("where", &PacketTrace::End::where,
                    "\"veth-web\", \"by the node's routes\".");

  py::class_<PacketTrace::Side>(module, "TraceSide",
                                "The judgement of one side.")
      .def_property_readonly(
          "direction",
          [](const PacketTrace::Side& side) {
            return std::string(DirectionName(side.direction));
          })
      .def_readonly("interface", &PacketTrace::Side::interface,
                    "Of the endpoint that judges.")
      .def_property_readonly(
          "verdict",
          [](const PacketTrace::Side& side) {
            return std::string(VerdictName(side.cell.verdict));
          },
          "\"allow\" or \"deny\".")
      .def_property_readonly(
          "why",
          [](const PacketTrace::Side& side) {
            return side.cell.rule_set == 0 ? "" : side.rules.ToString();
          },
          "The rules, or what denies by default; empty if no table judges.");

  py::class_<PacketTrace>(module, "PacketTrace",
                          "What the datapath did with a packet; str() is a "
                          "line for each step.")
      .def_readonly("generation", &PacketTrace::generation)
      .def_readonly("interface", &PacketTrace::interface,
                    "Of the endpoint whose program ran.")
      .def_readonly("is_egress", &PacketTrace::is_egress,
                    "It sends the packet, else it receives it.")
      .def_property_readonly(
          "protocol",
          [](const PacketTrace& trace) { return ProtocolName(trace.protocol); })
      .def_readonly("source", &PacketTrace::source)
      .def_readonly("destination", &PacketTrace::destination)
      .def_property_readonly(
          "connection",
          [](const PacketTrace& trace) {
            return std::string(testing::ConnectionName(trace.connection));
          },
          "\"new\", \"established\", \"reply\", \"untracked\" or \"none\".")
      .def_readonly("is_current", &PacketTrace::is_current,
                    "Judged in this generation already: not asked again.")
      .def_readonly("sides", &PacketTrace::sides,
                    "In the order they were asked; the first denial ends it.")
      .def_readonly("audited", &PacketTrace::audited, "Denied, but let pass.")
      .def_readonly("disagreement", &PacketTrace::disagreement,
                    "Empty; else a bug of this library.")
      .def("__str__", [](const PacketTrace& trace) {
        return absl::StrJoin(trace.Lines(), "\n");
      });
}

void BindOutcome(py::module_& module) {
  py::class_<PacketOutcome>(
      module, "PacketOutcome",
      "What became of a packet. str() shows every step: assert not "
      "outcome.dropped, outcome.")
      .def_property_readonly(
          "to",
          [](const PacketOutcome& outcome) { return FateName(outcome.to); },
          "\"nobody\" if it was dropped, \"endpoint\", \"node\" (to its own "
          "stack, which routes it) or \"interface\" (out of the node).")
      .def_property_readonly("dropped", &PacketOutcome::dropped)
      .def_readonly("interface", &PacketOutcome::interface,
                    "Of the endpoint, or the one that it left through.")
      .def_property_readonly(
          "reason",
          [](const PacketOutcome& outcome) { return outcome.trace.reason; },
          "Of the drop; 0 if forwarded.")
      .def_property_readonly(
          "reason_name",
          [](const PacketOutcome& outcome) {
            return ReasonName(outcome.trace.reason);
          },
          "\"policy denied\"; \"forwarded\".")
      .def_property_readonly(
          "packet",
          [](const PacketOutcome& outcome) {
            return py::bytes(outcome.packet);
          },
          "As it was delivered, or left when it was dropped.")
      .def_readonly("flows", &PacketOutcome::flows,
                    "What Datapath.flows() would tell.")
      .def_readonly("trace", &PacketOutcome::trace)
      .def("__str__",
           [](const PacketOutcome& outcome) {
             std::ostringstream text;
             text << outcome;
             return text.str();
           })
      .def("__repr__", [](const PacketOutcome& outcome) {
        return absl::StrCat("<PacketOutcome ", outcome.ToString(), ">");
      });
}

}  // namespace

void BindNative(py::module_& module) {
  BindTrace(module);
  BindOutcome(module);
  py::class_<Node, std::shared_ptr<Node>>(
      module, "NativeDatapath",
      "A node's datapath in the process, to send packets into: the compiler "
      "and the programs of Datapath, without root, kernel or interfaces, and "
      "time stands still until it is moved. Services are sockets' business: it "
      "has none. Owns its maps, which go with it. Thread-safe, one call at a "
      "time.")
      .def_static(
          "open", &Open, py::kw_only(), py::arg("audit_only") = false,
          py::arg("report_new") = true, py::arg("report_drops") = true,
          py::arg("report_ends") = true, py::arg("report_verdicts") = false,
          py::arg("capacity") = py::none(), py::arg("timeouts") = py::none(),
          py::arg("host_addresses") = py::tuple(),
          "`host_addresses` are the node's own; the rest is as of "
          "Datapath.open(). INVALID_ARGUMENT without room for prefixes, "
          "classes or cells.")
      .def(
          "change",
          [](std::shared_ptr<Node> node) {
            return std::make_shared<Change>(std::move(node));
          },
          "A change without edits. Any name is an interface; MAC addresses "
          "that are not given are made up.")
      .def(
          "send",
          [](Node& node, const std::string& interface,
             const py::bytes& packet) {
            const std::string bytes = packet;
            return Value(node.With([&](NativeDatapath& datapath) {
              return datapath.Send(interface, bytes);
            }));
          },
          py::arg("interface"), py::arg("packet"),
          "What happens to an Ethernet frame that the endpoint behind "
          "`interface` sends. NOT_FOUND if none is attached there, and none "
          "was that closed.")
      .def(
          "receive",
          [](Node& node, const std::string& interface,
             const py::bytes& packet) {
            const std::string bytes = packet;
            return Value(node.With([&](NativeDatapath& datapath) {
              return datapath.Receive(interface, bytes);
            }));
          },
          py::arg("interface"), py::arg("packet"),
          "What happens to one that comes from outside, is routed by the node, "
          "and is about to reach the endpoint. Errors as send's.")
      .def(
          "interface_of",
          [](Node& node, const py::object& address) {
            const IpAddress parsed = ToAddress(address);
            return node.With([&](NativeDatapath& datapath) {
              return datapath.InterfaceOf(parsed);
            });
          },
          py::arg("address"),
          "Of the endpoint with this address; empty if none has it.")
      .def(
          "advance",
          [](Node& node, double seconds) {
            node.With([&](NativeDatapath& datapath) {
              datapath.Advance(absl::Seconds(seconds));
            });
          },
          py::arg("seconds"),
          "Lets time pass, in whole seconds: connections that are silent end.")
      .def(
          "counters",
          [](Node& node) {
            return node.With(
                [](NativeDatapath& datapath) { return datapath.counters(); });
          },
          "All that are not zero.")
      .def_property_readonly(
          "generation",
          [](Node& node) {
            return node.With(
                [](NativeDatapath& datapath) { return datapath.generation(); });
          },
          "The number of the last change.");
}

}  // namespace ciliumcore::python
