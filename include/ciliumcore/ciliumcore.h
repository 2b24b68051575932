// SPDX-License-Identifier: Apache-2.0

// Everything, in the order to read it.

#ifndef CILIUMCORE_CILIUMCORE_H_
#define CILIUMCORE_CILIUMCORE_H_

// IWYU pragma: begin_exports
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/doctor.h"
#include "ciliumcore/datapath/features.h"
#include "ciliumcore/datapath/flow_tail.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/datapath/load_balancer.h"
#include "ciliumcore/datapath/map_dump.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/datapath/service_check.h"
#include "ciliumcore/datapath/verify.h"
#include "ciliumcore/flow/event.h"
#include "ciliumcore/flow/filter.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/flow/reason.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/maps/map.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/diff.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/policy/matrix.h"
#include "ciliumcore/policy/name_cache.h"
#include "ciliumcore/policy/named_end.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/policy/policy_edit.h"
#include "ciliumcore/policy/policy_set.h"
#include "ciliumcore/policy/why_not.h"
#include "ciliumcore/service/cilium_maglev.h"
#include "ciliumcore/service/cluster_services.h"
#include "ciliumcore/service/maglev.h"
#include "ciliumcore/service/service.h"
// IWYU pragma: end_exports

#endif  // CILIUMCORE_CILIUMCORE_H_
