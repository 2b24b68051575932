// SPDX-License-Identifier: Apache-2.0

// Names of services, as pods know them.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_NAMES_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_NAMES_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore::ccore {

// What names mean: "cart", "cart.shop", "cart.shop.svc" and
// "cart.shop.svc.cluster.local".
using Names = std::map<std::string, std::set<IpAddress>>;

// The names that pods of the namespace know; the short one is of their own
// namespace. A headless service means the pods that it selects. `services` has
// the addresses of the others.
Names NamesFor(const Cluster& cluster,
               const std::vector<ServiceOptions>& services,
               const std::string& ns);

// The text of a hosts file.
std::string HostsText(const Names& names);

// Puts a hosts file of that text in place of the calling thread's, and has
// names looked up there alone. The thread gets a mount namespace of its own.
absl::Status UseHosts(const std::string& text);

// What getaddrinfo makes of `names` in a pod with that hosts file; nothing for
// one that it does not find.
absl::StatusOr<Names> Resolve(const std::string& hosts_text,
                              const std::set<std::string>& names);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_NAMES_H_
