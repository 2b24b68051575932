// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/random_source.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ciliumcore/policy/cluster.h"

namespace ciliumcore::testing {

using Operator = LabelSelector::Operator;

const std::vector<std::string>& Namespaces() {
  static const auto* names =
      new std::vector<std::string>{"blue", "green", "red"};
  return *names;
}

const std::vector<std::string>& PortNames() {
  static const auto* names = new std::vector<std::string>{"http", "dns", "adm"};
  return *names;
}

const std::vector<Protocol>& Transports() {
  static const auto* protocols = new std::vector<Protocol>{
      Protocol::kTcp, Protocol::kTcp, Protocol::kUdp, Protocol::kSctp};
  return *protocols;
}

const std::vector<uint16_t>& Ports() {
  static const auto* ports = new std::vector<uint16_t>{
      1, 53, 79, 80, 81, 82, 255, 256, 8080, 32767, 65534, 65535};
  return *ports;
}

Labels RandomSource::PodLabels() {
  Labels labels;
  if (Chance(85)) {
    labels.Set("app", OneOf<std::string>({"web", "db", "cache"}));
  }
  if (Chance(50)) labels.Set("tier", OneOf<std::string>({"front", "back", ""}));
  if (Chance(20)) labels.Set("example.com/canary", "yes");
  return labels;
}

Labels RandomSource::NamespaceLabels(const std::string& name) {
  Labels labels;
  if (Chance(60)) labels.Set("team", OneOf<std::string>({"one", "two"}));
  if (Chance(30)) labels.Set("app", "web");  // a pod's label is no namespace's
  return MakeNamespace(name, labels).labels;
}

LabelSelector RandomSource::Selector(bool of_namespaces) {
  LabelSelector selector;
  const auto value = [&](const std::string& key) -> std::string {
    if (key == "app") return OneOf<std::string>({"web", "db", "cache", "none"});
    if (key == "tier") return OneOf<std::string>({"front", "back", ""});
    if (key == "team") return OneOf<std::string>({"one", "two"});
    if (key == "kubernetes.io/metadata.name") return OneOf(Namespaces());
    return OneOf<std::string>({"yes", "no"});
  };
  const auto key = [&]() -> std::string {
    if (of_namespaces) {
      return OneOf<std::string>(
          {"team", "team", "kubernetes.io/metadata.name", "app"});
    }
    return OneOf<std::string>({"app", "app", "tier", "example.com/canary"});
  };
  if (Chance(15)) return selector;  // everything
  if (Chance(60)) {
    const std::string chosen = key();
    selector.match_labels.emplace_back(chosen, value(chosen));
  }
  for (uint32_t terms = Below(3); terms > 0; --terms) {
    LabelSelector::Requirement term;
    term.key = key();
    term.op = OneOf<Operator>({Operator::kIn, Operator::kNotIn,
                               Operator::kExists, Operator::kDoesNotExist});
    if (term.op == Operator::kIn || term.op == Operator::kNotIn) {
      term.values.push_back(value(term.key));
      if (Chance(40)) term.values.push_back(value(term.key));
    }
    selector.match_expressions.push_back(std::move(term));
  }
  return selector;
}

IpAddress RandomSource::Address() {
  if (Chance(60)) {
    return IpAddress::FromV4(
        OneOf<uint32_t>({0x0a000000, 0x0a000100, 0x0a010000, 0xc0a80000}) +
        Below(Chance(80) ? 12 : 256));
  }
  std::array<uint8_t, 16> bytes = {};
  if (Chance(90)) {
    bytes[0] = 0xfd;
    bytes[7] = static_cast<uint8_t>(Below(2));
  }
  bytes[15] = static_cast<uint8_t>(2 + Below(12));
  return IpAddress::FromBytes(bytes);
}

IpPrefix RandomSource::Prefix(const IpAddress& around) {
  static const std::vector<int> kV4 = {0,  8,  15, 16, 23, 24,
                                       28, 29, 30, 31, 32};
  static const std::vector<int> kV6 = {0,   8,   63,  64,  80, 96,
                                       120, 125, 126, 127, 128};
  return IpPrefix::Of(around, OneOf(around.is_v4() ? kV4 : kV6));
}

std::vector<IpPrefix> RandomSource::Exceptions(const IpPrefix& prefix) {
  std::vector<IpPrefix> exceptions;
  for (uint32_t tries = Below(4); tries > 0; --tries) {
    const IpPrefix except = Prefix(Address());
    const bool is_inside =
        except.is_v4() == prefix.is_v4() && except.length() > prefix.length() &&
        IpPrefix::Of(except.address(), prefix.length()) == prefix;
    if (is_inside) exceptions.push_back(except);
  }
  return exceptions;
}

PortRule RandomSource::Port() {
  PortRule port;
  port.protocol = OneOf(Transports());
  if (Chance(30)) {
    port.name = OneOf(PortNames());
  } else if (Chance(85)) {
    port.port = OneOf(Ports());
    if (Chance(30)) {
      port.end_port = std::max(*port.port, OneOf(Ports()));
    }
  }
  return port;
}

}  // namespace ciliumcore::testing
