// SPDX-License-Identifier: Apache-2.0

// The parts of a diagnosis.

#ifndef CILIUMCORE_LIB_DATAPATH_DOCTOR_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_DOCTOR_INTERNAL_H_

#include <string>
#include <vector>

#include "ciliumcore/datapath/doctor.h"

namespace ciliumcore::internal {

using Findings = std::vector<Finding>;

// Where a file system of a type is mounted, by the mount table in `proc`.
std::vector<std::string> MountsOf(const std::string& proc,
                                  const std::string& type);

// By files alone.
void LookAtFiles(const DoctorOptions& options, Findings& findings);

// By asking the kernel.
void LookAtFeatures(Findings& findings);
void LookAtInstances(const DoctorOptions& options, Findings& findings);
void LookAtHooks(const DoctorOptions& options, Findings& findings);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_DOCTOR_INTERNAL_H_
