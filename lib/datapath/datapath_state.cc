// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/datapath_state_internal.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/net/netlink.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/inheritance_internal.h"
#include "lib/datapath/map_walk_internal.h"

namespace ciliumcore::internal {
namespace {

absl::Status ValidateOptions(const DatapathOptions& options) {
  const std::string& name = options.name;
  const bool readable = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (name.empty() || name.size() > 64 || !readable) {
    return absl::InvalidArgumentError(
        absl::StrCat("instance \"", name, "\": expected 1 to 64 of [a-z0-9-]"));
  }
  const uint32_t bytes = options.capacity.event_bytes;
  if (bytes < 4096 || (bytes & (bytes - 1)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "event_bytes: expected a power of two of at least 4096, found ",
        bytes));
  }
  if (options.drop_sample_shift > 31) {
    return absl::InvalidArgumentError(
        absl::StrCat("drop_sample_shift: expected at most 31, found ",
                     options.drop_sample_shift));
  }
  return absl::OkStatus();
}

// More than a process publishes before its state is pinned.
constexpr uint32_t kEpochsOfTheDead = 1024;

}  // namespace

absl::StatusOr<std::shared_ptr<DatapathState>> DatapathState::Open(
    const DatapathOptions& options) {
  CC_RETURN_IF_ERROR(ValidateOptions(options));
  CC_ASSIGN_OR_RETURN(NetNs netns, options.netns.empty()
                                       ? NetNs::Current()
                                       : NetNs::Open(options.netns));
  std::unique_ptr<Pins> pins;
  Inheritance inheritance;
  if (options.lifetime == Lifetime::kPinned) {
    CC_ASSIGN_OR_RETURN(pins, Pins::Open(options.bpffs, options.name));
    absl::StatusOr<Inheritance> found = FindInheritance(options, *pins);
    if (!found.ok()) {
      return Annotate(found.status(),
                      absl::StrCat("instance ", options.name,
                                   ": what is pinned is not to be trusted"));
    }
    inheritance = *std::move(found);
  }
  const Reuse reuse = inheritance.reuse;
  CC_ASSIGN_OR_RETURN(auto programs,
                      ProgramSet::Load(options, pins.get(), reuse));
  const auto map_fd = [&](const char* name) {
    return programs->object().MapFd(name);
  };
  CC_ASSIGN_OR_RETURN(PublishedMaps maps, PublishedMaps::Adopt(map_fd));
  if (!inheritance.journal.has_value())
    maps.state[0].addr_seed = absl::Uniform<uint32_t>(absl::BitGen());
  std::unique_ptr<SockPrograms> sock_programs;
  std::optional<ServiceMaps> service_maps;
  if (!options.cgroup.empty()) {
    CC_ASSIGN_OR_RETURN(sock_programs, SockPrograms::Load(options, *programs,
                                                          pins.get(), reuse));
    CC_ASSIGN_OR_RETURN(service_maps, ServiceMaps::Adopt([&](const char* name) {
                          return sock_programs->object().MapFd(name);
                        }));
  }
  CC_ASSIGN_OR_RETURN(LinkWatch watch, LinkWatch::Open(netns));
  CC_ASSIGN_OR_RETURN(Barrier barrier, KernelBarrier());
  CC_ASSIGN_OR_RETURN(UniqueFd events_fd, map_fd("cc_events"));
  CC_ASSIGN_OR_RETURN(RingBuffer events,
                      RingBuffer::Adopt(std::move(events_fd)));
  CC_ASSIGN_OR_RETURN(Meter meter, Meter::Adopt(map_fd));
  CC_ASSIGN_OR_RETURN(UniqueFd lost_fd, map_fd("cc_events_lost"));
  CC_ASSIGN_OR_RETURN(LostCounters lost,
                      LostCounters::Adopt(std::move(lost_fd)));
  std::shared_ptr<DatapathState> state(new DatapathState(
      options, std::move(netns), std::move(pins), std::move(programs),
      std::move(sock_programs), std::move(watch), std::move(maps),
      std::move(barrier), inheritance.epoch, std::move(events),
      std::move(meter), std::move(lost)));
  if (service_maps.has_value())
    state->publisher_.AddServices(*std::move(service_maps), TickSeconds());
  if (inheritance.journal.has_value()) {
    absl::Status adopted = state->Adopt(*std::move(inheritance.journal));
    if (!adopted.ok()) {
      return Annotate(adopted,
                      absl::StrCat("instance ", options.name,
                                   ": what is pinned is not to be trusted"));
    }
  } else if (state->pins_ != nullptr) {
    CC_RETURN_IF_ERROR(state->KeepJournal());
  }
  return state;
}

