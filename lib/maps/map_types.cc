// SPDX-License-Identifier: Apache-2.0

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore::internal {
namespace {

struct BtfFree {
  void operator()(btf* types) const { btf__free(types); }
};

// Adds types to `types_`. Ids are negative errors, as libbpf's.
class TypeWriter {
 public:
  explicit TypeWriter(btf* types) : types_(types) {}

  int Add(const abi::Shape& shape) {
    return shape.fields.empty() ? Integer(shape.size) : Struct(shape);
  }

 private:
  int Integer(size_t size) {
    const std::string name = "__u" + std::to_string(size * 8);
    const int known =
        btf__find_by_name_kind(types_, name.c_str(), BTF_KIND_INT);
    return known > 0 ? known : btf__add_int(types_, name.c_str(), size, 0);
  }

  // Shapes know the size of a field and not its type: one that is no integer is
  // described as bytes.
  int FieldType(size_t size) {
    if (size == 1 || size == 2 || size == 4 || size == 8) return Integer(size);
    const int index = Integer(4);
    const int byte = Integer(1);
    if (index < 0 || byte < 0) return -ENOMEM;
    return btf__add_array(types_, index, byte, static_cast<__u32>(size));
  }

  int Struct(const abi::Shape& shape) {
    // Types first: members are added to the struct that was added last.
    std::vector<int> field_types;
    for (const abi::Field& field : shape.fields) {
      field_types.push_back(FieldType(field.size));
      if (field_types.back() < 0) return field_types.back();
    }
    const int id = btf__add_struct(types_, std::string(shape.name).c_str(),
                                   static_cast<__u32>(shape.size));
    if (id < 0) return id;
    for (size_t i = 0; i < shape.fields.size(); ++i) {
      const abi::Field& field = shape.fields[i];
      const int added = btf__add_field(types_, std::string(field.name).c_str(),
                                       field_types[i],
                                       static_cast<__u32>(field.offset * 8), 0);
      if (added < 0) return added;
    }
    return id;
  }

  btf* types_;
};

}  // namespace

absl::StatusOr<LoadedTypes> LoadTypes(const abi::Shape& key,
                                      const abi::Shape& value) {
  const std::unique_ptr<btf, BtfFree> types(btf__new_empty());
  if (types == nullptr) return BpfError(errno, "BTF");
  TypeWriter writer(types.get());
  const int key_id = writer.Add(key);
  const int value_id = key_id < 0 ? key_id : writer.Add(value);
  if (value_id < 0) return BpfError(-value_id, "BTF");
  __u32 size = 0;
  const void* data = btf__raw_data(types.get(), &size);
  if (data == nullptr) return BpfError(ENOMEM, "BTF");
  LIBBPF_OPTS(bpf_btf_load_opts, options);
  LoadedTypes loaded;
  loaded.fd.reset(bpf_btf_load(data, size, &options));
  if (!loaded.fd.valid()) return BpfError(errno, "BTF");
  loaded.key_id = static_cast<uint32_t>(key_id);
  loaded.value_id = static_cast<uint32_t>(value_id);
  return loaded;
}

}  // namespace ciliumcore::internal
