// SPDX-License-Identifier: Apache-2.0

// ccore packet run: sends packets into the datapath that manifests make.

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/flow/reason.h"
#include "ciliumcore/policy/named_end.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/packet.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;
using testing::NativeDatapath;
using testing::PacketOutcome;
using testing::PacketTrace;

struct Arguments {
  ManifestArguments manifests;
  Output output = Output::kText;
  std::string source, destination, port, flags, capture;
  std::optional<int> source_port, icmp_type;
};

// A frame and what became of it; nothing if neither end is a pod.
struct Result {
  Frame frame;
  std::optional<PacketOutcome> outcome;
};

// The addresses of the flow that the user describes. Of several pods, the
// first, but for a flow of a workload with itself.
absl::StatusOr<std::pair<NamedEnd, NamedEnd>> FindEnds(
    const CompiledCluster& cluster, const Arguments& arguments) {
  auto sources = FindNamedEnds(cluster, arguments.source);
  if (!sources.ok()) return Annotate(sources.status(), "--src");
  auto destinations = FindNamedEnds(cluster, arguments.destination);
  if (!destinations.ok()) return Annotate(destinations.status(), "--dst");
  std::optional<std::pair<NamedEnd, NamedEnd>> itself;
  for (const NamedEnd& source : *sources) {
    for (const NamedEnd& destination : *destinations) {
      for (const NamedEnd* end : {&source, &destination}) {
        if (end->address.has_value()) continue;
        return absl::InvalidArgumentError(
            absl::StrCat(end->Name(), " has no address"));
      }
      if (!MayMeet(source, destination)) continue;
      if (!source.pod.has_value() || source.pod != destination.pod) {
        return std::make_pair(source, destination);
      }
      if (!itself.has_value()) itself = {source, destination};
    }
  }
  if (itself.has_value()) return *itself;
  return absl::InvalidArgumentError(
      "--src and --dst have no address family in common");
}

absl::StatusOr<FrameFields> FieldsOf(const Arguments& arguments, bool is_v4) {
  FrameFields fields;
  if (arguments.port.empty() == !arguments.icmp_type.has_value()) {
    return absl::InvalidArgumentError(
        "expected one of --dport, --icmp and --pcap");
  }
  if (arguments.icmp_type.has_value()) {
    fields.port.protocol = is_v4 ? Protocol::kIcmp : Protocol::kIcmpv6;
    fields.icmp_type = static_cast<uint8_t>(*arguments.icmp_type);
  } else {
    absl::StatusOr<PortProtocol> port = PortProtocol::Parse(arguments.port);
    if (!port.ok()) return Annotate(port.status(), "--dport");
    fields.port = *port;
    if (port->protocol == Protocol::kIcmp ||
        port->protocol == Protocol::kIcmpv6) {
      return absl::InvalidArgumentError("--dport: ICMP has none; use --icmp");
    }
  }
  if (arguments.source_port.has_value()) {
    fields.source_port = static_cast<uint16_t>(*arguments.source_port);
  }
  if (!arguments.flags.empty()) {
    absl::StatusOr<uint8_t> flags = testing::ParseTcpFlags(arguments.flags);
    if (!flags.ok()) return Annotate(flags.status(), "--flags");
    if (fields.port.protocol != Protocol::kTcp) {
      return absl::InvalidArgumentError("--flags: only TCP has them");
    }
    fields.tcp_flags = *flags;
  }
  return fields;
}

absl::StatusOr<std::vector<Frame>> FramesOf(const CompiledCluster& cluster,
                                            const Arguments& arguments) {
  if (!arguments.capture.empty()) return ReadCapture(arguments.capture);
  if (arguments.source.empty() || arguments.destination.empty()) {
    return absl::InvalidArgumentError("expected --src and --dst, or --pcap");
  }
  auto ends = FindEnds(cluster, arguments);
  if (!ends.ok()) return ends.status();
  const auto& [source, destination] = *ends;
  auto fields = FieldsOf(arguments, source.address->is_v4());
  if (!fields.ok()) return fields.status();
  absl::StatusOr<Frame> frame =
      MakeFrame(*source.address, *destination.address, *fields);
  if (!frame.ok()) return Annotate(frame.status(), "--dport");
  return std::vector<Frame>{*std::move(frame)};
}

