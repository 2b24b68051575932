// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/peer.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/numbering_internal.h"

namespace ciliumcore {

std::string PeerVariety::ToString() const {
  std::string text = IdentityName(identity);
  if (cover.has_value()) absl::StrAppend(&text, " in ", cover->ToString());
  if (!ports.empty()) {
    absl::StrAppend(
        &text, " with ",
        absl::StrJoin(ports, ",", [](std::string* out, const NamedPort& port) {
          absl::StrAppend(out, port.name, "=", port.port.ToString());
        }));
  }
  if (!labels.empty()) {
    absl::StrAppend(&text, " labelled ", labels.ToString());
  }
  return text;
}

struct PeerRegistry::State {
  using Varieties = Numbering<Peer, &Peer::number, &Peer::variety>;

  std::shared_ptr<Varieties> cidr =
      std::make_shared<Varieties>(kFirstCidrPeer, kLastCidrPeer, 0);
  std::shared_ptr<Varieties> split =
      std::make_shared<Varieties>(kFirstSplitPeer, kLastSplitPeer, 0);

  Varieties& Of(const PeerVariety& variety) {
    return variety.identity == Identity::kWorld ? *cidr : *split;
  }
};

PeerRegistry::PeerRegistry() : state_(std::make_shared<State>()) {}

absl::StatusOr<PeerRef> PeerRegistry::Intern(PeerVariety variety) {
  if (variety.is_plain()) {
    const uint32_t number = static_cast<uint32_t>(variety.identity);
    return std::make_shared<const Peer>(Peer{number, std::move(variety)});
  }
  State::Varieties& varieties = state_->Of(variety);
  return varieties.Intern(std::move(variety));
}

absl::StatusOr<PeerRef> PeerRegistry::Restore(uint32_t number,
                                              PeerVariety variety) {
  if (variety.is_plain()) {
    if (number != static_cast<uint32_t>(variety.identity)) {
      return absl::InvalidArgumentError(
          absl::StrCat("peer ", number, " cannot be the whole of identity ",
                       static_cast<uint32_t>(variety.identity)));
    }
    return Intern(std::move(variety));
  }
  State::Varieties& varieties = state_->Of(variety);
  return varieties.Restore(number, std::move(variety));
}

size_t PeerRegistry::size() const {
  return state_->cidr->live() + state_->split->live();
}

}  // namespace ciliumcore