absl::Status DatapathState::KeepJournal() {
  CC_ASSIGN_OR_RETURN(
      Journal::Lines lines,
      Journal::Lines::Create(
          {.name = "cc_journal",
           .size = JournalLines(options_.capacity.journal_bytes)}));
  publisher_.KeepJournal(Journal::Create(std::move(lines)));
  return absl::OkStatus();
}

absl::Status DatapathState::Adopt(Journal journal) {
  pinned_build_ = journal.build();
  CC_ASSIGN_OR_RETURN(const RecoveredNames names,
                      planner_.Recover(journal.records()));
  CC_ASSIGN_OR_RETURN(found_, publisher_.Adopt(std::move(journal), names));
  // Programs that are not of this state are of a process that died in its first
  // commit. Its epochs, which began above ours, are in records of connections.
  if (HasStrangeLinks()) publisher_.Skip(kEpochsOfTheDead);
  return absl::OkStatus();
}

bool DatapathState::HasStrangeLinks() const {
  std::set<uint32_t> own = programs_->object().PinnedProgramIds(*pins_);
  if (sock_programs_ != nullptr)
    own.merge(sock_programs_->object().PinnedProgramIds(*pins_));
  bool strange = false;
  pins_->ForEachLink([&](int link) {
    bpf_link_info info = {};
    __u32 bytes = sizeof(info);
    strange = strange || (bpf_obj_get_info_by_fd(link, &info, &bytes) == 0 &&
                          !own.contains(info.prog_id));
  });
  return strange;
}

absl::Status DatapathState::Remove(const DatapathOptions& options) {
  CC_RETURN_IF_ERROR(ValidateOptions(options));
  CC_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> pins,
                      Pins::Open(options.bpffs, options.name));
  pins->RemoveAll();
  return absl::OkStatus();
}

DatapathState::DatapathState(const DatapathOptions& options, NetNs netns,
                             std::unique_ptr<Pins> pins,
                             std::unique_ptr<ProgramSet> programs,
                             std::unique_ptr<SockPrograms> sock_programs,
                             LinkWatch watch, PublishedMaps maps,
                             Barrier barrier, uint32_t epoch, RingBuffer events,
                             Meter meter, LostCounters lost)
    : options_(options),
      build_(BuildOf(options)),
      netns_(std::move(netns)),
      pins_(std::move(pins)),
      programs_(std::move(programs)),
      sock_programs_(std::move(sock_programs)),
      watch_(std::move(watch)),
      publisher_(std::move(maps), std::move(barrier), epoch),
      events_(std::move(events), std::move(lost)),
      meter_(std::move(meter)) {}

absl::StatusOr<std::shared_ptr<const Surroundings>> DatapathState::Resolve(
    const Intent& intent) {
  const Intent& in_force = planner_.intent();
  links_changed_ = watch_.HasChanged() || links_changed_;
  if (!links_changed_ && intent.touched.empty() &&
      intent.endpoints.IsSameAs(in_force.endpoints) &&
      NewHopInterfaces(in_force, intent, *surroundings_).empty()) {
    return surroundings_;
  }
  auto resolved_all = std::make_shared<Surroundings>();
  Surroundings& surroundings = *resolved_all;
  const auto& links = surroundings_->links;
  CC_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(netns_));
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    // Those that were there are as they were: a link that is made anew under an
    // old name has to be attached anew.
    const auto known = links.find(interface);
    if (known != links.end() && !intent.touched.contains(interface)) {
      surroundings.links.insert(*known);
      continue;
    }
    absl::StatusOr<LinkInfo> link = netlink.FindLink(interface);
    if (!link.ok()) return Annotate(link.status(), "endpoint");
    ResolvedLink& resolved = surroundings.links[interface];
    resolved.ifindex = link->ifindex;
    for (const auto& [other, its] : links) {
      if (its.ifindex != link->ifindex || other == interface) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "endpoint ", interface, ": its interface is attached as ", other,
          "; detach that in a change before this"));
    }
    resolved.host_mac = link->mac;
    if (endpoint.mac.has_value()) {
      resolved.mac = *endpoint.mac;
    } else if (absl::StatusOr<LinkInfo> peer = netlink.FindPeer(*link);
               peer.ok()) {
      resolved.mac = peer->mac;
    }
    if (!link->is_pair()) resolved.flags |= CC_ENDPOINT_NO_PEER_REDIRECT;
  }
  for (const auto& [first, remote] : intent.remotes) {
    if (!remote.next_hop.has_value()) continue;
    const std::string& interface = remote.next_hop->interface;
    if (surroundings.hop_interfaces.contains(interface)) continue;
    absl::StatusOr<LinkInfo> link = netlink.FindLink(interface);
    if (!link.ok()) {
      return Annotate(link.status(), absl::StrCat("remote ", first.ToString()));
    }
    surroundings.hop_interfaces[interface] = link->ifindex;
  }
  CC_ASSIGN_OR_RETURN(const auto addresses, netlink.Addresses());
  for (const InterfaceAddress& own : addresses)
    surroundings.host_addresses.push_back(own.address);
  KeepOnlyTheHosts(intent, surroundings.host_addresses);
  return resolved_all;
}

