// SPDX-License-Identifier: Apache-2.0

#include "lib/net/netlink_message_internal.h"

#include <array>

namespace ciliumcore::internal {

void NetlinkRequest::Add(uint16_t type, absl::string_view data) {
  const nlattr attribute = {
      .nla_len = static_cast<uint16_t>(NLA_HDRLEN + data.size()),
      .nla_type = type};
  body_.append(reinterpret_cast<const char*>(&attribute), sizeof(attribute));
  body_.append(data.data(), data.size());
  Pad();
}

void NetlinkRequest::AddText(uint16_t type, absl::string_view text) {
  std::string terminated(text);
  terminated.push_back('\0');
  Add(type, terminated);
}

void NetlinkRequest::AddAddress(uint16_t type, const IpAddress& address) {
  const auto& bytes = address.bytes();
  const size_t skip = address.is_v4() ? 12 : 0;
  Add(type,
      absl::string_view(reinterpret_cast<const char*>(bytes.data()) + skip,
                        bytes.size() - skip));
}

void NetlinkRequest::AddNested(uint16_t type, absl::FunctionRef<void()> fill) {
  const size_t at = body_.size();
  body_.append(NLA_HDRLEN, '\0');
  fill();
  const nlattr attribute = {
      .nla_len = static_cast<uint16_t>(body_.size() - at),
      .nla_type = static_cast<uint16_t>(type | NLA_F_NESTED)};
  std::memcpy(body_.data() + at, &attribute, sizeof(attribute));
}

std::string NetlinkRequest::Encode(uint32_t sequence) const {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + body_.size());
  header.nlmsg_type = type_;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags_);
  header.nlmsg_seq = sequence;
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
         body_;
}

std::string NetlinkAttribute::Text() const {
  return std::string(data.substr(0, data.find('\0')));
}

std::optional<IpAddress> NetlinkAttribute::Address() const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  if (data.size() == 4) {
    return IpAddress::FromV4(uint32_t{bytes[0]} << 24 |
                             uint32_t{bytes[1]} << 16 |
                             uint32_t{bytes[2]} << 8 | uint32_t{bytes[3]});
  }
  if (data.size() != 16) return std::nullopt;
  return IpAddress::FromBytes(Value<std::array<uint8_t, 16>>());
}

void NetlinkAnswer::ForEach(
    size_t head, absl::FunctionRef<void(const NetlinkAttribute&)> visit) const {
  const size_t aligned = NLMSG_ALIGN(head);
  if (body.size() > aligned) ForEachAttribute(body.substr(aligned), visit);
}

void ForEachAttribute(absl::string_view bytes,
                      absl::FunctionRef<void(const NetlinkAttribute&)> visit) {
  while (bytes.size() >= NLA_HDRLEN) {
    const auto header =
        NetlinkAttribute{.type = 0, .data = bytes}.Value<nlattr>();
    if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) return;
    visit({.type = static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
           .data = bytes.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN)});
    bytes.remove_prefix(
        std::min<size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  }
}

}  // namespace ciliumcore::internal
