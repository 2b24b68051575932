// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/program_set_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/btf_check.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

// The skeleton names types of the abi headers: it comes last.
#include "bpf/endpoint.skel.h"

namespace ciliumcore::internal {
namespace {

// Since Linux 6.6; older headers lack the names.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

// One for each address and prefix, and some for those on their way out.
uint32_t PlacesFor(const DatapathCapacity& capacity) {
  const uint32_t keys = capacity.addresses + capacity.prefixes;
  return 1 + keys + keys / 8 + 64;
}

// bpf_link_info of a tcx link, which older headers lack.
struct TcxLinkInfo {
  __u32 type, id, prog_id, pad;
  __u32 ifindex, attach_type;
};

// Links of tcx: the kernel detaches when nothing holds a link any more.
class TcxAttachment : public Attachment {
 public:
  // `pin`: empty, or where the link is or shall be pinned.
  static absl::StatusOr<AttachedLink> Make(int program, uint32_t ifindex,
                                           bpf_attach_type type,
                                           std::string pin) {
    return AttachedLink::Make(
        program, static_cast<int>(ifindex), type, std::move(pin),
        [ifindex](int link) { return IsOf(link, ifindex); });
  }

  TcxAttachment(uint32_t ifindex, AttachedLink from, AttachedLink to)
      : Attachment(ifindex), sides_{std::move(to), std::move(from)} {}

  absl::Status TakeOver() override {
    for (AttachedLink& side : sides_) CC_RETURN_IF_ERROR(side.TakeOver());
    return absl::OkStatus();
  }

  void Unpin() override {
    for (const AttachedLink& side : sides_) {
      if (!side.pin.empty()) Pins::Remove(side.pin);
    }
  }

 private:
  static bool IsOf(int link, uint32_t ifindex) {
    union {
      bpf_link_info info;
      TcxLinkInfo tcx;
    } both = {};
    __u32 bytes = sizeof(both);
    return bpf_obj_get_info_by_fd(link, &both, &bytes) == 0 &&
           both.tcx.ifindex == ifindex;
  }

  AttachedLink sides_[2];
};

// Filters of a clsact qdisc.
class ClsactAttachment : public Attachment {
 public:
  ClsactAttachment(uint32_t ifindex, bool is_pinned)
      : Attachment(ifindex), stays_(is_pinned) {}
  ~ClsactAttachment() override {
    if (stays_) return;
    for (const bpf_tc_attach_point point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
      LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex()),
                  .attach_point = point);
      LIBBPF_OPTS(bpf_tc_opts, options, .handle = kHandle,
                  .priority = kPriority);
      bpf_tc_detach(&hook, &options);
    }
  }

  void Unpin() override { stays_ = false; }

  // Replaces, in one step, the filter of an earlier process.
  absl::Status Add(bpf_tc_attach_point point, int program) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex()),
                .attach_point = point);
    const int created = bpf_tc_hook_create(&hook);
    if (created != 0 && created != -EEXIST) {
      return absl::ErrnoToStatus(-created, "creating the clsact qdisc");
    }
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program,
                .flags = BPF_TC_F_REPLACE, .handle = kHandle,
                .priority = kPriority);
    const int attached = bpf_tc_attach(&hook, &options);
    return attached == 0 ? absl::OkStatus()
                         : absl::ErrnoToStatus(-attached, "adding the filter");
  }

 private:
  static constexpr uint32_t kHandle = 1;
  static constexpr uint32_t kPriority = 1;
  bool stays_;
};

class LoadedPrograms : public ProgramSet {
 public:
  LoadedPrograms(BpfObject object, Pins* pins)
      : object_(std::move(object)), pins_(pins) {}

  const BpfObject& object() const override { return object_; }

  absl::StatusOr<std::unique_ptr<Attachment>> Attach(
      const std::string& name, uint32_t ifindex) override {
    const LibbpfLog quiet;
    const int from = object_.program("cc_from_endpoint");
    const int to = object_.program("cc_to_endpoint");
    if (has_tcx_) {
      const auto pin = [&](const char* program) {
        return pins_ == nullptr ? std::string()
                                : pins_->LinkPath(name, program);
      };
      auto to_side = TcxAttachment::Make(to, ifindex, kTcxEgress, pin("to"));
      // Kernels before 6.6 do not know the type.
      has_tcx_ = !absl::IsInvalidArgument(to_side.status());
      if (has_tcx_) {
        if (!to_side.ok()) return AttachError(name, to_side.status());
        auto from_side =
            TcxAttachment::Make(from, ifindex, kTcxIngress, pin("from"));
        if (!from_side.ok()) return AttachError(name, from_side.status());
        return std::make_unique<TcxAttachment>(ifindex, *std::move(from_side),
                                               *std::move(to_side));
      }
    }
    auto attachment =
        std::make_unique<ClsactAttachment>(ifindex, pins_ != nullptr);
    for (const auto& [point, program] :
         {std::pair(BPF_TC_EGRESS, to), std::pair(BPF_TC_INGRESS, from)}) {
      if (absl::Status added = attachment->Add(point, program); !added.ok()) {
        return absl::Status(added.code(), absl::StrCat("interface ", name, ": ",
                                                       added.message()));
      }
    }
    return attachment;
  }

