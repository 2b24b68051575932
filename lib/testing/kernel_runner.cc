// SPDX-License-Identifier: Apache-2.0

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/testing/program.h"
#include "lib/testing/program_internal.h"

// Needs the definition of cc_config.
#include "bpf/endpoint.skel.h"

namespace ciliumcore::testing {
namespace {

constexpr size_t kRoomToGrow = 256;

// What libbpf said last, for the status of a failed load.
thread_local std::string* said = nullptr;

int Listen(libbpf_print_level level, const char* format, va_list args) {
  if (said == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[4096];
  std::vsnprintf(line, sizeof(line), format, args);
  said->append(line);
  if (said->size() > 8192) said->erase(0, said->size() - 8192);
  return 0;
}

class KernelRunner : public ProgramRunner {
 public:
  ~KernelRunner() override {
    ring_buffer__free(events_);
    endpoint::destroy(skeleton_);
  }

  absl::Status Load(const ProgramOptions& options) {
    std::string complaints;
    said = &complaints;
    const libbpf_print_fn_t before = libbpf_set_print(Listen);
    absl::Status status = LoadListening(options);
    libbpf_set_print(before);
    said = nullptr;
    if (status.ok()) return status;
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "\n", complaints));
  }

  absl::StatusOr<ProgramOutput> Run(const ProgramInput& input) override {
    __sk_buff context = {};
    context.ifindex = input.ifindex;
    context.ingress_ifindex = input.ingress_ifindex;
    buffer_.resize(input.packet.size() + kRoomToGrow);
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = input.packet.data();
    run.data_size_in = static_cast<uint32_t>(input.packet.size());
    run.data_out = buffer_.data();
    run.data_size_out = static_cast<uint32_t>(buffer_.size());
    run.ctx_in = &context;
    run.ctx_size_in = sizeof(context);
    const int error = bpf_prog_test_run_opts(
        bpf_program__fd(input.program == Program::kFromEndpoint
                            ? skeleton_->progs.cc_from_endpoint
                            : skeleton_->progs.cc_to_endpoint),
        &run);
    if (error != 0) return absl::ErrnoToStatus(-error, "BPF_PROG_TEST_RUN");
    read_ = {};
    if (const int read = ring_buffer__consume(events_); read < 0)
      return absl::InternalError("event of another size");
    return ProgramOutput{
        .action = static_cast<Action>(run.retval),
        .redirect = {},
        .packet = std::string(buffer_.data(), run.data_size_out),
        .events = std::move(read_.events),
        .ends = std::move(read_.ends)};
  }

