// SPDX-License-Identifier: Apache-2.0

// `toPorts` of Cilium's policies.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_cilium_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr size_t kMostPorts = 40;

struct NamedProtocol {
  absl::string_view name;
  Protocol protocol;
  bool has_ports;
};
constexpr std::array<NamedProtocol, 11> kProtocols = {{
    {"ANY", Protocol::kAny, true},
    {"TCP", Protocol::kTcp, true},
    {"UDP", Protocol::kUdp, true},
    {"SCTP", Protocol::kSctp, true},
    {"VRRP", Protocol{112}, false},
    {"IGMP", Protocol{2}, false},
    {"GRE", Protocol{47}, false},
    {"IPIP", Protocol{4}, false},
    {"IPV6", Protocol{41}, false},
    {"ESP", Protocol{50}, false},
    {"AH", Protocol{51}, false},
}};

const NamedProtocol& ReadPortProtocol(const Field& field) {
  const auto name = field.String();
  if (!name.has_value()) return kProtocols[0];
  for (const NamedProtocol& known : kProtocols) {
    if (*name == known.name) return known;
  }
  field.Expected(
      absl::StartsWith(absl::AsciiStrToUpper(*name), "ICMP")
          ? "ICMP in icmps instead of toPorts"
          : "TCP, UDP, SCTP, ANY, VRRP, IGMP, GRE, IPIP, IPV6, ESP or AH");
  return kProtocols[0];
}

// What a port is, as a string.
struct CiliumPort {
  std::optional<uint16_t> number;
  std::string name;
};

CiliumPort ReadPort(const Field& field) {
  CiliumPort port;
  const auto text = field.String();
  if (!text.has_value()) return port;
  const std::string lower = absl::AsciiStrToLower(*text);
  if (IsPortName(lower)) {
    port.name = lower;
  } else if (const auto number = ParsePort(*text); number.ok()) {
    port.number = *number;
  } else {
    field.Expected(absl::StrCat("a port in 0..65535, or a name of ",
                                kPortNameForm, ", in any case"));
  }
  return port;
}

void ReadEndPort(const Field& field, const CiliumPort& port, PortRule& rule) {
  const auto end = field.Int(0, 65535, "a port");
  // 0 is what Cilium writes for none.
  if (!end.has_value() || *end == 0) return;
  if (!port.number.has_value()) {
    field.Expected("a port with a number, if there is an endPort",
                   port.name.empty() ? "no port" : "one with a name");
  } else if (*port.number == 0) {
    field.Expected("no endPort behind port 0, which is every port");
  } else if (*end < *port.number) {
    field.Expected(absl::StrCat("a port in ", *port.number, "..65535"));
  } else {
    rule.end_port = static_cast<uint16_t>(*end);
  }
}

PortRule ReadPortRule(const Field& field) {
  PortRule rule;
  if (!field.HasOnly({"port", "endPort", "protocol"})) return rule;
  const NamedProtocol& protocol = ReadPortProtocol(field["protocol"]);
  rule.protocol = protocol.protocol;
  const Field given = field["port"];
  const CiliumPort port = ReadPort(given);
  if (!protocol.has_ports) {
    if (given.present() && port.number != 0) {
      given.Expected(absl::StrCat("no port but 0 with ", protocol.name,
                                  ", which has none"));
    }
    Refuse(field["endPort"], absl::StrCat("no endPort with ", protocol.name,
                                          ", which has no ports"));
    return rule;
  }
  if (!given.present()) {
    given.Expected("a port in quotes: its number, 0 for every port, or a name");
    return rule;
  }
  ReadEndPort(field["endPort"], port, rule);
  rule.name = port.name;
  if (port.number.has_value() && *port.number != 0) rule.port = port.number;
  return rule;
}

std::optional<TlsContext> ReadTlsContext(const Field& field) {
  if (!field.HasOnly({"secret", "trustedCA", "certificate", "privateKey"})) {
    return std::nullopt;
  }
  if (!field["secret"].present()) field["secret"].Expected("a secret");
  return TlsContext{.secret = ReadSecretRef(field["secret"]),
                    .trusted_ca = field["trustedCA"].String().value_or(""),
                    .certificate = field["certificate"].String().value_or(""),
                    .private_key = field["privateKey"].String().value_or("")};
}

constexpr absl::string_view kEnvoyConfig = "CiliumEnvoyConfig";
constexpr absl::string_view kClusterwideEnvoyConfig =
    "CiliumClusterwideEnvoyConfig";

