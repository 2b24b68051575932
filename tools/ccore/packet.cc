// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/packet.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

// Debian's <pcap.h> says u_int and the like.
#include <sys/types.h>

#include <pcap/pcap.h>

#include "absl/strings/str_cat.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/testing/packet.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

// Made up; no program asks for the sender's.
constexpr testing::MacAddress kPodMac = {2, 0, 0, 0, 0, 1};
constexpr testing::MacAddress kNodeMac = {2, 0, 0, 0, 0, 2};

constexpr size_t kTypeAt = 12;
constexpr size_t kHeaderBytes = 14;

IpAddress AddressAt(const std::string& bytes, size_t at, size_t size) {
  std::array<uint8_t, 16> out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::memcpy(out.data() + 16 - size, bytes.data() + at, size);
  return IpAddress::FromBytes(out);
}

// Where the addresses are, by the ether type.
void ReadAddresses(Frame& frame) {
  const std::string& bytes = frame.bytes;
  if (bytes.size() < kHeaderBytes) return;
  const int type = static_cast<uint8_t>(bytes[kTypeAt]) << 8 |
                   static_cast<uint8_t>(bytes[kTypeAt + 1]);
  size_t source = 0, destination = 0, size = 4;
  if (type == 0x0800) {
    source = kHeaderBytes + 12;
    destination = kHeaderBytes + 16;
  } else if (type == 0x86dd) {
    source = kHeaderBytes + 8;
    destination = kHeaderBytes + 24;
    size = 16;
  } else if (type == 0x0806) {
    source = kHeaderBytes + 14;
    destination = kHeaderBytes + 24;
  } else {
    return;
  }
  if (bytes.size() < destination + size) return;
  frame.source = AddressAt(bytes, source, size);
  frame.destination = AddressAt(bytes, destination, size);
}

absl::Status CaptureError(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

}  // namespace

absl::StatusOr<std::vector<Frame>> ReadCapture(const std::string& path) {
  char error[PCAP_ERRBUF_SIZE] = "";
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> capture(
      pcap_open_offline(path.c_str(), error), &pcap_close);
  if (capture == nullptr) {
    // Some of libpcap's messages begin with the path.
    const absl::string_view why = error;
    const std::string prefix = path + ": ";
    return CaptureError(path, why.substr(0, prefix.size()) == prefix
                                  ? why.substr(prefix.size())
                                  : why);
  }
  if (pcap_datalink(capture.get()) != DLT_EN10MB) {
    const char* name = pcap_datalink_val_to_name(pcap_datalink(capture.get()));
    return CaptureError(path,
                        absl::StrCat("expected Ethernet, found ",
                                     name == nullptr ? "another link" : name));
  }
  std::vector<Frame> frames;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int got = 0;
  while ((got = pcap_next_ex(capture.get(), &header, &data)) == 1) {
    Frame frame;
    frame.bytes.assign(reinterpret_cast<const char*>(data), header->caplen);
    frame.time = absl::TimeFromTimeval(header->ts);
    frame.is_truncated = header->caplen < header->len;
    ReadAddresses(frame);
    frames.push_back(std::move(frame));
  }
  if (got == PCAP_ERROR) return CaptureError(path, pcap_geterr(capture.get()));
  return frames;
}

absl::StatusOr<Frame> MakeFrame(const IpAddress& source,
                                const IpAddress& destination,
                                const FrameFields& fields) {
  testing::PacketBuilder builder;
  builder.Ethernet(kPodMac, kNodeMac).Ip(source, destination);
  const uint16_t from = fields.source_port, to = fields.port.port;
  switch (fields.port.protocol) {
    case Protocol::kTcp:
      builder.Tcp(from, to, fields.tcp_flags);
      break;
    case Protocol::kUdp:
      builder.Udp(from, to);
      break;
    case Protocol::kSctp:
      builder.Sctp(from, to);
      break;
    case Protocol::kIcmp:
    case Protocol::kIcmpv6:
      builder.Icmp(fields.icmp_type, 0, uint32_t{from} << 16 | 1);
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("expected TCP, UDP or SCTP, found ",
                       ProtocolName(fields.port.protocol)));
  }
  return Frame{.bytes = builder.Build(),
               .source = source,
               .destination = destination,
               .time = absl::UnixEpoch(),
               .is_truncated = false};
}

absl::StatusOr<testing::NativeDatapath> MakeNode(
    const CompiledCluster& compiled) {
  const Cluster& cluster = compiled.cluster;
  testing::NativeDatapathOptions options;
  // Some room beyond what is there, as a change needs it.
  const auto pods = static_cast<uint32_t>(cluster.pods.size());
  options.capacity.addresses = std::max(options.capacity.addresses, 4 * pods);
  const std::vector<uint32_t> of_nodes = PodsOfNodes(cluster);
  for (uint32_t i = 0; i < pods; ++i) {
    const Pod& pod = cluster.pods[i];
    // The node of the packets is none that the manifests have.
    if (!pod.host_network ||
        std::binary_search(of_nodes.begin(), of_nodes.end(), i)) {
      continue;
    }
    options.host_addresses.insert(options.host_addresses.end(),
                                  pod.addresses.begin(), pod.addresses.end());
  }
  std::sort(options.host_addresses.begin(), options.host_addresses.end());
  options.host_addresses.erase(
      std::unique(options.host_addresses.begin(), options.host_addresses.end()),
      options.host_addresses.end());
  absl::StatusOr<testing::NativeDatapath> node =
      testing::NativeDatapath::Open(options);
  if (!node.ok()) return node.status();

  IdentityAllocator identities;
  Transaction change = node->Begin();
  for (const Pod& pod : cluster.pods) {
    if (pod.host_network || pod.addresses.empty()) continue;
    EndpointOptions endpoint;
    endpoint.interface = absl::StrCat(pod.ns, "/", pod.name);
    endpoint.addresses = pod.addresses;
    endpoint.identity = identities.Allocate(
        PodIdentityLabels(pod.labels, cluster.namespaces.at(pod.ns)));
    endpoint.ports = pod.ports;
    change.AttachEndpoint(std::move(endpoint));
  }
  change.SetPolicies(PoliciesOf(cluster));
  change.SetPolicyContext(PolicyContextOf(cluster));
  if (absl::Status done = change.Commit(); !done.ok()) return done;
  return node;
}

void AddPacketCommands(CLI::App& app) {
  CLI::App& packet = *app.add_subcommand(
      "packet", "What the datapath does with packets, without a kernel");
  packet.require_subcommand(1);
  AddPacketRun(packet);
}

}  // namespace ciliumcore::ccore