 private:
  static absl::Status AttachError(const std::string& name,
                                  const absl::Status& error) {
    if (absl::StrContains(error.message(), "No such device")) {
      return absl::NotFoundError(
          absl::StrCat("interface ", name, ": not found"));
    }
    return Annotate(error, absl::StrCat("interface ", name));
  }

  const BpfObject object_;
  Pins* const pins_;
  bool has_tcx_ = true;  // until the kernel says otherwise
};

using Skeleton = std::unique_ptr<endpoint, decltype(&endpoint::destroy)>;

// Open, with room and configuration, not loaded.
absl::StatusOr<Skeleton> OpenSkeleton(const DatapathOptions& options) {
  Skeleton skeleton(endpoint::open(), &endpoint::destroy);
  if (skeleton == nullptr) return LoadError("loading programs", errno);
  skeleton->rodata_config->cc_config_data = ConfigOf(options);
  const DatapathCapacity& capacity = options.capacity;
  bpf_map__set_max_entries(skeleton->maps.cc_conntrack, capacity.connections);
  bpf_map__set_max_entries(skeleton->maps.cc_addrs,
                           AddressIndex::LinesFor(capacity.addresses));
  bpf_map__set_max_entries(skeleton->maps.cc_prefixes, capacity.prefixes);
  bpf_map__set_max_entries(skeleton->maps.cc_places, PlacesFor(capacity));
  bpf_map__set_max_entries(skeleton->maps.cc_classes, capacity.classes);
  bpf_map__set_max_entries(skeleton->maps.cc_cells, capacity.cells);
  bpf_map__set_max_entries(skeleton->maps.cc_events, capacity.event_bytes);
  return skeleton;
}

// Gives the programs the pinned map of an earlier process instead of a new one,
// if it is of the same kind, room and layout.
template <typename K, typename V>
void ReuseIfSame(bpf_map* map, const Pins& pins) {
  const UniqueFd pinned = Pins::Get(pins.MapPath(bpf_map__name(map)));
  bpf_map_info info = {};
  __u32 bytes = sizeof(info);
  if (pinned.get() < 0 ||
      bpf_obj_get_info_by_fd(pinned.get(), &info, &bytes) != 0)
    return;
  if (info.type != bpf_map__type(map) ||
      info.max_entries != bpf_map__max_entries(map) ||
      !abi::CheckMapLayout(pinned.get(), abi::ShapeOf<K>(), abi::ShapeOf<V>())
           .ok()) {
    return;
  }
  bpf_map__reuse_fd(map, pinned.get());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProgramSet>> ProgramSet::Load(
    const DatapathOptions& options, Pins* pins, Reuse reuse) {
  const LibbpfLog log;
  CC_ASSIGN_OR_RETURN(const Skeleton skeleton, OpenSkeleton(options));
  if (reuse == Reuse::kConnections) {
    ReuseIfSame<cc_ct_key, cc_ct>(skeleton->maps.cc_conntrack, *pins);
    ReuseIfSame<cc_fragment_key, cc_fragment>(skeleton->maps.cc_fragments,
                                              *pins);
    ReuseIfSame<uint32_t, cc_metric>(skeleton->maps.cc_metrics, *pins);
  } else if (reuse == Reuse::kMaps) {
    CC_RETURN_IF_ERROR(ReuseMaps(skeleton->obj, *pins));
  }
  CC_ASSIGN_OR_RETURN(BpfObject object,
                      BpfObject::Load(skeleton->obj, pins, reuse));
  return std::make_unique<LoadedPrograms>(std::move(object), pins);
}

absl::StatusOr<bool> ProgramSet::HasSameRoom(const DatapathOptions& options,
                                             const Pins& pins) {
  const LibbpfLog log;
  CC_ASSIGN_OR_RETURN(const Skeleton skeleton, OpenSkeleton(options));
  return internal::HasSameRoom(skeleton->obj, pins);
}

uint64_t ProgramSet::HashBuild(uint64_t hash) {
  size_t bytes = 0;
  const void* const elf = endpoint::elf_bytes(&bytes);
  return HashBytes(hash, elf, bytes);
}

}  // namespace ciliumcore::internal