absl::StatusOr<uint32_t> DatapathState::Commit(const std::vector<Edit>& edits) {
  const std::lock_guard lock(mutex_);
  CC_ASSIGN_OR_RETURN(Intent next, planner_.Edited(edits));
  CC_ASSIGN_OR_RETURN(const auto surroundings, Resolve(next));
  CC_ASSIGN_OR_RETURN(Planner::Plan plan,
                      planner_.Compiled(std::move(next), surroundings));
  const bool same_endpoints =
      plan.intent.endpoints.IsSameAs(planner_.intent().endpoints);
  std::map<std::string, std::unique_ptr<Attachment>> attached;
  CC_ASSIGN_OR_RETURN(const uint32_t generation,
                      publisher_.Publish(plan.desired, [&] {
                        return AttachNew(plan.intent, *surroundings, attached);
                      }));
  attachments_.merge(attached);
  DetachGone(plan.intent);
  DetachFound(plan.intent);
  const absl::Status taken_over = TakeOver();
  surroundings_ = surroundings;
  links_changed_ = false;
  planner_.Published(std::move(plan));
  // A change is in force, whether or not its counters could be read.
  if (!same_endpoints)
    meter_.Note(publisher_.endpoints().SlotsByName()).IgnoreError();
  if (!taken_over.ok()) return taken_over;
  return generation;
}

absl::StatusOr<uint64_t> DatapathState::EndStaleSockets() {
  std::shared_ptr<const StaleSockets> stale;
  ServiceTable served;
  {
    const std::lock_guard lock(mutex_);
    if (sock_programs_ == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("instance ", options_.name,
                       ": expected one with a cgroup, found one without"));
    }
    if (stale_sockets_ == nullptr) {
      CC_ASSIGN_OR_RETURN(StaleSockets loaded,
                          StaleSockets::Load(sock_programs_->object()));
      stale_sockets_ = std::make_shared<const StaleSockets>(std::move(loaded));
    }
    stale = stale_sockets_;
    served = planner_.intent().served;
  }
  return stale->EndOf(
      options_.cgroup, [&](const Frontend& frontend, const Backend& backend) {
        const ServiceRef* service = served.Find(frontend);
        return service != nullptr && IsServedBy(backend, **service);
      });
}

absl::StatusOr<ChangePlan> DatapathState::Plan(const std::vector<Edit>& edits) {
  const std::lock_guard lock(mutex_);
  CC_ASSIGN_OR_RETURN(Intent next, planner_.Edited(edits));
  CC_ASSIGN_OR_RETURN(const auto surroundings, Resolve(next));
  CC_ASSIGN_OR_RETURN(const Planner::Plan plan,
                      planner_.Compiled(std::move(next), surroundings));
  return publisher_.Plan(plan.desired);
}

// Where an earlier process left its programs they judged until now: ours take
// over link by link, by maps that are complete. What is pinned tells of them
// before: if the next process went on with the old maps, their epochs would
// come to those that our programs have written into the records of connections,
// and it would believe our judgements.
absl::Status DatapathState::TakeOver() {
  if (pins_ != nullptr) CC_RETURN_IF_ERROR(PinState());
  for (const auto& [interface, attachment] : attachments_) {
    CC_RETURN_IF_ERROR(attachment->TakeOver());
  }
  if (sock_programs_ != nullptr) return sock_programs_->TakeOver();
  if (pins_ != nullptr && !sock_links_gone_) pins_->RemoveSockLinks();
  sock_links_gone_ = true;
  return absl::OkStatus();
}

absl::Status DatapathState::PinState() {
  if (pinned_build_ == build_) return absl::OkStatus();
  Journal& journal = *publisher_.journal();
  if (pinned_build_ == 0) {
    journal.SetBuild(build_);
    CC_RETURN_IF_ERROR(pins_->ReplaceState([&](const std::string& state) {
      absl::Status done = programs_->object().Pin(state);
      if (done.ok() && sock_programs_ != nullptr)
        done = sock_programs_->object().Pin(state);
      if (done.ok())
        done = Pins::Put(journal.fd(), Pins::MapPathIn(state, "cc_journal"));
      return done;
    }));
  } else {
    journal.SetBuild(0);  // whoever dies now leaves programs of two builds
    CC_RETURN_IF_ERROR(programs_->object().ReplacePrograms(*pins_));
    if (sock_programs_ != nullptr)
      CC_RETURN_IF_ERROR(sock_programs_->object().ReplacePrograms(*pins_));
    journal.SetBuild(build_);
  }
  pinned_build_ = build_;
  return absl::OkStatus();
}

