// SPDX-License-Identifier: Apache-2.0

// Runs a fuzzer's entry point without libFuzzer: on each file named on the
// command line, and on mutations of them, the same in every run.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 5000;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

// Changes a few bytes, or cuts, repeats or moves a piece; pieces may come from
// another seed.
std::string Mutate(std::string text, const std::vector<std::string>& seeds,
                   std::mt19937& random) {
  constexpr char kLetters[] = " \n\t:-[]{},'\"&*!|>%@#\\\x01\x7f\xff/0aZ~=;";
  for (int n = 1 + random() % 4; n > 0; --n) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    const std::string& other = seeds[random() % seeds.size()];
    const size_t from = other.empty() ? 0 : random() % other.size();
    switch (random() % 4) {
      case 0:
        text.erase(at, random() % 16);
        break;
      case 1:
        text.insert(at, 1, kLetters[random() % (sizeof(kLetters) - 1)]);
        break;
      case 2:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 3:
        text.insert(at, other.substr(from, random() % 64));
        break;
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> seeds = {""};
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 1;
    }
    seeds.emplace_back(std::istreambuf_iterator<char>(file),
                       std::istreambuf_iterator<char>());
  }
  for (const std::string& seed : seeds) Run(seed);
  std::mt19937 random(1);
  for (int i = 0; i < kMutations; ++i) {
    Run(Mutate(seeds[random() % seeds.size()], seeds, random));
  }
  std::printf("%zu seeds, %d mutations\n", seeds.size(), kMutations);
  return 0;
}
