// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/datapath.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/datapath/datapath_state_internal.h"

namespace ciliumcore {

using internal::DatapathState;
using internal::Intent;

Transaction::Transaction(std::shared_ptr<internal::Committer> target)
    : state_(std::make_unique<internal::TransactionState>()) {
  state_->target = std::move(target);
}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Transaction& Transaction::AttachEndpoint(EndpointOptions endpoint) {
  state_->edits.push_back([endpoint = std::move(endpoint)](Intent& intent) {
    intent.endpoints.Edit().insert_or_assign(endpoint.interface, endpoint);
    intent.touched.insert(endpoint.interface);
    return absl::OkStatus();
  });
  return *this;
}

Transaction& Transaction::DetachEndpoint(std::string interface) {
  state_->edits.push_back([interface = std::move(interface)](Intent& intent) {
    if (intent.endpoints.Edit().erase(interface) != 0) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("endpoint ", interface, ": not attached"));
  });
  return *this;
}

Transaction& Transaction::UpsertRemote(RemoteOptions remote) {
  state_->edits.push_back(
      [remote = std::move(remote)](Intent& intent) -> absl::Status {
        if (remote.addresses.empty()) {
          return absl::InvalidArgumentError(
              "remote: expected an address, found none");
        }
        intent.remotes.Set(remote.addresses.front(), remote);
        return absl::OkStatus();
      });
  return *this;
}

Transaction& Transaction::RemoveRemote(const IpAddress& address) {
  state_->edits.push_back([address](Intent& intent) {
    if (intent.remotes.Erase(address)) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("remote ", address.ToString(), ": not known"));
  });
  return *this;
}

Transaction& Transaction::ChangeNames(NameChanges changes) {
  state_->edits.push_back([changes = std::move(changes)](Intent& intent) {
    for (const NameAddress& gone : changes.gone) intent.names.Erase(gone);
    for (const NameAddress& come : changes.come) intent.names.Set(come, true);
    return absl::OkStatus();
  });
  return *this;
}

Transaction& Transaction::UpsertService(ServiceOptions service) {
  state_->edits.push_back(
      [service = std::move(service)](Intent& intent) -> absl::Status {
        if (absl::Status valid = ValidateService(service); !valid.ok())
          return valid;
        SetService(std::make_shared<const ServiceOptions>(service), intent);
        return absl::OkStatus();
      });
  return *this;
}

Transaction& Transaction::RemoveService(const Frontend& frontend) {
  state_->edits.push_back([frontend](Intent& intent) {
    if (EraseService(frontend, intent)) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("service ", frontend.ToString(), ": not known"));
  });
  return *this;
}

Transaction& Transaction::SetServices(std::vector<ServiceOptions> services) {
  state_->edits.push_back(
      [services = std::move(services)](Intent& intent) -> absl::Status {
        std::vector<std::pair<Frontend, internal::ServiceRef>> table;
        for (const ServiceOptions& service : services) {
          if (absl::Status valid = ValidateService(service); !valid.ok())
            return valid;
          table.emplace_back(service.frontend,
                             std::make_shared<const ServiceOptions>(service));
        }
        std::stable_sort(
            table.begin(), table.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
        for (size_t i = 1; i < table.size(); ++i) {
          if (table[i].first != table[i - 1].first) continue;
          return absl::InvalidArgumentError(
              absl::StrCat("service ", table[i].second->ToString(),
                           ": its frontend is also that of service ",
                           table[i - 1].second->name));
        }
        internal::SetServices(std::move(table), intent);
        return absl::OkStatus();
      });
  return *this;
}

Transaction& Transaction::SetHealth(std::vector<BackendHealth> health) {
  state_->edits.push_back([health = std::move(health)](Intent& intent) {
    internal::SetHealth(health, intent);
    return absl::OkStatus();
  });
  return *this;
}

Transaction& Transaction::SetPolicies(std::vector<NetworkPolicy> policies) {
  return SetPolicies(Policies{.policies = std::move(policies)});
}

Transaction& Transaction::SetPolicies(Policies policies) {
  state_->edits.push_back(
      [policies = internal::Shared(std::move(policies))](Intent& intent) {
        intent.policies = policies;
        return absl::OkStatus();
      });
  return *this;
}

Transaction& Transaction::SetNamespaces(std::vector<Namespace> namespaces) {
  state_->edits.push_back([namespaces = std::move(namespaces)](Intent& intent) {
    intent.namespaces = namespaces;
    return absl::OkStatus();
  });
  return *this;
}

Transaction& Transaction::SetPolicyContext(PolicyContext context) {
  state_->edits.push_back(
      [context = internal::Shared(std::move(context))](Intent& intent) {
        if (*intent.context != *context) intent.context = context;
        return absl::OkStatus();
      });
  return *this;
}

absl::StatusOr<ChangePlan> Transaction::Plan() const {
  return state_->target->Plan(state_->edits);
}

absl::StatusOr<uint32_t> Transaction::CommitGeneration() {
  absl::StatusOr<uint32_t> generation = state_->target->Commit(state_->edits);
  if (generation.ok()) state_->edits.clear();
  return generation;
}

std::optional<Flow> FlowReader::Next(absl::Duration timeout) {
  const std::optional<FlowEvent> event = state_->events().Next(timeout);
  if (!event.has_value()) return std::nullopt;
  Flow flow;
  Resolve(*event, flow);
  return flow;
}

size_t FlowReader::Consume(
    absl::Duration timeout,
    absl::FunctionRef<void(const FlowEvent& event)> visit) {
  return state_->events().Consume(timeout, visit);
}

void FlowReader::Resolve(const FlowEvent& event, Flow& flow) const {
  ResolveFlow(event, *state_, flow);
}

uint64_t FlowReader::lost() const { return state_->events().lost(); }
uint64_t FlowReader::undecodable() const {
  return state_->events().undecodable();
}

absl::StatusOr<Datapath> Datapath::Open(const DatapathOptions& options) {
  absl::StatusOr<std::shared_ptr<DatapathState>> state =
      DatapathState::Open(options);
  if (!state.ok()) return state.status();
  return Datapath(*std::move(state));
}

absl::Status Datapath::Remove(const DatapathOptions& options) {
  return DatapathState::Remove(options);
}

Datapath::Datapath(std::shared_ptr<DatapathState> state)
    : state_(std::move(state)), flows_(state_.get()) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

Transaction Datapath::Begin() { return Transaction(state_); }
absl::StatusOr<std::vector<IdentityRef>> Datapath::RecoverIdentities(
    IdentityAllocator& allocator) const {
  return state_->RecoverIdentities(allocator);
}
uint32_t Datapath::generation() const { return state_->generation(); }
std::shared_ptr<const CompiledPolicy> Datapath::policy() const {
  return state_->policy();
}
absl::StatusOr<std::vector<Counter>> Datapath::counters() const {
  return state_->counters();
}
absl::StatusOr<std::vector<Counter>> Datapath::endpoint_counters() const {
  return state_->endpoint_counters();
}
absl::StatusOr<VerifyReport> Datapath::Verify() const {
  return state_->Verify();
}

absl::StatusOr<uint64_t> Datapath::EndStaleSockets() {
  return state_->EndStaleSockets();
}

absl::StatusOr<Verdict> Datapath::PlantFault(const IpAddress& source,
                                             const IpAddress& destination,
                                             PortProtocol port) {
  return state_->PlantFault(source, destination, port);
}

}  // namespace ciliumcore
