// SPDX-License-Identifier: Apache-2.0

// What a proxy is to judge: HTTP and DNS in Cilium's policies.

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/dns_match_internal.h"
#include "lib/policy/manifest_cilium_internal.h"
#include "lib/policy/regex_fault_internal.h"

namespace ciliumcore::internal {
namespace {

using Mismatch = HttpHeaderMatch::Mismatch;

constexpr size_t kLongestDnsName = 255;

std::string ReadRegex(const Field& field) {
  std::string regex = field.String().value_or("");
  const std::string fault = RegexFault(regex);
  if (!fault.empty()) field.Expected("a regular expression of RE2", fault);
  return regex;
}

Mismatch ReadMismatch(const Field& field) {
  constexpr std::array<std::pair<absl::string_view, Mismatch>, 4> kNames = {{
      {"LOG", Mismatch::kLog},
      {"ADD", Mismatch::kAdd},
      {"DELETE", Mismatch::kDelete},
      {"REPLACE", Mismatch::kReplace},
  }};
  const auto text = field.String();
  if (!text.has_value()) return Mismatch::kRefuse;
  for (const auto& [name, mismatch] : kNames) {
    if (*text == name) return mismatch;
  }
  field.Expected("LOG, ADD, DELETE or REPLACE");
  return Mismatch::kRefuse;
}

HttpHeaderMatch ReadHeaderMatch(const Field& field) {
  HttpHeaderMatch match;
  if (!field.HasOnly({"name", "value", "secret", "mismatch"})) return match;
  match.name = ReadRequired(field["name"], "the name of a header");
  match.value = field["value"].String().value_or("");
  if (field["secret"].present()) match.secret = ReadSecretRef(field["secret"]);
  match.mismatch = ReadMismatch(field["mismatch"]);
  return match;
}

HttpRule ReadHttpRule(const Field& field) {
  HttpRule rule;
  if (!field.HasOnly({"path", "method", "host", "headers", "headerMatches"})) {
    return rule;
  }
  rule.path = ReadRegex(field["path"]);
  rule.method = ReadRegex(field["method"]);
  rule.host = ReadRegex(field["host"]);
  for (const Field& header : field["headers"].Items()) {
    rule.headers.push_back(ReadRequired(header, "a header"));
  }
  for (const Field& match : field["headerMatches"].Items()) {
    rule.header_matches.push_back(ReadHeaderMatch(match));
  }
  return rule;
}

// Which ports a proxy can listen on for such rules.
void CheckPorts(const Field& rules, const CiliumPortRule& rule) {
  for (const PortRule& port : rule.ports) {
    if (!port.port.has_value() && port.name.empty()) {
      rules.Expected("no rules on port 0, which is every port");
      return;
    }
    if (!rule.http.empty() && port.protocol != Protocol::kTcp) {
      rules.Expected("http on ports of TCP only",
                     absl::StrCat(ProtocolName(port.protocol), " too"));
      return;
    }
    if (rule.dns.empty()) continue;
    if (port.protocol != Protocol::kTcp && port.protocol != Protocol::kUdp &&
        port.protocol != Protocol::kAny) {
      rules.Expected("dns on ports of TCP, UDP or ANY only",
                     absl::StrCat(ProtocolName(port.protocol), " too"));
      return;
    }
    if (port.end_port.has_value() && *port.end_port != *port.port) {
      rules.Expected("dns on single ports", "a range");
      return;
    }
  }
}

// An empty list is no rule at all for Cilium, and so allows everything.
template <typename Read>
auto ReadList(const Field& list, Read read) {
  std::vector<decltype(read(list))> rules;
  for (const Field& item :
       ReadUnlessEmpty(list, "a rule, since none would allow everything")) {
    rules.push_back(read(item));
  }
  return rules;
}

}  // namespace

SecretRef ReadSecretRef(const Field& secret) {
  if (!secret.HasOnly({"namespace", "name"})) return {};
  return {.ns = secret["namespace"].String().value_or(""),
          .name = ReadRequired(secret["name"], "the name of a secret")};
}

bool IsDnsMatch(absl::string_view text, bool is_pattern) {
  if (text.empty() || text.size() > kLongestDnsName || text.front() == '.' ||
      text.find("..") != absl::string_view::npos) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return IsInDnsLabel(c) || c == '.' || (is_pattern && c == '*');
  });
}

DnsMatch ReadDnsMatch(const Field& match) {
  DnsMatch read;
  if (!match.HasOnly({"matchName", "matchPattern"})) return read;
  const Field name = match["matchName"];
  const Field pattern = match["matchPattern"];
  if (name.present() == pattern.present()) {
    match.Expected("either a matchName or a matchPattern",
                   name.present() ? "both" : "neither");
  }
  read.name = name.String().value_or("");
  read.pattern = pattern.String().value_or("");
  if (name.present() && !IsDnsMatch(read.name, false)) {
    name.Expected(
        "a DNS name, at most 255 of A-Z, a-z, 0-9, '-', '_' and single '.'");
  }
  if (pattern.present() && !IsDnsMatch(read.pattern, true)) {
    pattern.Expected(
        "a pattern of DNS names, at most 255 of A-Z, a-z, 0-9, '-', '_', '*' "
        "and single '.'");
  }
  return read;
}

void ReadCiliumL7Rules(const Field& rules, const CiliumSection& section,
                       CiliumPortRule& rule) {
  if (!rules.HasOnly({"http", "dns", "kafka", "l7", "l7proto"})) return;
  for (absl::string_view name : {"kafka", "l7", "l7proto"}) {
    Refuse(rules[name],
           absl::StrCat("no ", name, ", which Cilium 1.20 removed"));
    if (rules[name].present()) return;
  }
  const Field http = rules["http"];
  const Field dns = rules["dns"];
  if (http.present() == dns.present()) {
    rules.Expected("either http or dns", http.present() ? "both" : "neither");
    return;
  }
  rule.http = ReadList(http, ReadHttpRule);
  rule.dns = ReadList(dns, ReadDnsMatch);
  if (section.is_ingress) {
    Refuse(dns, "no dns at ingress: it is who asks that is restricted");
  }
  if (section.is_of_nodes) {
    Refuse(http,
           "no http where nodes are the subjects: their traffic goes "
           "through no proxy");
  }
  CheckPorts(rules, rule);
}

}  // namespace ciliumcore::internal
