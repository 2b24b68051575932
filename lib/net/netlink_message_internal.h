// SPDX-License-Identifier: Apache-2.0

// The bytes of rtnetlink: requests with attributes, and what comes back.

#ifndef CILIUMCORE_LIB_NET_NETLINK_MESSAGE_INTERNAL_H_
#define CILIUMCORE_LIB_NET_NETLINK_MESSAGE_INTERNAL_H_

#include <linux/netlink.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::internal {

// A message being written. The family header (ifinfomsg, rtmsg, ...) comes
// first, then the attributes.
class NetlinkRequest {
 public:
  template <typename Header>
  NetlinkRequest(uint16_t type, uint16_t flags, const Header& header)
      : type_(type), flags_(flags) {
    AppendHeader(header);
  }

  template <typename Header>
  void AppendHeader(const Header& header) {
    body_.append(reinterpret_cast<const char*>(&header), sizeof(header));
    Pad();
  }

  void Add(uint16_t type, absl::string_view data);
  // With the NUL that the kernel wants.
  void AddText(uint16_t type, absl::string_view text);
  // 4 bytes or 16.
  void AddAddress(uint16_t type, const IpAddress& address);
  template <typename T>
  void AddValue(uint16_t type, const T& value) {
    Add(type, absl::string_view(reinterpret_cast<const char*>(&value),
                                sizeof(value)));
  }
  // What `fill` adds is inside the attribute.
  void AddNested(uint16_t type, absl::FunctionRef<void()> fill);

  bool is_dump() const { return (flags_ & NLM_F_DUMP) == NLM_F_DUMP; }

  // The whole message.
  std::string Encode(uint32_t sequence) const;

 private:
  void Pad() { body_.resize(NLMSG_ALIGN(body_.size())); }

  uint16_t type_;
  uint16_t flags_;
  std::string body_;
};

struct NetlinkAttribute {
  uint16_t type = 0;  // without flags
  absl::string_view data;

  // What is missing is zero.
  template <typename T>
  T Value() const {
    T value = {};
    std::memcpy(&value, data.data(), std::min(sizeof(value), data.size()));
    return value;
  }
  // Without the NUL.
  std::string Text() const;
  // None if the length is no address's.
  std::optional<IpAddress> Address() const;
};

// One message that came back.
struct NetlinkAnswer {
  absl::string_view body;

  template <typename Header>
  Header Head() const {
    return NetlinkAttribute{.type = 0, .data = body}.Value<Header>();
  }
  // The attributes behind a header of `head` bytes.
  void ForEach(size_t head,
               absl::FunctionRef<void(const NetlinkAttribute&)> visit) const;
};

// The attributes in `bytes`; what is malformed ends it.
void ForEachAttribute(absl::string_view bytes,
                      absl::FunctionRef<void(const NetlinkAttribute&)> visit);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_NET_NETLINK_MESSAGE_INTERNAL_H_