  absl::Status PutBytes(absl::string_view name, const void* key,
                        const void* value) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    const int error =
        bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY);
    return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(-error, name);
  }

  absl::StatusOr<std::string> GetBytes(absl::string_view name,
                                       const void* key) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    std::string value(Stride(map) * Copies(map), '\0');
    const int error = bpf_map_lookup_elem(bpf_map__fd(map), key, value.data());
    if (error != 0) return absl::ErrnoToStatus(-error, name);
    return Total(map, value.data());
  }

  absl::StatusOr<UniqueFd> MapFd(absl::string_view name) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    UniqueFd fd(fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0));
    if (!fd.valid()) return absl::ErrnoToStatus(errno, name);
    return fd;
  }

  absl::Status EraseBytes(absl::string_view name, const void* key) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    const int error = bpf_map_delete_elem(bpf_map__fd(map), key);
    return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(-error, name);
  }

  absl::StatusOr<std::map<std::string, std::string>> Dump(
      absl::string_view name) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    const size_t key_size = bpf_map__key_size(map);
    const size_t stride = Stride(map) * Copies(map);
    const uint32_t room = bpf_map__max_entries(map);
    std::string keys(key_size * room, '\0'), values(stride * room, '\0');
    // Large enough for the kernel's position in any kind of map.
    char position[64];
    uint32_t count = room;
    int error =
        bpf_map_lookup_batch(bpf_map__fd(map), nullptr, position, keys.data(),
                             values.data(), &count, nullptr);
    if (error != 0 && error != -ENOENT) {
      return absl::ErrnoToStatus(-error, name);
    }
    std::map<std::string, std::string> entries;
    for (uint32_t i = 0; i < count; ++i) {
      std::string value = Total(map, values.data() + i * stride);
      if (IsArray(map) && value.find_first_not_of('\0') == std::string::npos) {
        continue;
      }
      entries.emplace(keys.substr(i * key_size, key_size), std::move(value));
    }
    return entries;
  }

 protected:
  absl::Status EraseOrZero(absl::string_view name,
                           const std::string& key) override {
    const bpf_map* map = Find(name);
    if (map == nullptr) return NoMap(name);
    if (!IsArray(map)) return EraseBytes(name, key.data());
    return PutBytes(name, key.data(),
                    std::string(Stride(map) * Copies(map), '\0').data());
  }

 private:
  absl::Status LoadListening(const ProgramOptions& options) {
    skeleton_ = endpoint::open();
    if (skeleton_ == nullptr) return absl::ErrnoToStatus(errno, "open");
    skeleton_->rodata_config->cc_config_data = options.config;
    for (const auto& [name, entries] : options.entries) {
      bpf_map* map = bpf_object__find_map_by_name(skeleton_->obj, name.c_str());
      if (map == nullptr) return NoMap(name);
      bpf_map__set_max_entries(map, entries);
    }
    const int error = endpoint::load(skeleton_);
    if (error != 0) return absl::ErrnoToStatus(-error, "load");
    events_ = ring_buffer__new(
        bpf_map__fd(skeleton_->maps.cc_events),
        [](void* self, void* record, size_t size) {
          auto* runner = static_cast<KernelRunner*>(self);
          return AddEvent(record, size, runner->read_) ? 0 : -EBADMSG;
        },
        this, nullptr);
    if (events_ == nullptr) return absl::ErrnoToStatus(errno, "cc_events");
    return absl::OkStatus();
  }

  const bpf_map* Find(absl::string_view name) {
    auto it = by_name_.find(name);
    if (it != by_name_.end()) return it->second;
    const bpf_map* map =
        bpf_object__find_map_by_name(skeleton_->obj, std::string(name).c_str());
    by_name_.emplace(std::string(name), map);
    return map;
  }

  static absl::Status NoMap(absl::string_view name) {
    return absl::NotFoundError(absl::StrCat("no program has a map ", name));
  }

  static bool IsPerCpu(const bpf_map* map) {
    return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY ||
           bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_HASH;
  }
  static bool IsArray(const bpf_map* map) {
    return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY ||
           bpf_map__type(map) == BPF_MAP_TYPE_ARRAY;
  }
  // What the kernel copies of a value, and how many of them.
  static size_t Stride(const bpf_map* map) {
    const size_t size = bpf_map__value_size(map);
    return IsPerCpu(map) ? (size + 7) / 8 * 8 : size;
  }
  static size_t Copies(const bpf_map* map) {
    static const int cpus = libbpf_num_possible_cpus();
    return IsPerCpu(map) ? static_cast<size_t>(cpus) : 1;
  }

  static std::string Total(const bpf_map* map, const char* copies) {
    const size_t size = bpf_map__value_size(map);
    std::string total(copies, size);
    for (size_t copy = 1; copy < Copies(map); ++copy) {
      for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t sum, more;
        std::memcpy(&sum, total.data() + at, 8);
        std::memcpy(&more, copies + copy * Stride(map) + at, 8);
        sum += more;
        std::memcpy(total.data() + at, &sum, 8);
      }
    }
    return total;
  }

  endpoint* skeleton_ = nullptr;
  ring_buffer* events_ = nullptr;
  std::map<std::string, const bpf_map*, std::less<>> by_name_;
  ProgramOutput read_;  // its events only
  std::vector<char> buffer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProgramRunner>> ProgramRunner::InKernel(
    const ProgramOptions& options) {
  auto runner = std::make_unique<KernelRunner>();
  absl::Status status = runner->Load(options);
  if (!status.ok()) return status;
  return runner;
}

}  // namespace ciliumcore::testing
