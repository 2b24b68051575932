// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/load_balancer.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/net/netns.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/lb_programs_internal.h"
#include "lib/datapath/lb_table_internal.h"
#include "lib/datapath/lb_writer_internal.h"

namespace ciliumcore {
namespace {

// IPv6 clients may count on packets of 1280 (RFC 8200 5), which get 40 more.
constexpr uint32_t kLeastMtu = 1280, kLeastMtuV6 = 1320, kMostMtu = 65535;
constexpr uint32_t kMostServices = 1 << 18, kMostBackends = 1 << 21;

absl::Status CheckSilence(const char* what, absl::Duration silence) {
  if (silence >= absl::Seconds(1) && silence <= absl::Hours(1))
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("load balancer: ", what, ": expected 1 s .. 1 h, found ",
                   absl::FormatDuration(silence)));
}

absl::Status CheckCapacity(const char* what, uint32_t found, uint32_t most) {
  if (found <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("load balancer: capacity: expected at most ", most, " ",
                   what, ", found ", found));
}

absl::Status CheckSource(const char* what, const std::optional<IpPrefix>& given,
                         bool is_v4) {
  if (!given.has_value() || given->is_v4() == is_v4) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("load balancer: ", what, ": expected a prefix of ",
                   is_v4 ? "IPv4" : "IPv6", ", found ", given->ToString()));
}

absl::Status CheckOptions(const LoadBalancerOptions& options) {
  CC_RETURN_IF_ERROR(CheckSource("source_v4", options.source_v4, true));
  CC_RETURN_IF_ERROR(CheckSource("source_v6", options.source_v6, false));
  CC_RETURN_IF_ERROR(CheckSilence("tcp_silence", options.tcp_silence));
  CC_RETURN_IF_ERROR(CheckSilence("udp_silence", options.udp_silence));
  const bool is_v6 = options.source_v6.has_value();
  const uint32_t least = is_v6 ? kLeastMtuV6 : kLeastMtu;
  if (options.mtu < least || options.mtu > kMostMtu) {
    return absl::InvalidArgumentError(
        absl::StrCat("load balancer: mtu: expected ", least, "..", kMostMtu,
                     is_v6 ? " with source_v6" : "", ", found ", options.mtu));
  }
  CC_RETURN_IF_ERROR(
      CheckCapacity("services", options.capacity.services, kMostServices));
  return CheckCapacity("backends", options.capacity.backends, kMostBackends);
}

