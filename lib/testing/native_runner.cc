// SPDX-License-Identifier: Apache-2.0

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bpf/native/programs.h"
#include "bpf/native/world.h"
#include "ciliumcore/testing/program.h"
#include "lib/testing/program_internal.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kCpus = 1;

class NativeRunner : public ProgramRunner {
 public:
  explicit NativeRunner(const ProgramOptions& options)
      : world_({.entries = options.entries, .cpus = kCpus}), fib_(options.fib) {
    world_.config = options.config;
    if (!fib_) return;
    world_.fib = [this](bpf_fib_lookup* params) -> long {
      cc_addr dst = {{0, 0, __builtin_bswap32(0xffff), params->ipv4_dst}};
      if (params->family == AF_INET6) {
        std::memcpy(&dst, params->ipv6_dst, sizeof(dst));
      }
      const FibAnswer answer = fib_(dst);
      params->ifindex = answer.ifindex;
      return static_cast<long>(answer.found);
    };
  }

  absl::StatusOr<ProgramOutput> Run(const ProgramInput& input) override {
    native::Packet packet(input.packet.data(), input.packet.size(),
                          input.linear);
    packet.ctx()->ifindex = input.ifindex;
    packet.ctx()->ingress_ifindex = input.ingress_ifindex;
    world_.events.clear();
    world_.event_bytes_free = 1 << 20;
    const int action =
        native::Run(world_,
                    input.program == Program::kFromEndpoint ? cc_from_endpoint
                                                            : cc_to_endpoint,
                    packet);
    ProgramOutput output = {.action = static_cast<Action>(action),
                            .redirect = {},
                            .packet = packet.bytes(),
                            .events = {},
                            .ends = {}};
    if (output.action == Action::kRedirect) {
      output.redirect = TargetOf(world_.redirect);
    }
    for (const std::string& bytes : world_.events) {
      if (!AddEvent(bytes.data(), bytes.size(), output))
        return absl::InternalError("event of another size");
    }
    return output;
  }

  absl::Status PutBytes(absl::string_view name, const void* key,
                        const void* value) override {
    native::Map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    return ToStatus(map->Update(key, value, BPF_ANY), name);
  }

  absl::StatusOr<std::string> GetBytes(absl::string_view name,
                                       const void* key) override {
    native::Map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    const void* value = map->Lookup(key);
    if (value == nullptr) return absl::NotFoundError(name);
    return std::string(static_cast<const char*>(value), map->value_size());
  }

  absl::StatusOr<UniqueFd> MapFd(absl::string_view name) override {
    return absl::UnimplementedError(
        absl::StrCat("map ", name, " is in this process"));
  }

  absl::Status EraseBytes(absl::string_view name, const void* key) override {
    native::Map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    return ToStatus(map->Erase(key), name);
  }

  absl::StatusOr<std::map<std::string, std::string>> Dump(
      absl::string_view name) override {
    native::Map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    std::map<std::string, std::string> entries;
    const bool is_array = IsArray(*map);
    map->ForEach([&](const void* key, const void* value) {
      std::string bytes(static_cast<const char*>(value), map->value_size());
      if (is_array && bytes.find_first_not_of('\0') == std::string::npos) {
        return;
      }
      entries.emplace(
          std::string(static_cast<const char*>(key), map->key_size()),
          std::move(bytes));
    });
    return entries;
  }

 protected:
  absl::Status EraseOrZero(absl::string_view name,
                           const std::string& key) override {
    native::Map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    if (!IsArray(*map)) return EraseBytes(name, key.data());
    return PutBytes(name, key.data(),
                    std::string(map->value_size(), '\0').data());
  }

 private:
  static RedirectTarget TargetOf(const native::Redirect& redirect) {
    using From = native::Redirect::Kind;
    using To = RedirectTarget::Kind;
    return {.kind = redirect.kind == From::kPeer       ? To::kPeer
                    : redirect.kind == From::kNeighbor ? To::kNeighbor
                                                       : To::kDevice,
            .ifindex = redirect.ifindex};
  }

  static bool IsArray(const native::Map& map) {
    return map.type() == BPF_MAP_TYPE_ARRAY ||
           map.type() == BPF_MAP_TYPE_PERCPU_ARRAY;
  }

  static absl::Status NoMap(absl::string_view name) {
    return absl::NotFoundError(absl::StrCat("no program has a map ", name));
  }

  static absl::Status ToStatus(int error, absl::string_view name) {
    return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(-error, name);
  }

  native::Map* Find(absl::string_view name) {
    return world_.FindMap(std::string(name));
  }

  native::World world_;
  std::function<FibAnswer(const cc_addr&)> fib_;
};

}  // namespace

std::unique_ptr<ProgramRunner> ProgramRunner::Native(
    const ProgramOptions& options) {
  return std::make_unique<NativeRunner>(options);
}

}  // namespace ciliumcore::testing
