// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/reserved.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace ciliumcore {
namespace {

TEST(ReservedTest, HasCiliumsNumbersAndNames) {
  const std::pair<uint32_t, std::string> known[] = {
      {0, "unknown"},     {1, "host"},           {2, "world"},
      {3, "unmanaged"},   {4, "health"},         {5, "init"},
      {6, "remote-node"}, {7, "kube-apiserver"}, {8, "ingress"},
      {9, "world-ipv4"},  {10, "world-ipv6"},
  };
  for (const auto& [number, name] : known) {
    EXPECT_EQ(IdentityName(static_cast<Identity>(number)), name);
    if (number == 0) continue;
    EXPECT_EQ(ReservedIdentity(name), static_cast<Identity>(number));
  }
  EXPECT_EQ(IdentityName(static_cast<Identity>(4711)), "4711");
}

TEST(ReservedTest, NobodyIsNoIdentityToAskFor) {
  EXPECT_EQ(ReservedIdentity("unknown"), std::nullopt);
  EXPECT_EQ(ReservedIdentity(""), std::nullopt);
  EXPECT_EQ(ReservedIdentity("4711"), std::nullopt);
  EXPECT_TRUE(ReservedLabels(Identity::kUnknown).empty());
}

TEST(ReservedTest, AnApiServerIsARemoteNodeToo) {
  EXPECT_EQ(ReservedLabels(Identity::kHost).ToString(), "reserved:host");
  EXPECT_EQ(ReservedLabels(Identity::kKubeApiserver).ToString(),
            "reserved:kube-apiserver, reserved:remote-node");
  EXPECT_TRUE(ReservedLabels(static_cast<Identity>(300)).empty());
}

TEST(ReservedTest, IsFoundByItsLabels) {
  for (uint32_t number = 1; number <= 10; ++number) {
    const auto identity = static_cast<Identity>(number);
    EXPECT_EQ(ReservedIdentityOf(ReservedLabels(identity)), identity);
  }
  EXPECT_EQ(ReservedIdentityOf(*Labels::Parse("reserved:kube-apiserver")),
            Identity::kKubeApiserver);
  for (const char* text :
       {"", "host", "reserved:nobody", "reserved:host=x",
        "reserved:host,reserved:world", "reserved:host,app=web"}) {
    EXPECT_EQ(ReservedIdentityOf(*Labels::Parse(text)), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ciliumcore
