// SPDX-License-Identifier: Apache-2.0

// What the programs are told when they are loaded.

#ifndef CILIUMCORE_LIB_DATAPATH_CONFIG_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_CONFIG_INTERNAL_H_

#include "ciliumcore/abi/config.h"
#include "ciliumcore/datapath/options.h"

namespace ciliumcore::internal {

cc_config ConfigOf(const DatapathOptions& options);

// Of the programs' clock.
double TickSeconds();

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_CONFIG_INTERNAL_H_