// Where the datapath meets the frame first: at the pod that sends it, else at
// the pod that it is for.
absl::StatusOr<std::vector<Result>> RunAll(NativeDatapath& node,
                                           std::vector<Frame> frames) {
  std::vector<Result> results;
  for (Frame& frame : frames) {
    if (!results.empty()) {
      node.Advance(std::max(
          absl::ZeroDuration(),
          absl::Floor(frame.time - absl::UnixEpoch(), absl::Seconds(1)) -
              absl::Floor(results.back().frame.time - absl::UnixEpoch(),
                          absl::Seconds(1))));
    }
    Result result = {std::move(frame), std::nullopt};
    const auto at = [&node](const std::optional<IpAddress>& address) {
      return address.has_value() ? node.InterfaceOf(*address) : std::string();
    };
    const std::string from = at(result.frame.source);
    const std::string to = from.empty() ? at(result.frame.destination) : "";
    if (!from.empty() || !to.empty()) {
      absl::StatusOr<PacketOutcome> outcome =
          from.empty() ? node.Receive(to, result.frame.bytes)
                       : node.Send(from, result.frame.bytes);
      if (!outcome.ok()) return outcome.status();
      result.outcome = *std::move(outcome);
    }
    results.push_back(std::move(result));
  }
  return results;
}

std::string EndText(const NativeDatapath& node, const IpAddress& address) {
  const std::string pod = node.InterfaceOf(address);
  return pod.empty() ? address.ToString()
                     : absl::StrCat(pod, " (", address.ToString(), ")");
}

std::string Headline(const NativeDatapath& node, const Result& result) {
  const Frame& frame = result.frame;
  return absl::StrCat(frame.source.has_value()
                          ? absl::StrCat(EndText(node, *frame.source), " -> ",
                                         EndText(node, *frame.destination))
                          : "not IP",
                      ": ",
                      result.outcome.has_value()
                          ? result.outcome->ToString()
                          : "not ours, neither end is a pod");
}

void PrintText(const NativeDatapath& node, const std::vector<Result>& results,
               std::ostream& out) {
  for (size_t i = 0; i < results.size(); ++i) {
    if (i != 0) out << "\n";
    if (results.size() > 1) out << i + 1 << ". ";
    out << Headline(node, results[i]) << "\n";
    if (results[i].frame.is_truncated) {
      out << "  the capture lacks the end of this packet\n";
    }
    if (!results[i].outcome.has_value()) continue;
    for (const std::string& line : results[i].outcome->trace.Lines()) {
      out << "  " << line << "\n";
    }
  }
}

Json EndJson(const PacketTrace::End& end) {
  Json json = {{"address", end.address.ToString()}, {"port", end.port}};
  if (end.peer == 0) return json;
  json["identity"] = static_cast<uint32_t>(end.identity);
  json["peer"] = end.peer;
  json["name"] = end.name;
  json["where"] = end.where;
  return json;
}

Json TraceJson(const PacketTrace& trace) {
  Json json = {{"at", trace.interface},
               {"direction", trace.is_egress ? "egress" : "ingress"},
               {"generation", trace.generation}};
  if (trace.parsed == PacketTrace::Parsed::kIp) {
    json["protocol"] = ProtocolName(trace.protocol);
    if (trace.protocol == Protocol::kTcp) {
      json["tcp_flags"] = testing::TcpFlagNames(trace.tcp_flags);
    } else if (trace.protocol == Protocol::kIcmp ||
               trace.protocol == Protocol::kIcmpv6) {
      json["icmp_type"] = trace.icmp_type;
      json["icmp_code"] = trace.icmp_code;
    }
    if (trace.is_error) json["is_icmp_error"] = true;
    json["source"] = EndJson(trace.source);
    json["destination"] = EndJson(trace.destination);
    json["connection"] = std::string(ConnectionName(trace.connection));
    json["judged_before"] = trace.is_current;
  }
  json["judgements"] = Json::array();
  for (const PacketTrace::Side& side : trace.sides) {
    Json judgement = {{"direction", std::string(DirectionName(side.direction))},
                      {"at", side.interface}};
    judgement.update(
        CellJson(side.cell, side.cell.rule_set == 0 ? nullptr : &side.rules));
    judgement.update({{"table", side.table},
                      {"class", side.cls},
                      {"interval", side.interval},
                      {"rule_set", side.cell.rule_set}});
    json["judgements"].push_back(std::move(judgement));
  }
  if (!trace.disagreement.empty()) json["bug"] = trace.disagreement;
  return json;
}

