// SPDX-License-Identifier: Apache-2.0

// The layouts of all abi structs. A description that leaves out a byte does not
// compile; a struct of a map without one fails tests/abi.

#ifndef CILIUMCORE_ABI_LAYOUTS_H_
#define CILIUMCORE_ABI_LAYOUTS_H_

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "ciliumcore/abi/base.h"
#include "ciliumcore/abi/config.h"
#include "ciliumcore/abi/conntrack.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/fragment.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/journal.h"
#include "ciliumcore/abi/layout.h"
#include "ciliumcore/abi/lb.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/abi/policy.h"
#include "ciliumcore/abi/service.h"
#include "ciliumcore/abi/state.h"

// Defined here and gone at the end of the header: users see no macro.
#define CC_FIELD(s, f) \
  ::ciliumcore::abi::Field { #f, offsetof(s, f), sizeof(s::f) }

#define CC_LAYOUT(s, ...)                                           \
  template <>                                                       \
  struct ciliumcore::abi::Layout<::s> {                             \
    static constexpr std::string_view kName = #s;                   \
    static constexpr std::array kFields = {__VA_ARGS__};            \
    static_assert(std::is_trivially_copyable_v<::s>, #s);           \
    static_assert(std::is_standard_layout_v<::s>, #s);              \
    static_assert(Tiles(kFields, sizeof(::s)),                      \
                  #s ": CC_LAYOUT must name every byte, in order"); \
  }

CC_LAYOUT(cc_addr, CC_FIELD(cc_addr, w));
CC_LAYOUT(cc_state, CC_FIELD(cc_state, epoch), CC_FIELD(cc_state, addr_seed),
          CC_FIELD(cc_state, addr_mask), CC_FIELD(cc_state, service_mask));
CC_LAYOUT(cc_clock, CC_FIELD(cc_clock, ticks), CC_FIELD(cc_clock, pad));
CC_LAYOUT(cc_addr_heads, CC_FIELD(cc_addr_heads, place));
CC_LAYOUT(cc_prefix_key, CC_FIELD(cc_prefix_key, bits),
          CC_FIELD(cc_prefix_key, addr));
CC_LAYOUT(cc_place_value, CC_FIELD(cc_place_value, peer),
          CC_FIELD(cc_place_value, where), CC_FIELD(cc_place_value, pad));
CC_LAYOUT(cc_place, CC_FIELD(cc_place, which), CC_FIELD(cc_place, value),
          CC_FIELD(cc_place, addr), CC_FIELD(cc_place, next),
          CC_FIELD(cc_place, pad));
CC_LAYOUT(cc_service_heads, CC_FIELD(cc_service_heads, service));
CC_LAYOUT(cc_service, CC_FIELD(cc_service, which), CC_FIELD(cc_service, target),
          CC_FIELD(cc_service, next), CC_FIELD(cc_service, affinity_ticks),
          CC_FIELD(cc_service, near_addr), CC_FIELD(cc_service, near_port),
          CC_FIELD(cc_service, addr), CC_FIELD(cc_service, port),
          CC_FIELD(cc_service, protocol), CC_FIELD(cc_service, is_v6));
CC_LAYOUT(cc_service_slots, CC_FIELD(cc_service_slots, backend));
CC_LAYOUT(cc_backend, CC_FIELD(cc_backend, addr), CC_FIELD(cc_backend, port),
          CC_FIELD(cc_backend, epoch), CC_FIELD(cc_backend, born),
          CC_FIELD(cc_backend, until), CC_FIELD(cc_backend, service));
CC_LAYOUT(cc_affinity_key, CC_FIELD(cc_affinity_key, client),
          CC_FIELD(cc_affinity_key, service), CC_FIELD(cc_affinity_key, pad));
CC_LAYOUT(cc_affinity, CC_FIELD(cc_affinity, backend),
          CC_FIELD(cc_affinity, born), CC_FIELD(cc_affinity, seen),
          CC_FIELD(cc_affinity, pad));
CC_LAYOUT(cc_sock_service, CC_FIELD(cc_sock_service, frontend),
          CC_FIELD(cc_sock_service, backend),
          CC_FIELD(cc_sock_service, frontend_port),
          CC_FIELD(cc_sock_service, backend_port),
          CC_FIELD(cc_sock_service, index));
CC_LAYOUT(cc_sock, CC_FIELD(cc_sock, service), CC_FIELD(cc_sock, last),
          CC_FIELD(cc_sock, next), CC_FIELD(cc_sock, known));
CC_LAYOUT(cc_hop, CC_FIELD(cc_hop, ifindex), CC_FIELD(cc_hop, family),
          CC_FIELD(cc_hop, gateway));
CC_LAYOUT(cc_endpoint, CC_FIELD(cc_endpoint, subject),
          CC_FIELD(cc_endpoint, v4), CC_FIELD(cc_endpoint, v6),
          CC_FIELD(cc_endpoint, mac), CC_FIELD(cc_endpoint, host_mac),
          CC_FIELD(cc_endpoint, ifindex), CC_FIELD(cc_endpoint, flags),
          CC_FIELD(cc_endpoint, pad));
CC_LAYOUT(cc_subject, CC_FIELD(cc_subject, identity),
          CC_FIELD(cc_subject, table));
CC_LAYOUT(cc_table, CC_FIELD(cc_table, cells),
          CC_FIELD(cc_table, interval_count), CC_FIELD(cc_table, bound_count),
          CC_FIELD(cc_table, class_count), CC_FIELD(cc_table, generation),
          CC_FIELD(cc_table, axis));
CC_LAYOUT(cc_port_page, CC_FIELD(cc_port_page, entry));
CC_LAYOUT(cc_class_key, CC_FIELD(cc_class_key, table),
          CC_FIELD(cc_class_key, peer));
CC_LAYOUT(cc_class_value, CC_FIELD(cc_class_value, check),
          CC_FIELD(cc_class_value, cls));
CC_LAYOUT(cc_cell, CC_FIELD(cc_cell, rule_set), CC_FIELD(cc_cell, proxy_port),
          CC_FIELD(cc_cell, verdict), CC_FIELD(cc_cell, auth));
CC_LAYOUT(cc_ct_key, CC_FIELD(cc_ct_key, lo), CC_FIELD(cc_ct_key, hi),
          CC_FIELD(cc_ct_key, lo_port), CC_FIELD(cc_ct_key, hi_port),
          CC_FIELD(cc_ct_key, protocol), CC_FIELD(cc_ct_key, pad));
CC_LAYOUT(cc_ct, CC_FIELD(cc_ct, word), CC_FIELD(cc_ct, seen),
          CC_FIELD(cc_ct, where), CC_FIELD(cc_ct, packets),
          CC_FIELD(cc_ct, bytes));
CC_LAYOUT(cc_event, CC_FIELD(cc_event, kind), CC_FIELD(cc_event, version),
          CC_FIELD(cc_event, bytes), CC_FIELD(cc_event, time),
          CC_FIELD(cc_event, src), CC_FIELD(cc_event, dst),
          CC_FIELD(cc_event, sport), CC_FIELD(cc_event, dport),
          CC_FIELD(cc_event, protocol), CC_FIELD(cc_event, reason),
          CC_FIELD(cc_event, direction), CC_FIELD(cc_event, tcp_flags),
          CC_FIELD(cc_event, src_peer), CC_FIELD(cc_event, dst_peer),
          CC_FIELD(cc_event, rule_set), CC_FIELD(cc_event, epoch),
          CC_FIELD(cc_event, ifindex), CC_FIELD(cc_event, packet_bytes),
          CC_FIELD(cc_event, is_reply), CC_FIELD(cc_event, audited),
          CC_FIELD(cc_event, pad));
CC_LAYOUT(cc_event_end, CC_FIELD(cc_event_end, event),
          CC_FIELD(cc_event_end, bytes), CC_FIELD(cc_event_end, packets));
CC_LAYOUT(cc_forwarded, CC_FIELD(cc_forwarded, at));
CC_LAYOUT(cc_drop_key, CC_FIELD(cc_drop_key, slot),
          CC_FIELD(cc_drop_key, direction), CC_FIELD(cc_drop_key, reason));
CC_LAYOUT(cc_journal_line, CC_FIELD(cc_journal_line, word));
CC_LAYOUT(cc_lb_state, CC_FIELD(cc_lb_state, base),
          CC_FIELD(cc_lb_state, flow_seed), CC_FIELD(cc_lb_state, flow_mask),
          CC_FIELD(cc_lb_state, now), CC_FIELD(cc_lb_state, source4),
          CC_FIELD(cc_lb_state, source4_mask), CC_FIELD(cc_lb_state, mtu),
          CC_FIELD(cc_lb_state, tcp_silence),
          CC_FIELD(cc_lb_state, other_silence), CC_FIELD(cc_lb_state, way),
          CC_FIELD(cc_lb_state, pad), CC_FIELD(cc_lb_state, gateway),
          CC_FIELD(cc_lb_state, pad2), CC_FIELD(cc_lb_state, source6),
          CC_FIELD(cc_lb_state, source6_mask), CC_FIELD(cc_lb_state, pad3));
CC_LAYOUT(cc_lb_service, CC_FIELD(cc_lb_service, which),
          CC_FIELD(cc_lb_service, target), CC_FIELD(cc_lb_service, before),
          CC_FIELD(cc_lb_service, next), CC_FIELD(cc_lb_service, addr),
          CC_FIELD(cc_lb_service, port), CC_FIELD(cc_lb_service, protocol),
          CC_FIELD(cc_lb_service, pad));
CC_LAYOUT(cc_lb_backend, CC_FIELD(cc_lb_backend, addr),
          CC_FIELD(cc_lb_backend, service), CC_FIELD(cc_lb_backend, until),
          CC_FIELD(cc_lb_backend, drains), CC_FIELD(cc_lb_backend, pad));
CC_LAYOUT(cc_lb_flows, CC_FIELD(cc_lb_flows, flow));
CC_LAYOUT(cc_metric, CC_FIELD(cc_metric, packets), CC_FIELD(cc_metric, bytes));
CC_LAYOUT(cc_config, CC_FIELD(cc_config, clock_shift),
          CC_FIELD(cc_config, ticks_tcp), CC_FIELD(cc_config, ticks_syn),
          CC_FIELD(cc_config, ticks_close), CC_FIELD(cc_config, ticks_any),
          CC_FIELD(cc_config, event_wake_bytes), CC_FIELD(cc_config, emit_new),
          CC_FIELD(cc_config, emit_drops), CC_FIELD(cc_config, clock_from_map),
          CC_FIELD(cc_config, forward), CC_FIELD(cc_config, audit_only),
          CC_FIELD(cc_config, emit_end), CC_FIELD(cc_config, emit_verdicts),
          CC_FIELD(cc_config, drop_sample_shift));
CC_LAYOUT(cc_fragment_key, CC_FIELD(cc_fragment_key, src),
          CC_FIELD(cc_fragment_key, dst), CC_FIELD(cc_fragment_key, id),
          CC_FIELD(cc_fragment_key, protocol), CC_FIELD(cc_fragment_key, pad));
CC_LAYOUT(cc_fragment, CC_FIELD(cc_fragment, sport),
          CC_FIELD(cc_fragment, dport), CC_FIELD(cc_fragment, icmp_type),
          CC_FIELD(cc_fragment, icmp_code), CC_FIELD(cc_fragment, pad));

#undef CC_LAYOUT
#undef CC_FIELD

namespace ciliumcore::abi {

// Every struct above.
inline constexpr std::array kShapes = {
    ShapeOf<cc_addr>(),       ShapeOf<cc_state>(),
    ShapeOf<cc_clock>(),      ShapeOf<cc_addr_heads>(),
    ShapeOf<cc_prefix_key>(), ShapeOf<cc_place_value>(),
    ShapeOf<cc_place>(),      ShapeOf<cc_hop>(),
    ShapeOf<cc_endpoint>(),   ShapeOf<cc_subject>(),
    ShapeOf<cc_table>(),      ShapeOf<cc_port_page>(),
    ShapeOf<cc_class_key>(),  ShapeOf<cc_class_value>(),
    ShapeOf<cc_cell>(),       ShapeOf<cc_ct_key>(),
    ShapeOf<cc_ct>(),         ShapeOf<cc_event>(),
    ShapeOf<cc_event_end>(),  ShapeOf<cc_metric>(),
    ShapeOf<cc_forwarded>(),  ShapeOf<cc_drop_key>(),
    ShapeOf<cc_config>(),     ShapeOf<cc_fragment_key>(),
    ShapeOf<cc_fragment>(),   ShapeOf<cc_service_heads>(),
    ShapeOf<cc_service>(),    ShapeOf<cc_service_slots>(),
    ShapeOf<cc_backend>(),    ShapeOf<cc_affinity_key>(),
    ShapeOf<cc_affinity>(),   ShapeOf<cc_sock_service>(),
    ShapeOf<cc_sock>(),       ShapeOf<cc_journal_line>(),
    ShapeOf<cc_lb_state>(),   ShapeOf<cc_lb_service>(),
    ShapeOf<cc_lb_backend>(), ShapeOf<cc_lb_flows>(),
};

}  // namespace ciliumcore::abi

#endif  // CILIUMCORE_ABI_LAYOUTS_H_
