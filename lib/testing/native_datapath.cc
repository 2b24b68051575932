// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/testing/native_datapath.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/testing/native_state_internal.h"

namespace ciliumcore::testing {

std::string PacketOutcome::ToString() const {
  switch (to) {
    case To::kNobody:
      return "dropped";
    case To::kEndpoint:
      return absl::StrCat("delivered to ", interface);
    case To::kNode:
      return "to the node";
    case To::kInterface:
      return absl::StrCat("out through ", interface);
  }
  return "";
}

std::ostream& operator<<(std::ostream& out, const PacketOutcome& outcome) {
  for (const std::string& line : outcome.trace.Lines()) out << line << "\n";
  return out << outcome.ToString() << "\n";
}

absl::StatusOr<NativeDatapath> NativeDatapath::Open(
    const NativeDatapathOptions& options) {
  absl::StatusOr<std::shared_ptr<internal::NativeState>> state =
      internal::NativeState::Open(options);
  if (!state.ok()) return state.status();
  return NativeDatapath(*std::move(state));
}

NativeDatapath::NativeDatapath(std::shared_ptr<internal::NativeState> state)
    : state_(std::move(state)) {}
NativeDatapath::NativeDatapath(NativeDatapath&&) noexcept = default;
NativeDatapath& NativeDatapath::operator=(NativeDatapath&&) noexcept = default;
NativeDatapath::~NativeDatapath() = default;

Transaction NativeDatapath::Begin() { return Transaction(state_); }

absl::StatusOr<PacketOutcome> NativeDatapath::Send(absl::string_view interface,
                                                   absl::string_view packet) {
  return state_->Run(interface, /*is_egress=*/true, packet);
}

absl::StatusOr<PacketOutcome> NativeDatapath::Receive(
    absl::string_view interface, absl::string_view packet) {
  return state_->Run(interface, /*is_egress=*/false, packet);
}

std::string NativeDatapath::InterfaceOf(const IpAddress& address) const {
  return state_->InterfaceOf(address);
}

void NativeDatapath::Advance(absl::Duration time) { state_->Advance(time); }

uint32_t NativeDatapath::generation() const { return state_->generation(); }

std::shared_ptr<const CompiledPolicy> NativeDatapath::policy() const {
  return state_->policy();
}

std::vector<Counter> NativeDatapath::counters() const {
  return state_->counters();
}

}  // namespace ciliumcore::testing