std::optional<EnvoyListener> ReadListener(const Field& field,
                                          const CiliumSection& section) {
  if (!field.HasOnly({"envoyConfig", "name", "priority"})) {
    return std::nullopt;
  }
  EnvoyListener listener;
  const Field config = field["envoyConfig"];
  if (!config.present()) config.Expected("an Envoy configuration");
  if (config.HasOnly({"kind", "name"})) {
    const Field kind = config["kind"];
    listener.config_kind = kind.String().value_or(std::string(
        section.is_clusterwide ? kClusterwideEnvoyConfig : kEnvoyConfig));
    if (kind.present() && !kind.Is(kEnvoyConfig) &&
        !kind.Is(kClusterwideEnvoyConfig)) {
      kind.Expected(
          absl::StrCat(kEnvoyConfig, " or ", kClusterwideEnvoyConfig));
    } else if (section.is_clusterwide && kind.Is(kEnvoyConfig)) {
      kind.Expected(absl::StrCat(kClusterwideEnvoyConfig,
                                 " in a policy that is in no namespace"));
    }
    listener.config_name =
        ReadRequired(config["name"], "the name of an Envoy configuration");
  }
  listener.name = ReadRequired(field["name"], "the name of a listener");
  listener.priority = static_cast<uint8_t>(
      field["priority"].Int(1, 100, "a priority").value_or(0));
  return listener;
}

std::vector<std::string> ReadServerNames(const Field& field) {
  std::vector<std::string> names;
  absl::flat_hash_set<std::string> seen;
  for (const Field& item :
       ReadUnlessEmpty(field, "a name, or no serverNames")) {
    const auto name = item.String();
    if (!name.has_value()) continue;
    if (!IsDnsMatch(*name, /*is_pattern=*/true)) {
      item.Expected(
          "a DNS name, at most 255 of A-Z, a-z, 0-9, '-', '_', '*' and single "
          "'.'");
    }
    if (!seen.insert(*name).second) {
      item.Expected("each name once", "it again");
    }
    names.push_back(*name);
  }
  return names;
}

// What only a proxy could judge has no place in a denial.
void RefuseProxy(const Field& field) {
  for (absl::string_view name : {"rules", "serverNames", "terminatingTLS",
                                 "originatingTLS", "listener"}) {
    Refuse(field[name],
           absl::StrCat("no ", name,
                        " in a denial, which is by address and port alone"));
  }
}

void ReadProxyFields(const Field& field, const CiliumSection& section,
                     CiliumPortRule& rule) {
  ReadCiliumL7Rules(field["rules"], section, rule);
  rule.server_names = ReadServerNames(field["serverNames"]);
  rule.terminating_tls = ReadTlsContext(field["terminatingTLS"]);
  rule.originating_tls = ReadTlsContext(field["originatingTLS"]);
  rule.listener = ReadListener(field["listener"], section);
  const bool has_rules = !rule.http.empty() || !rule.dns.empty();
  if (has_rules && !rule.server_names.empty() &&
      !rule.terminating_tls.has_value()) {
    field["serverNames"].Expected(
        "terminatingTLS, if there are serverNames and rules, which are inside "
        "of TLS",
        "none");
  }
  if (section.is_ingress) {
    Refuse(field["listener"], "no listener at ingress");
  }
  if (has_rules) {
    Refuse(field["listener"], "no listener beside rules, which it replaces");
  }
}

CiliumPortRule ReadRule(const Field& field, const CiliumSection& section) {
  CiliumPortRule rule;
  field.HasOnly({"ports", "rules", "serverNames", "terminatingTLS",
                 "originatingTLS", "listener"});
  if (!field.is_map()) return rule;
  for (const Field& port :
       ReadNeeded(field["ports"], kMostPorts, "ports",
                  "a port, such as {port: \"0\"} for all: none is none")) {
    rule.ports.push_back(ReadPortRule(port));
  }
  if (section.is_denial) {
    RefuseProxy(field);
  } else {
    ReadProxyFields(field, section, rule);
  }
  return rule;
}

}  // namespace

std::vector<CiliumPortRule> ReadCiliumPortRules(const Field& rules,
                                                const CiliumSection& section) {
  std::vector<CiliumPortRule> read;
  for (const Field& rule : rules.Items()) {
    read.push_back(ReadRule(rule, section));
  }
  return read;
}

}  // namespace ciliumcore::internal
