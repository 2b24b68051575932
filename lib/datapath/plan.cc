// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/plan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

std::string PlannedChange::ToString() const {
  const absl::string_view sign = action == Action::kAdd     ? "+ "
                                 : action == Action::kAlter ? "~ "
                                                            : "- ";
  return absl::StrCat(sign, subject);
}

std::string ChangePlan::ToString() const {
  std::string text;
  for (const PlannedChange& change : changes)
    absl::StrAppend(&text, change.ToString(), "\n");
  for (const PlannedRoom& map : room) {
    absl::StrAppend(&text, map.fits() ? "  " : "! ", "map ", map.map, ": ",
                    map.wanted, " more beside ", map.used, " of ", map.capacity,
                    map.fits() ? "\n" : ": does not fit\n");
  }
  return text;
}

}  // namespace ciliumcore
