// Loads BPF objects into the running kernel and prints, per program, how many
// instructions the verifier walked:
//
//   object <tab> program <tab> instructions, or "refused"
//
// The verifier's last words on a refused program go to stderr. Fails if any
// object was refused.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kLogBytes = 16 << 20;
constexpr size_t kLastWords = 2000;

struct ObjectCloser {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

std::string_view NameOf(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  return path.substr(0, path.find(".bpf.o"));
}

void Print(std::string_view object, const char* program,
           const std::string& result) {
  std::printf("%.*s\t%s\t%s\n", static_cast<int>(object.size()), object.data(),
              program, result.c_str());
}

bool Load(const char* path) {
  std::unique_ptr<bpf_object, ObjectCloser> object(
      bpf_object__open_file(path, nullptr));
  if (object == nullptr) {
    std::fprintf(stderr, "%s: %s\n", path, std::strerror(errno));
    return false;
  }

  std::vector<std::unique_ptr<std::vector<char>>> logs;
  bpf_program* program;
  bpf_object__for_each_program(program, object.get()) {
    logs.push_back(std::make_unique<std::vector<char>>(kLogBytes));
    bpf_program__set_log_buf(program, logs.back()->data(), kLogBytes);
  }
  const bool loaded = bpf_object__load(object.get()) == 0;

  size_t i = 0;
  bpf_object__for_each_program(program, object.get()) {
    const char* name = bpf_program__name(program);
    const std::string_view log = logs[i++]->data();
    bpf_prog_info info = {};
    __u32 bytes = sizeof(info);
    if (loaded &&
        bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes) == 0) {
      Print(NameOf(path), name, std::to_string(info.verified_insns));
    } else if (!log.empty()) {
      Print(NameOf(path), name, "refused");
      const std::string_view last =
          log.substr(log.size() - std::min(log.size(), kLastWords));
      std::fprintf(stderr, "%s:\n%.*s\n", name, static_cast<int>(last.size()),
                   last.data());
    }
  }
  if (!loaded) Print(NameOf(path), "(object)", "refused");
  return loaded;
}

}  // namespace

int main(int argc, char** argv) {
  libbpf_set_print([](libbpf_print_level level, const char* format,
                      va_list args) {
    // Program logs are ours to print, and long.
    if (level != LIBBPF_WARN || std::strstr(format, "PROG LOAD LOG") != nullptr)
      return 0;
    return std::vfprintf(stderr, format, args);
  });
  bool all = true;
  for (int i = 1; i < argc; ++i) all &= Load(argv[i]);
  return all ? 0 : 1;
}