Json ResultJson(const Result& result) {
  Json json;
  if (!result.outcome.has_value()) {
    json["verdict"] = "not ours";
    return json;
  }
  const PacketOutcome& outcome = *result.outcome;
  json["verdict"] = outcome.dropped()       ? "dropped"
                    : outcome.trace.audited ? "audited"
                                            : "forwarded";
  switch (outcome.to) {
    case PacketOutcome::To::kNobody:
      break;
    case PacketOutcome::To::kEndpoint:
      json["to"] = {{"endpoint", outcome.interface}};
      break;
    case PacketOutcome::To::kNode:
      json["to"] = "node";
      break;
    case PacketOutcome::To::kInterface:
      json["to"] = {{"interface", outcome.interface}};
      break;
  }
  if (outcome.trace.reason != 0) {
    const auto reason = FindDropReason(outcome.trace.reason);
    json["reason"] = {
        {"number", outcome.trace.reason},
        {"name", reason.has_value() ? std::string(reason->name) : ""}};
  }
  json["steps"] = TraceJson(outcome.trace);
  return json;
}

int Run(Arguments arguments) {
  if (!arguments.capture.empty() &&
      !(arguments.source.empty() && arguments.destination.empty() &&
        arguments.port.empty() && arguments.flags.empty() &&
        !arguments.source_port.has_value() &&
        !arguments.icmp_type.has_value())) {
    return BadInput(absl::InvalidArgumentError(
        "--pcap: brings its own packets; it goes with no other description"));
  }
  if (arguments.manifests.pod_cidrs.empty()) {
    arguments.manifests.pod_cidrs = {"10.244.0.0/16", "fd00:10:244::/64"};
  }
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(arguments.manifests);
  if (!cluster.ok()) return BadInput(cluster.status());
  auto frames = FramesOf(*cluster, arguments);
  if (!frames.ok()) return BadInput(frames.status());
  absl::StatusOr<NativeDatapath> node = MakeNode(*cluster);
  if (!node.ok()) return BadInput(node.status());
  auto results = RunAll(*node, *std::move(frames));
  if (!results.ok()) return BadInput(results.status());
  if (arguments.capture.empty() && !results->front().outcome.has_value()) {
    return BadInput(absl::InvalidArgumentError(
        "neither --src nor --dst is a pod of these manifests with a network of "
        "its own"));
  }
  if (arguments.output == Output::kJson) {
    Json packets = Json::array();
    for (const Result& result : *results) packets.push_back(ResultJson(result));
    std::cout << Json{{"packets", std::move(packets)}}.dump(2) << "\n";
  } else {
    PrintText(*node, *results, std::cout);
  }
  return kOk;
}

}  // namespace

void AddPacketRun(CLI::App& packet) {
  CLI::App& command = *packet.add_subcommand(
      "run",
      "Sends packets into the datapath, and says what it does with each");
  command.footer(
      "Runs the datapath's own programs in this process, on the maps that they "
      "would have\non a node with all pods of the manifests: no root, no "
      "kernel. SRC and DST are an\naddress or namespace/name of a pod or of "
      "the workload that owns pods; of several\npods the first is taken. A "
      "packet of a pod is judged as it leaves the pod, another\none as it "
      "reaches its pod. Packets of a capture follow each other: replies and\n"
      "silence are seen as such. Ends with 0 whatever the verdict.");
  auto arguments = std::make_shared<Arguments>();
  command.add_option("--src", arguments->source, "where the packet comes from")
      ->option_text("SRC");
  command.add_option("--dst", arguments->destination, "where it goes")
      ->option_text("DST");
  command.add_option("--dport", arguments->port, "port and protocol: 8080/TCP")
      ->option_text("PORT");
  command
      .add_option("--sport", arguments->source_port,
                  "port that it is sent from; ICMP echo: the identifier "
                  "(40000)")
      ->check(CLI::Range(0, 65535))
      ->option_text("N");
  command
      .add_option("--flags", arguments->flags,
                  "of TCP: SYN (the default), SYN,ACK, none")
      ->option_text("FLAGS");
  command
      .add_option("--icmp", arguments->icmp_type,
                  "an ICMP or ICMPv6 packet of this type")
      ->check(CLI::Range(0, 255))
      ->option_text("TYPE");
  command
      .add_option("--pcap", arguments->capture,
                  "the packets of a capture of Ethernet")
      ->option_text("FILE");
  AddManifestOptions(command, arguments->manifests);
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
