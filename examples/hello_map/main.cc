// SPDX-License-Identifier: Apache-2.0

// Typed maps: the kernel's own, or, without privilege, one of this process that
// behaves alike.

#include <cstdint>
#include <iostream>

#include "ciliumcore/maps/map.h"

namespace cc = ciliumcore;

using Packets = cc::Map<uint32_t, uint64_t>;  // by identity

absl::StatusOr<Packets> MakeMap() {
  const cc::MapOptions options = {
      .name = "packets", .kind = cc::MapKind::kHash, .capacity = 16};
  absl::StatusOr<Packets> map = Packets::Create(options);
  if (!absl::IsPermissionDenied(map.status())) return map;
  std::cout << "no CAP_BPF: a map in memory\n";
  return Packets::CreateInMemory(options);
}

absl::Status Run() {
  absl::StatusOr<Packets> map = MakeMap();
  if (!map.ok()) return map.status();
  for (const uint32_t identity : {256, 257, 258}) {
    absl::Status put = map->Put(identity, identity * 10);
    if (!put.ok()) return put;
  }
  if (absl::Status erased = map->Erase(257); !erased.ok()) return erased;
  std::cout << "256 has " << map->Lookup(256).value_or(0) << "\n";
  std::cout << "257: " << map->Lookup(257).status() << "\n";
  uint64_t total = 0;
  absl::Status read =
      map->ForEach([&](uint32_t, const uint64_t& count) { total += count; });
  std::cout << "all have " << total << "\n";
  return read;
}

int main() {
  const absl::Status done = Run();
  if (!done.ok()) std::cerr << "hello_map: " << done << "\n";
  return done.ok() ? 0 : 1;
}
