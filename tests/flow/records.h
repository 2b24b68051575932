// SPDX-License-Identifier: Apache-2.0

// Records of the ring made by hand, and a directory that knows two pods.

#ifndef CILIUMCORE_TESTS_FLOW_RECORDS_H_
#define CILIUMCORE_TESTS_FLOW_RECORDS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/flow/flow.h"

namespace ciliumcore::testing {

inline constexpr uint32_t kWebPeer = 1001, kDbPeer = 1002;
inline constexpr uint32_t kEgressRules = 7, kIngressRules = 8;

inline IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

// A packet of a connection from web to db.
inline cc_event Record(cc_event_kind kind, const char* web = "10.0.1.10",
                       const char* db = "10.0.1.20") {
  return {.kind = static_cast<__u16>(kind),
          .version = CC_EVENT_VERSION,
          .bytes = sizeof(cc_event),
          .time = 123456789,
          .src = abi::ToAddr(Ip(web)),
          .dst = abi::ToAddr(Ip(db)),
          .sport = abi::ToBe16(40000),
          .dport = abi::ToBe16(5432),
          .protocol = 6,
          .reason = static_cast<__u8>(kind == CC_EVENT_DROP ? 133 : 0),
          .direction = CC_INGRESS,
          .tcp_flags = 0x02,
          .src_peer = kWebPeer,
          .dst_peer = kDbPeer,
          .rule_set = {kEgressRules, kIngressRules},
          .epoch = 42,
          .ifindex = 10,
          .packet_bytes = 74,
          .is_reply = 0,
          .audited = 0,
          .pad = {}};
}

// db's FIN ends it.
inline cc_event_end EndRecord() {
  cc_event_end end = {.event = Record(CC_EVENT_END, "10.0.1.20", "10.0.1.10"),
                      .bytes = {2000, 300},
                      .packets = {20, 3}};
  end.event.bytes = sizeof(end);
  end.event.sport = abi::ToBe16(5432);
  end.event.dport = abi::ToBe16(40000);
  end.event.src_peer = kDbPeer;
  end.event.dst_peer = kWebPeer;
  end.event.is_reply = 1;
  end.event.rule_set[0] = end.event.rule_set[1] = 0;
  return end;
}

template <typename T>
absl::Span<const std::byte> BytesOf(const T& record) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&record),
                             sizeof(record));
}

class TwoPods : public FlowDirectory {
 public:
  std::shared_ptr<const Party> FindParty(uint32_t peer,
                                         const IpAddress&) const override {
    return peer == kWebPeer ? web_ : peer == kDbPeer ? db_ : nobody_;
  }
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override {
    return rule_set == kEgressRules    ? egress_
           : rule_set == kIngressRules ? ingress_
                                       : nullptr;
  }
  std::shared_ptr<const std::string> FindService(
      const IpAddress&, PortProtocol port) const override {
    return port.port == 5432 ? service_ : nullptr;
  }

 private:
  using Text = std::shared_ptr<const std::string>;

  static std::shared_ptr<const Party> Pod(uint32_t peer, const char* app) {
    auto labels = std::make_shared<const Labels>(Labels{{"app", app},
                                                        {"tier", "back"},
                                                        {kNamespaceKey, "shop"},
                                                        {"version", "v1"},
                                                        {"release", "stable"}});
    return std::make_shared<const Party>(
        Party{.identity = static_cast<Identity>(peer),
              .name = std::string("shop/app=") + app,
              .pod = std::string("shop/") + app + "-0",
              .labels = std::move(labels)});
  }

  std::shared_ptr<const Party> web_ = Pod(kWebPeer, "web");
  std::shared_ptr<const Party> db_ = Pod(kDbPeer, "db");
  std::shared_ptr<const Party> nobody_ =
      std::make_shared<const Party>(Party{.identity = Identity::kWorld,
                                          .name = "world",
                                          .pod = "",
                                          .labels = nullptr});
  Text egress_ = std::make_shared<const std::string>(
      "allowed by NetworkPolicy shop/allow-web egress[0]");
  Text ingress_ = std::make_shared<const std::string>(
      "default deny: isolated for ingress by NetworkPolicy shop/db, and no "
      "rule "
      "allows this");
  Text service_ = std::make_shared<const std::string>("shop/db:sql");
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_FLOW_RECORDS_H_
