// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/lb_rig.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "bpf/native/programs.h"
#include "bpf/native/world.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/testing/packet.h"
#include "lib/datapath/lb_programs_internal.h"

namespace ciliumcore::testing {
namespace {

using internal::LbCounters;
using internal::LbMaps;
using internal::LbMapSizes;
using internal::LbProgram;
using internal::LbWriter;

template <typename T>
T At(absl::string_view bytes, size_t offset) {
  T value = {};
  EXPECT_LE(offset + sizeof(T), bytes.size());
  if (offset + sizeof(T) <= bytes.size())
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

IpAddress V4At(const __be32& word) { return IpAddress::FromV4(ntohl(word)); }
IpAddress V6At(const in6_addr& bytes) {
  std::array<uint8_t, 16> out;
  std::memcpy(out.data(), &bytes, sizeof(out));
  return IpAddress::FromBytes(out);
}

class NativeRig : public LbRig {
 public:
  NativeRig(const LoadBalancerOptions& options, const LbMapSizes& sizes,
            LbMaps maps)
      : world_({.entries = {{"cc_lb_frontends", sizes.heads},
                            {"cc_lb_services", sizes.services},
                            {"cc_lb_traffic", sizes.services},
                            {"cc_lb_slots", sizes.slots},
                            {"cc_lb_backends", sizes.backends},
                            {"cc_lb_flows", sizes.flows}},
                .cpus = 1}) {
    // No packet is under way in a change.
    writer_ = std::make_unique<LbWriter>(
        std::move(maps), [] { return absl::OkStatus(); }, options);
    const auto share = [this](const char* name, auto& array) {
      world_.FindMap(name)->Share(
          reinterpret_cast<std::byte*>(array.entries().data()));
    };
    LbMaps& shared = writer_->maps();
    share("cc_lb_state", shared.state);
    share("cc_lb_frontends", shared.heads);
    share("cc_lb_services", shared.services);
    share("cc_lb_slots", shared.slots);
    share("cc_lb_backends", shared.backends);
    share("cc_lb_flows", shared.flows);
    writer_->OnReuse([this](uint32_t index) {
      const cc_metric none = {};
      world_.FindMap("cc_lb_traffic")->Update(&index, &none, BPF_ANY);
      return absl::OkStatus();
    });
    world_.fib = [this](bpf_fib_lookup* params) -> long {
      return fib ? fib(params) : long{BPF_FIB_LKUP_RET_NOT_FWDED};
    };
  }

  LbOutput Run(absl::string_view bytes, uint32_t ifindex) override {
    native::Packet packet(bytes.data(), bytes.size());
    packet.ctx()->ifindex = ifindex;
    const int action = native::Run(world_, cc_lb, packet);
    return {.action = action, .packet = packet.bytes()};
  }

  cc_metric Drops(uint8_t reason) override {
    return Value<cc_metric>("cc_lb_drops", reason);
  }
  cc_metric Traffic(const Frontend& frontend) override {
    return Value<cc_metric>("cc_lb_traffic", IndexOf(frontend));
  }
  uint64_t Memory(cc_lb_memory_key key) override {
    return Value<uint64_t>("cc_lb_memory", key);
  }

 private:
  template <typename V>
  V Value(const char* map, uint32_t key) {
    V value;
    std::memcpy(&value, world_.FindMap(map)->Lookup(&key), sizeof(V));
    return value;
  }

  native::World world_;
};

class KernelRig : public LbRig {
 public:
  KernelRig(const LoadBalancerOptions& options, LbProgram program, LbMaps maps,
            LbCounters counters, internal::Barrier barrier)
      : program_(std::move(program)), counters_(std::move(counters)) {
    writer_ = std::make_unique<LbWriter>(std::move(maps), std::move(barrier),
                                         options);
    writer_->OnReuse([this](uint32_t index) { return counters_.Clear(index); });
  }

  LbOutput Run(absl::string_view bytes, uint32_t ifindex) override {
    xdp_md context = {};
    context.data_end = static_cast<uint32_t>(bytes.size());
    context.ingress_ifindex = ifindex;
    std::string out(bytes.size() + 256, '\0');
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes.data(),
                .data_out = out.data(),
                .data_size_in = static_cast<uint32_t>(bytes.size()),
                .data_size_out = static_cast<uint32_t>(out.size()),
                .ctx_in = &context, .ctx_size_in = sizeof(context));
    const int error = bpf_prog_test_run_opts(program_.fd(), &run);
    EXPECT_EQ(error, 0) << std::strerror(-error);
    out.resize(error == 0 ? run.data_size_out : 0);
    return {.action = static_cast<int>(run.retval), .packet = std::move(out)};
  }

  cc_metric Drops(uint8_t reason) override {
    return *LbCounters::Sum(counters_.drops, reason);
  }
  cc_metric Traffic(const Frontend& frontend) override {
    return *LbCounters::Sum(counters_.traffic, IndexOf(frontend));
  }
  uint64_t Memory(cc_lb_memory_key key) override {
    const LoadBalancerFlows flows = *counters_.Flows();
    return key == CC_LB_RECORDED ? flows.recorded : flows.evicted;
  }

 private:
  LbProgram program_;
  LbCounters counters_;
};

}  // namespace

std::unique_ptr<LbRig> LbRig::Native(const LoadBalancerOptions& options) {
  const LbMapSizes sizes = internal::LbMapSizesFor(options.capacity);
  return std::make_unique<NativeRig>(options, sizes,
                                     *LbMaps::CreateInMemory(sizes));
}

absl::StatusOr<std::unique_ptr<LbRig>> LbRig::InKernel(
    const LoadBalancerOptions& options) {
  absl::StatusOr<LbProgram> program = LbProgram::Load(options.capacity);
  if (!program.ok()) return program.status();
  absl::StatusOr<LbMaps> maps = program->Maps();
  if (!maps.ok()) return maps.status();
  absl::StatusOr<LbCounters> counters = program->Counters();
  if (!counters.ok()) return counters.status();
  absl::StatusOr<internal::Barrier> barrier = internal::KernelBarrier();
  if (!barrier.ok()) return barrier.status();
  return std::make_unique<KernelRig>(options, *std::move(program),
                                     *std::move(maps), *std::move(counters),
                                     *std::move(barrier));
}

absl::Status LbRig::Upsert(const BalancedService& service) {
  return Publish({.frontend = service.frontend, .service = service});
}

absl::Status LbRig::Remove(const Frontend& frontend) {
  return Publish({.frontend = frontend, .service = std::nullopt});
}

absl::Status LbRig::Publish(const internal::LbEdit& edit) {
  const absl::Status published = writer_->Publish({edit});
  return published.ok() ? writer_->WaitForGrace() : published;
}

void LbRig::Pass(uint32_t seconds) {
  for (uint32_t i = 0; i < seconds; ++i) {
    ASSERT_TRUE(writer_->Tick().ok());
    ASSERT_TRUE(writer_->WaitForGrace().ok());
  }
}

IpAddress LbRig::BackendOf(absl::string_view packet) {
  const LbOutput output = Run(packet);
  EXPECT_EQ(output.action, XDP_TX);
  return output.action == XDP_TX ? Unwrap(output.packet).to : IpAddress();
}

uint32_t LbRig::IndexOf(const Frontend& frontend) const {
  uint32_t index = 0;
  writer_->ForEach([&](const LbWriter::Seen& seen) {
    if (seen.service->frontend == frontend) index = seen.index;
  });
  return index;
}

Wrapped Unwrap(absl::string_view packet) {
  Wrapped wrapped;
  const auto eth = At<ethhdr>(packet, 0);
  std::copy_n(eth.h_dest, 6, wrapped.mac_to.begin());
  std::copy_n(eth.h_source, 6, wrapped.mac_from.begin());
  if (eth.h_proto == htons(ETH_P_IP)) {
    const auto ip = At<iphdr>(packet, ETH_HLEN);
    EXPECT_EQ(ip.version, 4);
    EXPECT_EQ(ip.ihl, 5);
    EXPECT_EQ(ip.protocol, IPPROTO_IPIP);
    EXPECT_EQ(ip.frag_off, htons(0x4000));
    EXPECT_TRUE(ChecksumsAreRight(packet));
    wrapped.from = V4At(ip.saddr);
    wrapped.to = V4At(ip.daddr);
    wrapped.traffic_class = ip.tos;
    wrapped.ttl = ip.ttl;
    wrapped.inner = std::string(packet.substr(ETH_HLEN + sizeof(ip)));
    EXPECT_EQ(ntohs(ip.tot_len),
              sizeof(ip) + ntohs(At<iphdr>(wrapped.inner, 0).tot_len));
    return wrapped;
  }
  EXPECT_EQ(eth.h_proto, htons(ETH_P_IPV6));
  const auto ip = At<ipv6hdr>(packet, ETH_HLEN);
  EXPECT_EQ(ip.version, 6);
  EXPECT_EQ(ip.nexthdr, IPPROTO_IPV6);
  wrapped.from = V6At(ip.saddr);
  wrapped.to = V6At(ip.daddr);
  wrapped.traffic_class =
      static_cast<uint8_t>(ntohl(At<uint32_t>(packet, ETH_HLEN)) >> 20);
  wrapped.ttl = ip.hop_limit;
  wrapped.inner = std::string(packet.substr(ETH_HLEN + sizeof(ip)));
  EXPECT_EQ(ntohs(ip.payload_len),
            sizeof(ip) + ntohs(At<ipv6hdr>(wrapped.inner, 0).payload_len));
  return wrapped;
}

}  // namespace ciliumcore::testing
