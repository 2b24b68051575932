// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/abi/btf_check.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore::abi {
namespace {

struct BtfFree {
  void operator()(btf* types) const { btf__free(types); }
};
using BtfPtr = std::unique_ptr<btf, BtfFree>;
using Differences = std::vector<std::string>;

// Abseil's string_view is a type of its own in some builds.
absl::string_view Text(std::string_view text) {
  return {text.data(), text.size()};
}

std::string Range(absl::string_view name, std::size_t offset, long size) {
  return absl::StrCat(name, " [", offset, ",+", size, ")");
}

// `there` names the other side in messages: "in the kernel".
void CompareFields(const btf* types, const btf_type* type, const Shape& want,
                   absl::string_view there, Differences* differences) {
  const btf_member* members = btf_members(type);
  const std::size_t count = btf_vlen(type);
  for (std::size_t i = 0; i < std::max(count, want.fields.size()); ++i) {
    std::string here, other;
    if (i < want.fields.size()) {
      const Field& field = want.fields[i];
      here =
          Range(Text(field.name), field.offset, static_cast<long>(field.size));
    }
    if (i < count) {
      other =
          Range(btf__name_by_offset(types, members[i].name_off),
                btf_member_bit_offset(type, static_cast<__u32>(i)) / 8,
                static_cast<long>(btf__resolve_size(types, members[i].type)));
    }
    if (here == other) continue;
    differences->push_back(
        absl::StrCat(Text(want.name), ": ", here.empty() ? "nothing" : here,
                     " here, ", other.empty() ? "nothing" : other, " ", there));
  }
}

void Compare(const btf* types, __u32 id, const Shape& want,
             absl::string_view there, Differences* differences) {
  const int resolved = btf__resolve_type(types, id);
  const btf_type* type =
      resolved <= 0 ? nullptr
                    : btf__type_by_id(types, static_cast<__u32>(resolved));
  const bool want_struct = !want.fields.empty();
  const bool comparable =
      type != nullptr &&
      (want_struct ? btf_is_struct(type)
                   : btf_is_int(type) || btf_is_any_enum(type));
  if (!comparable) {
    differences->push_back(absl::StrCat(
        Text(want.name), ": no ", want_struct ? "struct " : "integer ", there));
    return;
  }
  if (type->size != want.size) {
    differences->push_back(absl::StrCat(Text(want.name), ": ", want.size,
                                        " bytes here, ", type->size, " ",
                                        there));
  }
  if (want_struct) CompareFields(types, type, want, there, differences);
}

// The struct behind typedefs, qualifiers, pointers and arrays, or null.
const btf_type* StructBehind(const btf* types, __u32 id, __u32* struct_id) {
  for (int depth = 0; depth < 16; ++depth) {
    const btf_type* type = btf__type_by_id(types, id);
    if (type == nullptr) return nullptr;
    if (btf_is_struct(type)) {
      *struct_id = id;
      return type;
    }
    if (btf_is_array(type)) {
      id = btf_array(type)->type;
    } else if (btf_is_mod(type) || btf_is_typedef(type) || btf_is_ptr(type)) {
      id = type->type;
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

class ObjectCheck {
 public:
  ObjectCheck(const btf* types, absl::Span<const Shape> shapes)
      : types_(types), shapes_(shapes) {}

  Differences Run() {
    for (__u32 id = 1; id < btf__type_cnt(types_); ++id) {
      const btf_type* type = btf__type_by_id(types_, id);
      if (btf_is_datasec(type)) RequireShapes(type);
      if (!btf_is_struct(type)) continue;
      if (const Shape* shape = Find(Name(type))) {
        Compare(types_, id, *shape, "in the object", &differences_);
      }
    }
    return std::move(differences_);
  }

 private:
  absl::string_view Name(const btf_type* type) const {
    return btf__name_by_offset(types_, type->name_off);
  }

  const Shape* Find(absl::string_view name) const {
    for (const Shape& shape : shapes_) {
      if (Text(shape.name) == name) return &shape;
    }
    return nullptr;
  }

  void RequireShapes(const btf_type* section) {
    for (int i = 0; i < btf_vlen(section); ++i) {
      const btf_type* variable =
          btf__type_by_id(types_, btf_var_secinfos(section)[i].type);
      // A map is declared as a struct without a name, whose members `key` and
      // `value` point to the types: the same walk finds both.
      RequireShape(variable->type);
    }
  }

  void RequireShape(__u32 id) {
    __u32 struct_id;
    const btf_type* type = StructBehind(types_, id, &struct_id);
    if (type == nullptr || !seen_.insert(struct_id).second) return;
    const absl::string_view name = Name(type);
    if (absl::StartsWith(name, "cc_") && Find(name) == nullptr) {
      differences_.push_back(absl::StrCat(name, ": has no layout"));
    }
    for (int i = 0; i < btf_vlen(type); ++i) {
      RequireShape(btf_members(type)[i].type);
    }
  }

  const btf* types_;
  absl::Span<const Shape> shapes_;
  std::set<__u32> seen_;
  Differences differences_;
};

absl::Status Report(absl::string_view subject, const Differences& differences) {
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(subject, ": ", absl::StrJoin(differences, "; ")));
}

}  // namespace

absl::Status CheckMapLayout(int map_fd, const Shape& key, const Shape& value) {
  bpf_map_info info = {};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(map_fd, &info, &size) != 0) {
    return absl::ErrnoToStatus(errno, "map info");
  }
  const std::string subject = absl::StrCat("map ", info.name);
  if (info.btf_id == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(subject,
                     ": was created without BTF, so its layout is "
                     "not known"));
  }
  const BtfPtr types(btf__load_from_kernel_by_id(info.btf_id));
  if (types == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat(subject, ": its BTF"));
  }
  Differences differences;
  Compare(types.get(), info.btf_key_type_id, key, "in the kernel",
          &differences);
  Compare(types.get(), info.btf_value_type_id, value, "in the kernel",
          &differences);
  return Report(subject, differences);
}

absl::Status CheckObjectLayouts(const std::string& path,
                                absl::Span<const Shape> shapes) {
  const BtfPtr types(btf__parse(path.c_str(), nullptr));
  if (types == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": its BTF"));
  }
  return Report(path, ObjectCheck(types.get(), shapes).Run());
}

}  // namespace ciliumcore::abi
