// SPDX-License-Identifier: Apache-2.0

// `toPorts` of Cilium's policies as values: ports, and what a proxy must know
// to judge what is said there.

#ifndef CILIUMCORE_POLICY_CILIUM_PORT_RULE_H_
#define CILIUMCORE_POLICY_CILIUM_PORT_RULE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore {

// DNS names, as written: exactly one of a name and a pattern. Of a pattern, '*'
// is any number of characters but '.', a leading "**." one or more whole labels
// and their '.', and nothing but '*' every name. Case and a last '.' do not
// matter.
struct DnsMatch {
  std::string name = {};
  std::string pattern = {};

  friend bool operator==(const DnsMatch&, const DnsMatch&) = default;
};

// A Secret by its name.
struct SecretRef {
  std::string ns = {};  // empty: as the context says
  std::string name = {};

  friend bool operator==(const SecretRef&, const SecretRef&) = default;
};

// A header that a request must have, with the value, if there is one, or that
// of the secret, which goes first.
struct HttpHeaderMatch {
  // What becomes of a request without: it is refused, or goes on as it is, with
  // the header added, removed or replaced; all of which is logged.
  enum class Mismatch : uint8_t { kRefuse, kLog, kAdd, kDelete, kReplace };

  std::string name = {};
  std::string value = {};
  std::optional<SecretRef> secret = {};
  Mismatch mismatch = Mismatch::kRefuse;

  friend bool operator==(const HttpHeaderMatch&,
                         const HttpHeaderMatch&) = default;
};

// Requests that all of it matches. Path, method and host are regular
// expressions of RE2 for the whole text; empty, they match any.
struct HttpRule {
  std::string path = {};
  std::string method = {};
  std::string host = {};
  std::vector<std::string> headers = {};  // "X-Token" or "X-Token: value"
  std::vector<HttpHeaderMatch> header_matches = {};

  friend bool operator==(const HttpRule&, const HttpRule&) = default;
};

// Certificates for a TLS connection: items of a secret; of a name that is
// empty, Cilium looks for ca.crt, tls.crt and tls.key.
struct TlsContext {
  SecretRef secret = {};
  std::string trusted_ca = {};
  std::string certificate = {};
  std::string private_key = {};

  friend bool operator==(const TlsContext&, const TlsContext&) = default;
};

// A listener of an Envoy configuration that judges instead.
struct EnvoyListener {
  // CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig, with the default filled
  // in: that of the policy's scope.
  std::string config_kind = {};
  std::string config_name = {};
  std::string name = {};
  uint8_t priority = 0;  // 1..100; 0: the default

  friend bool operator==(const EnvoyListener&, const EnvoyListener&) = default;
};

// Any of the ports; without any, nothing. On them, only what a proxy finds to
// match, if there is something for it.
struct CiliumPortRule {
  // Of Protocol::kAny: TCP, UDP and SCTP. Names are in small letters. Port 0 is
  // written as no port, which is every port.
  std::vector<PortRule> ports = {};
  // At most one of them has elements: requests, or names that are asked for.
  std::vector<HttpRule> http = {};
  std::vector<DnsMatch> dns = {};
  std::vector<std::string> server_names = {};  // patterns, of TLS: SNI
  std::optional<TlsContext> terminating_tls = {};
  std::optional<TlsContext> originating_tls = {};
  std::optional<EnvoyListener> listener = {};

  // Whether the ports alone do not decide.
  bool needs_proxy() const {
    return !http.empty() || !dns.empty() || !server_names.empty() ||
           terminating_tls.has_value() || originating_tls.has_value() ||
           listener.has_value();
  }

  friend bool operator==(const CiliumPortRule&,
                         const CiliumPortRule&) = default;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_CILIUM_PORT_RULE_H_
