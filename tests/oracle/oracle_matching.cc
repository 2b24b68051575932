// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/oracle_matching.h"

#include <cctype>

namespace ciliumcore::testing {
namespace {

// '*' is any number of characters but '.', none too.
bool IsLike(const std::string& text, size_t at, const std::string& pattern,
            size_t from) {
  if (from == pattern.size()) return at == text.size();
  if (pattern[from] != '*') {
    return at < text.size() && text[at] == pattern[from] &&
           IsLike(text, at + 1, pattern, from + 1);
  }
  return IsLike(text, at, pattern, from + 1) ||
         (at < text.size() && text[at] != '.' &&
          IsLike(text, at + 1, pattern, from));
}

std::string Plain(std::string name) {
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace

SelectorKey::SelectorKey(const std::string& written) : key(written) {
  const size_t colon = written.find(':');
  if (colon == std::string::npos) return;
  if (written.substr(0, colon) != "any") source = written.substr(0, colon);
  key = written.substr(colon + 1);
}

// Bit by bit.
bool IsInside(const IpAddress& address, const IpPrefix& prefix) {
  if (address.is_v4() != prefix.is_v4()) return false;
  const int bits = prefix.is_v4() ? prefix.length() + 96 : prefix.length();
  for (int bit = 0; bit < bits; ++bit) {
    const int difference =
        address.bytes()[bit / 8] ^ prefix.address().bytes()[bit / 8];
    if (difference & (0x80 >> (bit % 8))) return false;
  }
  return true;
}

bool IsInsideAny(const std::optional<IpAddress>& address,
                 const std::vector<IpPrefix>& prefixes) {
  return address.has_value() && std::any_of(prefixes.begin(), prefixes.end(),
                                            [&](const IpPrefix& prefix) {
                                              return IsInside(*address, prefix);
                                            });
}

bool IsInRange(uint16_t port, uint16_t first, std::optional<uint16_t> last) {
  return first <= port && port <= last.value_or(first);
}

bool Calls(const PolicyEndpoint* pod, const std::string& name,
           Protocol protocol, uint16_t port) {
  if (pod == nullptr) return false;
  return std::any_of(
      pod->ports.begin(), pod->ports.end(), [&](const NamedPort& named) {
        return named.name == name && named.port.protocol == protocol &&
               named.port.port == port;
      });
}

bool Means(const DnsMatch& match, const std::string& name) {
  if (!match.name.empty()) return Plain(match.name) == name;
  const std::string pattern = Plain(match.pattern);
  if (pattern.empty()) return false;
  if (pattern.find_first_not_of('*') == std::string::npos) return true;
  // What "**." or "***." stands for ends at a dot, and has a label or more.
  const size_t rest = pattern.find_first_not_of('*');
  if (rest < 2 || pattern[rest] != '.') return IsLike(name, 0, pattern, 0);
  for (size_t dot = name.find('.', 1); dot != std::string::npos;
       dot = name.find('.', dot + 1)) {
    if (IsLike(name, dot + 1, pattern, rest + 1)) return true;
  }
  return false;
}

}  // namespace ciliumcore::testing
