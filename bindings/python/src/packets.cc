// SPDX-License-Identifier: Apache-2.0

// Packets, layer by layer.

#include "ciliumcore/testing/packet.h"

#include <cstdint>
#include <optional>
#include <string>

#include "bindings/python/src/module.h"
#include "ciliumcore/testing/packet_trace.h"

namespace ciliumcore::python {
namespace {

using testing::IpFields;
using testing::PacketBuilder;

// Each layer is put on a copy, so that one builder begins many packets.
PacketBuilder Ethernet(PacketBuilder builder, const std::string& src,
                       const std::string& dst, std::optional<uint16_t> type) {
  return builder.Ethernet(Value(ParseMac(src)), Value(ParseMac(dst)), type);
}

PacketBuilder Ip(PacketBuilder builder, const py::object& src,
                 const py::object& dst, uint8_t ttl, uint8_t tos,
                 std::optional<uint8_t> protocol, const py::bytes& options,
                 uint16_t id, bool dont_fragment, bool more_fragments,
                 uint16_t fragment_offset) {
  const IpFields fields = {.ttl = ttl,
                           .tos = tos,
                           .protocol = protocol,
                           .options = options,
                           .id = id,
                           .dont_fragment = dont_fragment,
                           .more_fragments = more_fragments,
                           .fragment_offset = fragment_offset};
  return builder.Ip(ToAddress(src), ToAddress(dst), fields);
}

}  // namespace

void BindPackets(py::module_& module) {
  py::class_<PacketBuilder>(
      module, "PacketBuilder",
      "Layers of a packet, outermost first; what one names the next by, "
      "lengths and checksums follow from what is built. Each method returns a "
      "new builder with one layer more: keep one to begin many packets with "
      "it. Addresses are text, or of ipaddress.")
      .def(py::init<>())
      .def("ethernet", &Ethernet, py::arg("src") = "02:00:00:00:00:01",
           py::arg("dst") = "02:00:00:00:00:02", py::arg("type") = py::none(),
           "The ether type follows from the next layer unless it is given.")
      .def("ip", &Ip, py::arg("src"), py::arg("dst"), py::kw_only(),
           py::arg("ttl") = 64, py::arg("tos") = 0,
           py::arg("protocol") = py::none(), py::arg("options") = py::bytes(),
           py::arg("id") = 0, py::arg("dont_fragment") = false,
           py::arg("more_fragments") = false, py::arg("fragment_offset") = 0,
           "IPv4 if both addresses are, else IPv6. `protocol` replaces the "
           "number that follows from the next layer; `options` and what "
           "follows are of IPv4 alone.")
      .def(
          "tcp",
          [](PacketBuilder builder, uint16_t sport, uint16_t dport,
             const std::string& flags) {
            return builder.Tcp(sport, dport,
                               Value(testing::ParseTcpFlags(flags)));
          },
          py::arg("sport"), py::arg("dport"), py::arg("flags") = "SYN",
          "`flags` are such as \"SYN,ACK\", or \"none\".")
      .def(
          "udp",
          [](PacketBuilder builder, uint16_t sport, uint16_t dport) {
            return builder.Udp(sport, dport);
          },
          py::arg("sport"), py::arg("dport"))
      .def(
          "sctp",
          [](PacketBuilder builder, uint16_t sport, uint16_t dport) {
            return builder.Sctp(sport, dport);
          },
          py::arg("sport"), py::arg("dport"), "With an INIT chunk.")
      .def(
          "icmp",
          [](PacketBuilder builder, uint8_t type, uint8_t code, uint32_t rest) {
            return builder.Icmp(type, code, rest);
          },
          py::arg("type"), py::arg("code") = 0, py::arg("rest") = 0,
          "ICMP in IPv4, ICMPv6 in IPv6; `rest` is the header's last four "
          "bytes.")
      .def(
          "echo",
          [](PacketBuilder builder, uint16_t id, bool reply) {
            return builder.Echo(id, reply);
          },
          py::arg("id"), py::arg("reply") = false,
          "An echo request, or its reply.")
      .def(
          "payload",
          [](PacketBuilder builder, const py::bytes& data) {
            return builder.Payload(std::string(data));
          },
          py::arg("data"))
      .def(
          "build",
          [](const PacketBuilder& builder) {
            return py::bytes(builder.Build());
          },
          "The packet's bytes.");
}

}  // namespace ciliumcore::python
