// SPDX-License-Identifier: Apache-2.0

// The forms that Kubernetes gives to names, and the words for them that follow
// "expected" in a message.

#ifndef CILIUMCORE_LIB_IDENTITY_KUBERNETES_NAME_INTERNAL_H_
#define CILIUMCORE_LIB_IDENTITY_KUBERNETES_NAME_INTERNAL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

// RFC 1123: the names of namespaces and services.
bool IsDnsLabel(absl::string_view text);
inline constexpr absl::string_view kDnsLabelForm =
    "at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends";

// DNS labels with '.' between them: the names of most objects.
bool IsDnsSubdomain(absl::string_view text);
inline constexpr absl::string_view kDnsSubdomainForm =
    "at most 253 of a-z, 0-9, '-' and '.', with letters or digits at both ends "
    "and around each '.'";

// [prefix/]name: the keys of labels.
bool IsLabelKey(absl::string_view text);
inline constexpr absl::string_view kLabelKeyForm =
    "a label key, [DNS subdomain/]name with at most 63 of A-Z, a-z, 0-9, '-', "
    "'_' and '.' in the name and a letter or digit at both its ends";

bool IsLabelValue(absl::string_view text);
inline constexpr absl::string_view kLabelValueForm =
    "a label value, at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', with a "
    "letter or digit at both ends";

// IANA_SVC_NAME: the names of container ports.
bool IsPortName(absl::string_view text);
inline constexpr absl::string_view kPortNameForm =
    "at most 15 of a-z, 0-9 and single '-', with a letter in it and a letter "
    "or digit at both ends";

// With what is not printable escaped, and cut short behind 80 characters.
std::string EscapedName(absl::string_view text);
// The same, in double quotes.
std::string QuotedName(absl::string_view text);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_IDENTITY_KUBERNETES_NAME_INTERNAL_H_
