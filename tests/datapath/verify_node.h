// SPDX-License-Identifier: Apache-2.0

// A node whose maps are in this process: nothing judges packets there, but what
// its maps hold can be verified, and spoilt.

#ifndef CILIUMCORE_TESTS_DATAPATH_VERIFY_NODE_H_
#define CILIUMCORE_TESTS_DATAPATH_VERIFY_NODE_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/policy/policy_set.h"
#include "lib/datapath/planner_internal.h"
#include "lib/datapath/publisher_internal.h"
#include "lib/datapath/verify_internal.h"
#include "tests/datapath/dialects_policy.h"

namespace ciliumcore::testing {

class VerifyNode {
 public:
  explicit VerifyNode(const internal::MapSizes& sizes = {})
      : publisher_(
            *internal::PublishedMaps::CreateInMemory(sizes),
            [] { return absl::OkStatus(); }, 1) {}

  // An endpoint at "veth-NAME", whose interface is the next from 1 on.
  void Attach(const std::string& app,
              const std::vector<std::string>& addresses) {
    EndpointOptions endpoint;
    endpoint.interface = absl::StrCat("veth-", app);
    for (const std::string& address : addresses)
      endpoint.addresses.push_back(*IpAddress::Parse(address));
    endpoint.identity = identities_.Allocate({{"app", app}});
    ifindexes_.try_emplace(endpoint.interface,
                           static_cast<uint32_t>(ifindexes_.size() + 1));
    Edit([endpoint](internal::Intent& intent) {
      intent.endpoints.Edit()[endpoint.interface] = endpoint;
      return absl::OkStatus();
    });
  }
  void Detach(const std::string& app) {
    Edit([app](internal::Intent& intent) {
      intent.endpoints.Edit().erase(absl::StrCat("veth-", app));
      return absl::OkStatus();
    });
  }
  // An address elsewhere.
  void AddRemote(const std::string& app, const std::string& address) {
    RemoteOptions remote;
    remote.addresses = {*IpAddress::Parse(address)};
    remote.identity = identities_.Allocate({{"app", app}});
    Edit([remote](internal::Intent& intent) {
      intent.remotes.Set(remote.addresses.front(), remote);
      return absl::OkStatus();
    });
  }
  void RemoveRemote(const std::string& address) {
    Edit([address](internal::Intent& intent) {
      intent.remotes.Erase(*IpAddress::Parse(address));
      return absl::OkStatus();
    });
  }
  void SetName(const NameAddress& name, bool is_there) {
    Edit([name, is_there](internal::Intent& intent) {
      if (is_there) {
        intent.names.Set(name, true);
      } else {
        intent.names.Erase(name);
      }
      return absl::OkStatus();
    });
  }
  void SetPolicies(Policies policies) {
    Edit([policies = std::move(policies)](internal::Intent& intent) {
      intent.policies = internal::Shared(policies);
      return absl::OkStatus();
    });
  }
  void SetPolicies(const std::string& manifest) {
    const auto parsed = PolicySet::FromManifest(manifest);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    SetPolicies(parsed->policies());
  }

  void Commit() {
    auto intent = planner_.Edited(edits_);
    ASSERT_TRUE(intent.ok()) << intent.status();
    edits_.clear();
    // As in a datapath, the same where interfaces are: then only what changes
    // among remotes and names is looked at.
    auto surroundings = surroundings_;
    if (surroundings == nullptr ||
        surroundings->links.size() != ifindexes_.size()) {
      auto fresh = std::make_shared<internal::Surroundings>();
      for (const auto& [interface, ifindex] : ifindexes_)
        fresh->links[interface].ifindex = ifindex;
      fresh->host_addresses = {*IpAddress::Parse("10.0.0.254")};
      surroundings = std::move(fresh);
    }
    auto plan = planner_.Compiled(*std::move(intent), surroundings);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const auto published = publisher_.Publish(plan->desired);
    ASSERT_TRUE(published.ok()) << published.status();
    planner_.Published(*std::move(plan));
    surroundings_ = surroundings;
  }

  // What is in force; tests may want something else.
  internal::WantedVerdicts Wanted() const {
    internal::WantedVerdicts wanted;
    wanted.state = *planner_.InForce(*surroundings_);
    wanted.identities = internal::PeersOf(wanted.state);
    return wanted;
  }
  internal::LiveMaps LiveMaps() { return internal::LiveMaps::Of(maps()); }

  VerifyReport Verify() { return Verify(Wanted()); }
  VerifyReport Verify(const internal::WantedVerdicts& wanted) {
    const auto report = internal::VerifyMaps(LiveMaps(), wanted, planner_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : VerifyReport();
  }

  internal::PublishedMaps& maps() { return publisher_.maps(); }
  const internal::Planner& planner() const { return planner_; }
  uint32_t SlotOf(const std::string& app) const {
    return publisher_.endpoints().SlotsByName().at(absl::StrCat("veth-", app));
  }
  uint32_t IfindexOf(const std::string& app) const {
    return ifindexes_.at(absl::StrCat("veth-", app));
  }
  // In force.
  cc_subject& SubjectOf(const std::string& app) {
    return maps().subjects[cc_switch_pick(maps().endpoints[SlotOf(app)].subject,
                                          maps().state[0].epoch)];
  }
  uint32_t IdentityOf(const std::string& app) {
    return static_cast<uint32_t>(identities_.Allocate({{"app", app}}).id());
  }

 private:
  void Edit(internal::Edit edit) { edits_.push_back(std::move(edit)); }

  IdentityAllocator identities_;
  internal::Planner planner_;
  internal::Publisher publisher_;
  std::vector<internal::Edit> edits_;
  std::map<std::string, uint32_t> ifindexes_;  // by interface
  std::shared_ptr<const internal::Surroundings> surroundings_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_DATAPATH_VERIFY_NODE_H_
