// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/netns_internal.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// A request of rtnetlink, with room for its attributes.
struct Request {
  nlmsghdr header = {};
  char body[512] = {};

  Request(uint16_t type, uint16_t flags, const void* payload, size_t bytes) {
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = 1;
    std::memcpy(body, payload, bytes);
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(bytes));
  }

  void Add(uint16_t type, const void* data, size_t bytes) {
    auto* attribute = reinterpret_cast<rtattr*>(
        reinterpret_cast<char*>(&header) + NLMSG_ALIGN(header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes));
    std::memcpy(RTA_DATA(attribute), data, bytes);
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header.nlmsg_len) +
                                             RTA_ALIGN(attribute->rta_len));
  }
};

// Sends the request and shows `visit` each answer.
absl::Status Ask(const Request& request,
                 const std::function<void(const nlmsghdr*)>& visit) {
  UniqueFd socket_fd(
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket_fd.get() < 0)
    return absl::ErrnoToStatus(errno, "rtnetlink socket");
  if (send(socket_fd.get(), &request.header, request.header.nlmsg_len, 0) < 0) {
    return absl::ErrnoToStatus(errno, "rtnetlink send");
  }
  std::vector<char> buffer(1 << 16);
  while (true) {
    const ssize_t got = recv(socket_fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "rtnetlink receive");
    auto left = static_cast<size_t>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return absl::OkStatus();
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(message));
        return error->error == 0
                   ? absl::OkStatus()
                   : absl::ErrnoToStatus(-error->error, "rtnetlink");
      }
      visit(message);
      if ((request.header.nlmsg_flags & NLM_F_DUMP) == 0)
        return absl::OkStatus();
    }
  }
}

void ForEachAttribute(rtattr* attribute, size_t left,
                      const std::function<void(const rtattr*)>& visit) {
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
    visit(attribute);
}

template <typename T>
T Read(const rtattr* attribute) {
  T value = {};
  std::memcpy(&value, RTA_DATA(attribute),
              std::min(sizeof(value), size_t{RTA_PAYLOAD(attribute)}));
  return value;
}

// What RTM_GETLINK says.
struct Answer {
  LinkInfo link;
  std::optional<uint32_t> peer_ifindex;
  std::optional<int32_t> peer_nsid;
};

absl::StatusOr<Answer> GetLink(Request request) {
  Answer answer;
  CC_RETURN_IF_ERROR(Ask(request, [&](const nlmsghdr* message) {
    auto* info = static_cast<ifinfomsg*>(NLMSG_DATA(message));
    answer.link.ifindex = static_cast<uint32_t>(info->ifi_index);
    ForEachAttribute(
        IFLA_RTA(info), IFLA_PAYLOAD(message), [&](const rtattr* attribute) {
          switch (attribute->rta_type & NLA_TYPE_MASK) {
            case IFLA_ADDRESS:
              answer.link.mac = Read<std::array<uint8_t, 6>>(attribute);
              break;
            case IFLA_LINK:
              answer.peer_ifindex = Read<uint32_t>(attribute);
              break;
            case IFLA_LINK_NETNSID:
              answer.peer_nsid = Read<int32_t>(attribute);
              break;
            case IFLA_LINKINFO:
              ForEachAttribute(
                  static_cast<rtattr*>(RTA_DATA(attribute)),
                  RTA_PAYLOAD(attribute), [&](const rtattr* nested) {
                    if (nested->rta_type != IFLA_INFO_KIND) return;
                    const auto* kind =
                        static_cast<const char*>(RTA_DATA(nested));
                    answer.link.is_pair = absl::string_view(kind) == "veth" ||
                                          absl::string_view(kind) == "netkit";
                  });
              break;
            default:
              break;
          }
        });
  }));
  return answer;
}

}  // namespace

absl::StatusOr<Netns> Netns::Open(const std::string& path) {
  if (path.empty()) return Netns(UniqueFd());
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("network namespace ", path));
  return Netns(std::move(fd));
}

absl::Status Netns::Run(const std::function<absl::Status()>& work) const {
  if (fd_.get() < 0) return work();
  absl::Status result;
  std::thread([&] {
    result = setns(fd_.get(), CLONE_NEWNET) == 0
                 ? work()
                 : absl::ErrnoToStatus(errno, "entering the network namespace");
  }).join();
  return result;
}

absl::StatusOr<LinkInfo> FindLink(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError(
        absl::StrCat("interface \"", name, "\": expected a name of 1 to ",
                     IFNAMSIZ - 1, " characters"));
  }
  const ifinfomsg any = {};
  Request request(RTM_GETLINK, 0, &any, sizeof(any));
  request.Add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  absl::StatusOr<Answer> answer = GetLink(request);
  if (!answer.ok()) {
    if (absl::IsNotFound(answer.status()) ||
        answer.status().code() == absl::StatusCode::kUnknown ||
        absl::StrContains(answer.status().message(), "No such device")) {
      return absl::NotFoundError(
          absl::StrCat("interface ", name, ": not found"));
    }
    return answer.status();
  }
  // The other end of a pair is in a namespace that this one has a number for.
  if (answer->link.is_pair && answer->peer_ifindex.has_value()) {
    ifinfomsg peer = {};
    peer.ifi_index = static_cast<int>(*answer->peer_ifindex);
    Request peer_request(RTM_GETLINK, 0, &peer, sizeof(peer));
    if (answer->peer_nsid.has_value()) {
      peer_request.Add(IFLA_TARGET_NETNSID, &*answer->peer_nsid,
                       sizeof(int32_t));
    }
    absl::StatusOr<Answer> other = GetLink(peer_request);
    if (other.ok()) answer->link.peer_mac = other->link.mac;
  }
  return answer->link;
}

absl::StatusOr<std::vector<IpAddress>> ListAddresses() {
  const ifaddrmsg any = {};
  std::vector<IpAddress> addresses;
  CC_RETURN_IF_ERROR(Ask(
      Request(RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any)),
      [&](const nlmsghdr* message) {
        auto* info = static_cast<ifaddrmsg*>(NLMSG_DATA(message));
        std::optional<IpAddress> address;
        ForEachAttribute(
            IFA_RTA(info), IFA_PAYLOAD(message), [&](const rtattr* attribute) {
              // IFA_LOCAL, where there is one, is ours; IFA_ADDRESS may be the
              // peer's.
              if (attribute->rta_type != IFA_LOCAL &&
                  (attribute->rta_type != IFA_ADDRESS || address.has_value())) {
                return;
              }
              if (info->ifa_family == AF_INET && RTA_PAYLOAD(attribute) == 4) {
                address = IpAddress::FromV4(
                    __builtin_bswap32(Read<uint32_t>(attribute)));
              } else if (info->ifa_family == AF_INET6 &&
                         RTA_PAYLOAD(attribute) == 16) {
                address = IpAddress::FromBytes(
                    Read<std::array<uint8_t, 16>>(attribute));
              }
            });
        if (address.has_value()) addresses.push_back(*address);
      }));
  return addresses;
}

}  // namespace ciliumcore::internal