absl::Status DatapathState::AttachNew(
    const Intent& next, const Surroundings& surroundings,
    std::map<std::string, std::unique_ptr<Attachment>>& attached) {
  if (next.endpoints.IsSameAs(planner_.intent().endpoints)) {
    return sock_programs_ == nullptr ? absl::OkStatus()
                                     : sock_programs_->Attach();
  }
  return netns_.Run([&]() -> absl::Status {
    for (const auto& [interface, endpoint] : *next.endpoints) {
      if (attachments_.contains(interface)) continue;
      CC_ASSIGN_OR_RETURN(
          attached[interface],
          programs_->Attach(interface,
                            surroundings.links.at(interface).ifindex));
    }
    if (sock_programs_ != nullptr) CC_RETURN_IF_ERROR(sock_programs_->Attach());
    return absl::OkStatus();
  });
}

// Endpoints that close stay attached to programs that know them no more.
void DatapathState::DetachGone(const Intent& next) {
  if (next.endpoints.IsSameAs(planner_.intent().endpoints)) return;
  for (const auto& [interface, endpoint] : *planner_.intent().endpoints) {
    if (next.endpoints->contains(interface) ||
        endpoint.on_detach == OnDetach::kClosed)
      continue;
    auto gone = attachments_.find(interface);
    gone->second->Unpin();
    attachments_.erase(gone);
  }
}

// Endpoints of an earlier process that this one does not name have ended.
void DatapathState::DetachFound(const Intent& next) {
  for (const EndpointWriter::Adopted& found : found_) {
    if (found.closes || next.endpoints->contains(found.interface)) continue;
    const absl::Status gone = netns_.Run([&]() -> absl::Status {
      CC_ASSIGN_OR_RETURN(const auto attachment,
                          programs_->Attach(found.interface, found.ifindex));
      attachment->Unpin();
      return absl::OkStatus();
    });
    // Its interface may have gone before it; then the pins say nothing.
    if (!gone.ok()) pins_->RemoveLinks(found.interface);
  }
  found_.clear();
}

absl::StatusOr<std::vector<Counter>> DatapathState::counters() const {
  const std::lock_guard lock(mutex_);
  return meter_.Read();
}

absl::StatusOr<std::vector<Counter>> DatapathState::endpoint_counters() const {
  const std::lock_guard lock(mutex_);
  return meter_.ReadEndpoints();
}

uint32_t DatapathState::generation() const {
  const std::lock_guard lock(mutex_);
  return publisher_.epoch();
}

std::shared_ptr<const CompiledPolicy> DatapathState::policy() const {
  const std::lock_guard lock(mutex_);
  return planner_.policy();
}

absl::StatusOr<std::vector<IdentityRef>> DatapathState::RecoverIdentities(
    IdentityAllocator& allocator) const {
  const std::lock_guard lock(mutex_);
  if (publisher_.journal() == nullptr) return std::vector<IdentityRef>();
  return internal::RecoverIdentities(publisher_.journal()->records(),
                                     allocator);
}

absl::StatusOr<Verdict> DatapathState::PlantFault(const IpAddress& source,
                                                  const IpAddress& destination,
                                                  PortProtocol port) {
  const std::lock_guard lock(mutex_);
  CC_ASSIGN_OR_RETURN(cc_cell* const cell,
                      FindCell(publisher_.maps(), source, destination, port));
  cc_cell turned = *cell;
  turned.verdict =
      cell->verdict == CC_VERDICT_DENY ? CC_VERDICT_ALLOW : CC_VERDICT_DENY;
  const auto was = static_cast<Verdict>(cell->verdict);
  StoreRelease(cell, turned);
  return was;
}

std::shared_ptr<const FlowDirectory::Party> DatapathState::FindParty(
    uint32_t peer, const IpAddress& address) const {
  const std::lock_guard lock(mutex_);
  return planner_.FindParty(peer, address);
}

std::shared_ptr<const std::string> DatapathState::Explain(
    uint32_t rule_set) const {
  return planner_.Explain(rule_set);
}

std::shared_ptr<const std::string> DatapathState::FindService(
    const IpAddress& address, PortProtocol port) const {
  const std::lock_guard lock(mutex_);
  return planner_.FindService(address, port);
}

}  // namespace ciliumcore::internal
