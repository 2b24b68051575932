// SPDX-License-Identifier: Apache-2.0

// Values as bytes and back, in host order: for what stays on this machine.

#ifndef CILIUMCORE_LIB_DATAPATH_BYTE_CODEC_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_BYTE_CODEC_INTERNAL_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::internal {

class ByteWriter {
 public:
  template <typename T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Put(absl::string_view text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text.data(), text.size());
  }
  void Put(const IpAddress& address) {
    bytes_.append(reinterpret_cast<const char*>(address.bytes().data()), 16);
  }

  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what a ByteWriter wrote. After the first read beyond the end all others
// give zeros, and ok() is false.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Get() {
    T value = {};
    const absl::string_view bytes = Bytes(sizeof(T));
    if (ok_) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string GetText() { return std::string(Bytes(Get<uint32_t>())); }
  IpAddress GetAddress() {
    std::array<uint8_t, 16> bytes = {};
    const absl::string_view from = Bytes(sizeof(bytes));
    if (ok_) std::memcpy(bytes.data(), from.data(), sizeof(bytes));
    return IpAddress::FromBytes(bytes);
  }
  // How many items follow; each takes at least one byte.
  uint32_t GetCount() {
    const auto count = Get<uint32_t>();
    ok_ = ok_ && count <= rest_.size();
    return ok_ ? count : 0;
  }

  bool ok() const { return ok_; }
  // All was read, and nothing beyond.
  bool done() const { return ok_ && rest_.empty(); }

 private:
  absl::string_view Bytes(size_t count) {
    ok_ = ok_ && count <= rest_.size();
    if (!ok_) return {};
    const absl::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_BYTE_CODEC_INTERNAL_H_
