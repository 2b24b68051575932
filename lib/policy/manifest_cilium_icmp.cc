// SPDX-License-Identifier: Apache-2.0

// `icmps` of Cilium's policies.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/base/port.h"
#include "lib/policy/manifest_cilium_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr size_t kMostFields = 40;

// The names that Cilium gives to what IANA has numbered.
using NamedType = std::pair<absl::string_view, uint8_t>;

constexpr std::array<NamedType, 14> kTypesV4 = {{
    {"EchoReply", 0},
    {"DestinationUnreachable", 3},
    {"Redirect", 5},
    {"Echo", 8},
    {"EchoRequest", 8},
    {"RouterAdvertisement", 9},
    {"RouterSelection", 10},
    {"TimeExceeded", 11},
    {"ParameterProblem", 12},
    {"Timestamp", 13},
    {"TimestampReply", 14},
    {"Photuris", 40},
    {"ExtendedEchoRequest", 42},
    {"ExtendedEchoReply", 43},
}};

constexpr std::array<NamedType, 27> kTypesV6 = {{
    {"DestinationUnreachable", 1},
    {"PacketTooBig", 2},
    {"TimeExceeded", 3},
    {"ParameterProblem", 4},
    {"EchoRequest", 128},
    {"EchoReply", 129},
    {"MulticastListenerQuery", 130},
    {"MulticastListenerReport", 131},
    {"MulticastListenerDone", 132},
    {"RouterSolicitation", 133},
    {"RouterAdvertisement", 134},
    {"NeighborSolicitation", 135},
    {"NeighborAdvertisement", 136},
    {"RedirectMessage", 137},
    {"RouterRenumbering", 138},
    {"ICMPNodeInformationQuery", 139},
    {"ICMPNodeInformationResponse", 140},
    {"InverseNeighborDiscoverySolicitation", 141},
    {"InverseNeighborDiscoveryAdvertisement", 142},
    {"HomeAgentAddressDiscoveryRequest", 144},
    {"HomeAgentAddressDiscoveryReply", 145},
    {"MobilePrefixSolicitation", 146},
    {"MobilePrefixAdvertisement", 147},
    {"DuplicateAddressRequestCodeSuffix", 157},
    {"DuplicateAddressConfirmationCodeSuffix", 158},
    {"ExtendedEchoRequest", 160},
    {"ExtendedEchoReply", 161},
}};

std::optional<uint8_t> TypeOf(absl::string_view text, bool is_v6) {
  const absl::Span<const NamedType> types =
      is_v6 ? absl::MakeConstSpan(kTypesV6) : absl::MakeConstSpan(kTypesV4);
  for (const auto& [name, type] : types) {
    if (name == text) return type;
  }
  const auto number = ParsePort(text);  // a decimal without leading zeros
  if (!number.ok() || *number > 255) return std::nullopt;
  return static_cast<uint8_t>(*number);
}

// A number, or a name, or a number in quotes.
uint8_t ReadType(const Field& field, bool is_v6) {
  if (field.IsNumber()) {
    return static_cast<uint8_t>(field.Int(0, 255, "an ICMP type").value_or(0));
  }
  const auto text = field.String();
  if (!text.has_value() && field.present()) return 0;
  const auto type = text.has_value() ? TypeOf(*text, is_v6) : std::nullopt;
  if (!type.has_value()) {
    field.Expected(absl::StrCat("a type of ICMPv", is_v6 ? 6 : 4,
                                ", a number in 0..255 or a name such as "
                                "EchoRequest"));
  }
  return type.value_or(0);
}

CiliumIcmp ReadIcmp(const Field& field) {
  CiliumIcmp icmp;
  if (!field.HasOnly({"family", "type"})) return icmp;
  const Field family = field["family"];
  if (family.present() && !family.Is("IPv4") && !family.Is("IPv6")) {
    family.Expected("IPv4 or IPv6");
  }
  icmp.is_v6 = family.Is("IPv6");
  icmp.type = ReadType(field["type"], icmp.is_v6);
  return icmp;
}

}  // namespace

std::vector<CiliumIcmp> ReadCiliumIcmps(const Field& icmps) {
  std::vector<CiliumIcmp> read;
  for (const Field& rule : icmps.Items()) {
    if (!rule.HasOnly({"fields"})) continue;
    for (const Field& field : ReadNeeded(rule["fields"], kMostFields, "types",
                                         "a type: none is none")) {
      read.push_back(ReadIcmp(field));
    }
  }
  return read;
}

}  // namespace ciliumcore::internal
