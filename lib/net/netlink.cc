// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/net/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/net/netlink_message_internal.h"

namespace ciliumcore {

using internal::NetlinkAnswer;
using internal::NetlinkAttribute;
using internal::NetlinkRequest;

namespace {

// The kernel sends at most 32 KiB at once.
constexpr size_t kReceiveBytes = 1 << 16;

// What an NLMSG_ERROR says: OK is an acknowledgement.
absl::Status ErrorIn(const nlmsghdr& header, const NetlinkAnswer& answer,
                     absl::string_view subject) {
  const auto error = answer.Head<nlmsgerr>();
  if (error.error == 0) return absl::OkStatus();
  std::string why;
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // The request comes back whole, or (NLM_F_CAPPED) its header alone.
    const bool is_capped = (header.nlmsg_flags & NLM_F_CAPPED) != 0;
    const size_t request = is_capped ? NLMSG_HDRLEN : error.msg.nlmsg_len;
    answer.ForEach(sizeof(error.error) + request,
                   [&why](const NetlinkAttribute& attribute) {
                     if (attribute.type == NLMSGERR_ATTR_MSG) {
                       why = absl::StrCat(" (", attribute.Text(), ")");
                     }
                   });
  }
  const absl::Status status = absl::ErrnoToStatus(-error.error, subject);
  return absl::Status(status.code(), absl::StrCat(status.message(), why));
}

absl::StatusOr<UniqueFd> OpenSocket() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "rtnetlink socket");
  // Explanations, without the request; all are older than Linux 6.1.
  const int on = 1;
  for (int option :
       {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    if (setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof(on)) != 0) {
      return absl::ErrnoToStatus(errno, "rtnetlink socket option");
    }
  }
  return fd;
}

}  // namespace

absl::StatusOr<Netlink> Netlink::Open(const NetNs& netns) {
  absl::StatusOr<UniqueFd> fd;
  CC_RETURN_IF_ERROR(netns.Run([&fd] {
    fd = OpenSocket();
    return fd.status();
  }));
  return Netlink(*std::move(fd));
}

absl::StatusOr<Netlink> Netlink::Open() {
  CC_ASSIGN_OR_RETURN(UniqueFd fd, OpenSocket());
  return Netlink(std::move(fd));
}

absl::StatusOr<LinkWatch> LinkWatch::Open(const NetNs& netns) {
  absl::StatusOr<UniqueFd> fd;
  CC_RETURN_IF_ERROR(netns.Run([&fd]() -> absl::Status {
    fd = OpenSocket();
    if (!fd.ok()) return fd.status();
    sockaddr_nl groups = {};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (bind(fd->get(), reinterpret_cast<const sockaddr*>(&groups),
             sizeof(groups)) != 0) {
      return absl::ErrnoToStatus(errno, "rtnetlink notifications");
    }
    return absl::OkStatus();
  }));
  return LinkWatch(*std::move(fd));
}

bool LinkWatch::HasChanged() {
  bool changed = false;
  char notification[4096];
  for (;;) {
    if (recv(fd_.get(), notification, sizeof(notification), MSG_DONTWAIT) >=
            0 ||
        errno == ENOBUFS) {  // some were lost
      changed = true;
    } else if (errno != EINTR) {
      return changed || errno != EAGAIN;
    }
  }
}

absl::Status Netlink::Ask(
    NetlinkRequest& request, absl::string_view subject,
    const std::function<void(const NetlinkAnswer&)>& visit) {
  const uint32_t sequence = ++sequence_;
  const std::string message = request.Encode(sequence);
  if (send(fd_.get(), message.data(), message.size(), 0) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(subject, ": rtnetlink"));
  }
  std::vector<char> buffer(kReceiveBytes);
  bool was_interrupted = false;
  while (true) {
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat(subject, ": rtnetlink"));
    }
    absl::string_view left(buffer.data(), static_cast<size_t>(got));
    while (left.size() >= NLMSG_HDRLEN) {
      const auto header = NetlinkAnswer{left}.Head<nlmsghdr>();
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > left.size()) {
        return absl::InternalError(
            absl::StrCat(subject, ": the kernel's answer is malformed"));
      }
      const NetlinkAnswer answer = {
          left.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)};
      left.remove_prefix(
          std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), left.size()));
      // The rest of an answer that an earlier request did not wait for.
      if (header.nlmsg_seq != sequence) continue;
      was_interrupted |= (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (header.nlmsg_type == NLMSG_ERROR) {
        return ErrorIn(header, answer, subject);
      }
      if (header.nlmsg_type == NLMSG_DONE) {
        if (!was_interrupted) return absl::OkStatus();
        return absl::UnavailableError(
            absl::StrCat(subject, ": changed while it was read"));
      }
      if (visit) visit(answer);
    }
  }
}

}  // namespace ciliumcore