// An address of the node in the prefix of a source would be that of packets
// that the node seems to have sent itself: it takes them for forged.
absl::Status CheckRoutes(const LoadBalancerOptions& options, Netlink& netlink) {
  if (options.gateway.has_value()) return absl::OkStatus();
  CC_ASSIGN_OR_RETURN(const std::vector<InterfaceAddress> all,
                      netlink.Addresses());
  for (const InterfaceAddress& own : all) {
    for (const auto* source : {&options.source_v4, &options.source_v6}) {
      if (!source->has_value() || !(*source)->Contains(own.address)) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "load balancer: source ", (*source)->ToString(),
          ": expected no address of the node in it without a gateway, found ",
          own.address.ToString()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

namespace internal {

// What a load balancer and its changes share.
class LoadBalancerState {
 public:
  LoadBalancerState(const LoadBalancerOptions& options, NetNs netns,
                    LbProgram program, LbMaps maps, LbCounters counters,
                    Barrier barrier)
      : options_(options),
        netns_(std::move(netns)),
        program_(std::move(program)),
        counters_(std::move(counters)),
        writer_(std::move(maps), std::move(barrier), options) {
    writer_.OnReuse([this](uint32_t index) { return counters_.Clear(index); });
    thread_ = std::thread([this] { KeepTime(); });
  }

  ~LoadBalancerState() { Close(); }

  static absl::StatusOr<std::shared_ptr<LoadBalancerState>> Open(
      const LoadBalancerOptions& options) {
    CC_RETURN_IF_ERROR(CheckOptions(options));
    CC_ASSIGN_OR_RETURN(NetNs netns, options.netns.empty()
                                         ? NetNs::Current()
                                         : NetNs::Open(options.netns));
    CC_ASSIGN_OR_RETURN(LbProgram program, LbProgram::Load(options.capacity));
    CC_ASSIGN_OR_RETURN(LbMaps maps, program.Maps());
    CC_ASSIGN_OR_RETURN(LbCounters counters, program.Counters());
    CC_ASSIGN_OR_RETURN(Barrier barrier, KernelBarrier());
    LoadBalancerOptions seeded = options;
    if (!seeded.seed.has_value())
      seeded.seed = absl::Uniform<uint64_t>(absl::BitGen());
    return std::make_shared<LoadBalancerState>(
        seeded, std::move(netns), std::move(program), std::move(maps),
        std::move(counters), std::move(barrier));
  }

  // Ends the attachments, and with them everything that packets see; changes
  // that still hold the state find it closed.
  void Close() {
    {
      std::lock_guard lock(mutex_);
      is_closed_ = true;
      links_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  absl::StatusOr<XdpAttachment> Attach(const std::string& interface,
                                       XdpChoice choice) {
    std::lock_guard lock(mutex_);
    CC_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(netns_));
    CC_ASSIGN_OR_RETURN(const LinkInfo device, netlink.FindLink(interface));
    // Of devices that are gone: another may have the name now.
    std::erase_if(links_, [](const auto& of) { return of.second.is_gone(); });
    if (links_.contains(interface)) {
      return absl::AlreadyExistsError(absl::StrCat(
          "interface ", interface, ": the load balancer is attached already"));
    }
    CC_RETURN_IF_ERROR(CheckRoutes(options_, netlink));
    XdpLink link;
    CC_RETURN_IF_ERROR(netns_.Run([&]() -> absl::Status {
      CC_ASSIGN_OR_RETURN(link,
                          program_.Attach(interface, device.ifindex, choice));
      return absl::OkStatus();
    }));
    XdpAttachment attachment = link.attachment;
    links_.emplace(interface, std::move(link));
    return attachment;
  }

  absl::Status Detach(const std::string& interface) {
    std::lock_guard lock(mutex_);
    if (links_.erase(interface) == 1) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat(
        "interface ", interface, ": the load balancer is not attached"));
  }

  std::vector<XdpAttachment> attachments() const {
    std::lock_guard lock(mutex_);
    std::vector<XdpAttachment> all;
    for (const auto& [name, link] : links_) {
      if (!link.is_gone()) all.push_back(link.attachment);
    }
    return all;
  }

  absl::Status Commit(const std::vector<LbEdit>& edits) {
    for (const LbEdit& edit : edits) {
      if (edit.service.has_value())
        CC_RETURN_IF_ERROR(ValidateBalanced(*edit.service, options_));
    }
    std::lock_guard lock(mutex_);
    return CommitLocked(edits);
  }

  absl::Status Set(std::map<Frontend, BalancedService> services) {
    for (const auto& [frontend, service] : services)
      CC_RETURN_IF_ERROR(ValidateBalanced(service, options_));
    std::lock_guard lock(mutex_);
    return CommitLocked(writer_.EditsTo(std::move(services)));
  }

  absl::StatusOr<std::vector<ServiceTraffic>> Traffic() const {
    std::lock_guard lock(mutex_);
    std::vector<ServiceTraffic> all;
    absl::Status status;
    writer_.ForEach([&](const LbWriter::Seen& seen) {
      const absl::StatusOr<cc_metric> sum =
          LbCounters::Sum(counters_.traffic, seen.index);
      if (!sum.ok()) {
        status = sum.status();
        return;
      }
      all.push_back({.frontend = seen.service->frontend,
                     .name = seen.service->name,
                     .packets = sum->packets,
                     .bytes = sum->bytes,
                     .slots = seen.slots,
                     .moving = seen.moving});
    });
    if (!status.ok()) return status;
    return all;
  }

  absl::StatusOr<std::vector<LoadBalancerDrops>> Drops() const {
    std::vector<LoadBalancerDrops> all;
    for (uint32_t reason = 0; reason < CC_LB_REASONS; ++reason) {
      CC_ASSIGN_OR_RETURN(const cc_metric sum,
                          LbCounters::Sum(counters_.drops, reason));
      if (sum.packets == 0) continue;
      all.push_back({.reason = static_cast<uint8_t>(reason),
                     .packets = sum.packets,
                     .bytes = sum.bytes});
    }
    return all;
  }

  absl::StatusOr<LoadBalancerFlows> Flows() const { return counters_.Flows(); }

  uint32_t generation() const {
    std::lock_guard lock(mutex_);
    return writer_.epoch();
  }

 private:
  absl::Status CommitLocked(const std::vector<LbEdit>& edits) {
    if (is_closed_) {
      return absl::FailedPreconditionError(
          "load balancer: it is closed, the change has no effect");
    }
    CC_RETURN_IF_ERROR(writer_.Publish(edits));
    changed_.notify_all();
    return absl::OkStatus();
  }

  // A tick is a second or more: programs' time is never ahead.
  void KeepTime() {
    std::unique_lock lock(mutex_);
    while (!is_closed_) {
      changed_.wait(lock, [&] { return is_closed_ || writer_.is_restless(); });
      if (changed_.wait_for(lock, std::chrono::seconds(1),
                            [&] { return is_closed_; }))
        return;
      // A barrier that failed ends all grace periods: changes will say so.
      writer_.Tick().IgnoreError();
    }
  }

  const LoadBalancerOptions options_;
  const NetNs netns_;
  const LbProgram program_;
  LbCounters counters_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  LbWriter writer_;
  std::map<std::string, XdpLink> links_;
  std::thread thread_;
};

}  // namespace internal

std::string BalancedService::ToString() const {
  return name.empty() ? frontend.ToString()
                      : absl::StrCat(name, " ", frontend.ToString());
}

LoadBalancerChange::LoadBalancerChange(
    std::shared_ptr<internal::LoadBalancerState> state)
    : state_(std::move(state)) {}
LoadBalancerChange::LoadBalancerChange(LoadBalancerChange&&) noexcept = default;
LoadBalancerChange& LoadBalancerChange::operator=(
    LoadBalancerChange&&) noexcept = default;
LoadBalancerChange::~LoadBalancerChange() = default;

void LoadBalancerChange::Upsert(BalancedService service) {
  edits_.push_back({.service = std::move(service), .removes = false});
}

void LoadBalancerChange::Remove(const Frontend& frontend) {
  edits_.push_back({.service = {.frontend = frontend}, .removes = true});
}

absl::Status LoadBalancerChange::Commit() {
  std::set<Frontend> seen;
  std::vector<internal::LbEdit> edits;
  for (const Edit& edit : edits_) {
    const Frontend& frontend = edit.service.frontend;
    if (!seen.insert(frontend).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "service ", edit.service.ToString(),
          ": expected a frontend once in a change, found it twice"));
    }
    internal::LbEdit out = {.frontend = frontend, .service = std::nullopt};
    if (!edit.removes) out.service = edit.service;
    edits.push_back(std::move(out));
  }
  CC_RETURN_IF_ERROR(state_->Commit(edits));
  edits_.clear();
  return absl::OkStatus();
}

absl::StatusOr<LoadBalancer> LoadBalancer::Open(
    const LoadBalancerOptions& options) {
  CC_ASSIGN_OR_RETURN(auto state, internal::LoadBalancerState::Open(options));
  return LoadBalancer(std::move(state));
}

LoadBalancer::LoadBalancer(std::shared_ptr<internal::LoadBalancerState> state)
    : state_(std::move(state)) {}
LoadBalancer::LoadBalancer(LoadBalancer&&) noexcept = default;

LoadBalancer& LoadBalancer::operator=(LoadBalancer&& other) noexcept {
  if (state_ != nullptr && state_ != other.state_) state_->Close();
  state_ = std::move(other.state_);
  return *this;
}

LoadBalancer::~LoadBalancer() {
  if (state_ != nullptr) state_->Close();
}

absl::StatusOr<XdpAttachment> LoadBalancer::Attach(absl::string_view interface,
                                                   XdpChoice choice) {
  return state_->Attach(std::string(interface), choice);
}

absl::Status LoadBalancer::Detach(absl::string_view interface) {
  return state_->Detach(std::string(interface));
}

std::vector<XdpAttachment> LoadBalancer::attachments() const {
  return state_->attachments();
}

LoadBalancerChange LoadBalancer::Begin() { return LoadBalancerChange(state_); }

absl::Status LoadBalancer::SetServices(std::vector<BalancedService> services) {
  std::map<Frontend, BalancedService> wanted;
  for (BalancedService& service : services) {
    const Frontend frontend = service.frontend;
    const auto [at, is_new] = wanted.emplace(frontend, std::move(service));
    if (is_new) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("service ", at->second.ToString(),
                     ": expected each frontend once, found it twice"));
  }
  return state_->Set(std::move(wanted));
}

absl::StatusOr<std::vector<ServiceTraffic>> LoadBalancer::Traffic() const {
  return state_->Traffic();
}

absl::StatusOr<std::vector<LoadBalancerDrops>> LoadBalancer::Drops() const {
  return state_->Drops();
}

absl::StatusOr<LoadBalancerFlows> LoadBalancer::Flows() const {
  return state_->Flows();
}

uint32_t LoadBalancer::generation() const { return state_->generation(); }

}  // namespace ciliumcore
