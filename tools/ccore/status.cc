// SPDX-License-Identifier: Apache-2.0

// ccore status, ccore map: what a pinned instance is doing.

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/datapath/map_dump.h"
#include "ciliumcore/identity/reserved.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

struct Arguments {
  InspectOptions instance;
  Output output = Output::kText;
  std::string map;
  std::string address;
  size_t limit = 0;
};

std::string NameOf(uint32_t identity) {
  return IdentityName(static_cast<Identity>(identity));
}

std::string TableText(uint16_t table) {
  return table == 0 ? "none" : absl::StrCat(table);
}

std::string Target(const LinkStatus& link) {
  if (link.is_stale) return "gone";
  return link.kind == LinkKind::kCgroup
             ? absl::StrCat("cgroup ", link.cgroup)
             : absl::StrCat("ifindex ", link.ifindex);
}

std::string UsedText(const MapStatus& map) {
  return map.used.has_value() ? absl::StrCat(*map.used) : "?";
}

std::string PressureText(const MapStatus& map) {
  const std::optional<double> pressure = map.pressure();
  return pressure.has_value() ? absl::StrFormat("%.1f%%", *pressure) : "?";
}

std::string MapsText(const InstanceStatus& status) {
  Rows rows = {{"MAP", "ID", "TYPE", "KEY", "VALUE", "USED", "ROOM", "PRESSURE",
                "MEMORY"}};
  for (const MapStatus& map : status.maps) {
    rows.push_back({map.name, absl::StrCat(map.id), map.type,
                    absl::StrCat(map.key_size), absl::StrCat(map.value_size),
                    UsedText(map), absl::StrCat(map.room), PressureText(map),
                    absl::StrCat(map.memory_bytes)});
  }
  return TextTable(rows);
}

Json MapsJson(const InstanceStatus& status) {
  Json maps = Json::array();
  for (const MapStatus& map : status.maps) {
    Json json = {{"name", map.name},
                 {"id", map.id},
                 {"type", map.type},
                 {"key_bytes", map.key_size},
                 {"value_bytes", map.value_size},
                 {"room", map.room},
                 {"memory_bytes", map.memory_bytes}};
    if (map.used.has_value()) {
      json["used"] = *map.used;
      json["pressure"] = map.pressure().value_or(0);
    }
    maps.push_back(std::move(json));
  }
  return maps;
}

void PrintText(const InstanceStatus& status) {
  std::cout << "instance " << status.name << ": generation "
            << status.generation << ", lag " << status.lag << ", "
            << (status.is_one_build ? "one build" : "programs of two builds")
            << ", "
            << (status.writer.has_value()
                    ? absl::StrCat("written by process ", *status.writer)
                    : "no process writes it")
            << "\nnewest table: of generation " << status.newest_table;
  if (status.staged_endpoints != 0)
    std::cout << "; endpoints staged: " << status.staged_endpoints;
  std::cout << "\nservices: " << status.services
            << ", without backends: " << status.services_without_backends
            << ", backends: " << status.backends;
  if (status.live_connections.has_value())
    std::cout << "\nconnections: " << *status.live_connections;
  std::cout << "\nevents lost: " << status.events_lost << "\n\n";
  Rows rows = {{"ENDPOINT", "INTERFACE", "ADDRESSES", "IDENTITY",
                "EGRESS TABLE", "INGRESS TABLE"}};
  for (const EndpointStatus& endpoint : status.endpoints) {
    rows.push_back({absl::StrCat(endpoint.slot),
                    endpoint.interface.empty()
                        ? absl::StrCat("ifindex ", endpoint.ifindex)
                        : endpoint.interface,
                    absl::StrJoin(endpoint.addresses, ",",
                                  [](std::string* out, const IpAddress& ip) {
                                    out->append(ip.ToString());
                                  }),
                    NameOf(endpoint.identity), TableText(endpoint.egress_table),
                    TableText(endpoint.ingress_table)});
  }
  std::cout << TextTable(rows) << "\n";
  rows = {{"PROGRAM", "ID", "TAG", "JITED", "VERIFIED", "RUNS", "NS/RUN",
           "GENERATION"}};
  for (const ProgramStatus& program : status.programs) {
    const bool ran = program.runs != 0;
    rows.push_back(
        {program.name, absl::StrCat(program.id), program.tag,
         absl::StrCat(program.jited_bytes),
         absl::StrCat(program.verified_instructions),
         ran ? absl::StrCat(program.runs) : "-",
         ran ? absl::StrCat(absl::ToInt64Nanoseconds(program.run_time) /
                            static_cast<int64_t>(program.runs))
             : "-",
         program.generation.has_value()
             ? absl::StrCat(*program.generation,
                            program.reads_pins ? "" : " (of other maps)")
             : "-"});
  }
  std::cout << TextTable(rows) << "\n";
  rows = {{"LINK", "KIND", "HOOK", "ON", "INTERFACE", "PROGRAM"}};
  for (const LinkStatus& link : status.links) {
    rows.push_back({link.id == 0 ? "-" : absl::StrCat(link.id),
                    LinkKindName(link.kind), link.hook, Target(link),
                    link.interface.empty() ? "-" : link.interface,
                    absl::StrCat(link.program)});
  }
  std::cout << TextTable(rows) << "\n" << MapsText(status);
}

Json ToJson(const InstanceStatus& status) {
  Json json = {{"instance", status.name},
               {"generation", status.generation},
               {"lag", status.lag},
               {"one_build", status.is_one_build},
               {"newest_table", status.newest_table},
               {"staged_endpoints", status.staged_endpoints},
               {"services", status.services},
               {"services_without_backends", status.services_without_backends},
               {"backends", status.backends},
               {"events_lost", status.events_lost}};
  if (status.live_connections.has_value())
    json["live_connections"] = *status.live_connections;
  if (status.writer.has_value()) json["writer"] = *status.writer;
  json["endpoints"] = Json::array();
  for (const EndpointStatus& endpoint : status.endpoints) {
    Json addresses = Json::array();
    for (const IpAddress& address : endpoint.addresses)
      addresses.push_back(address.ToString());
    json["endpoints"].push_back({{"slot", endpoint.slot},
                                 {"interface", endpoint.interface},
                                 {"ifindex", endpoint.ifindex},
                                 {"addresses", std::move(addresses)},
                                 {"identity", endpoint.identity},
                                 {"egress_table", endpoint.egress_table},
                                 {"ingress_table", endpoint.ingress_table}});
  }
  json["programs"] = Json::array();
  for (const ProgramStatus& program : status.programs) {
    Json entry = {{"name", program.name},
                  {"id", program.id},
                  {"tag", program.tag},
                  {"jited_bytes", program.jited_bytes},
                  {"verified_instructions", program.verified_instructions},
                  {"runs", program.runs},
                  {"run_ns", absl::ToInt64Nanoseconds(program.run_time)},
                  {"reads_pins", program.reads_pins}};
    if (program.generation.has_value())
      entry["generation"] = *program.generation;
    json["programs"].push_back(std::move(entry));
  }
  json["links"] = Json::array();
  for (const LinkStatus& link : status.links) {
    json["links"].push_back({{"id", link.id},
                             {"kind", LinkKindName(link.kind)},
                             {"hook", link.hook},
                             {"interface", link.interface},
                             {"ifindex", link.ifindex},
                             {"cgroup", link.cgroup},
                             {"program", link.program},
                             {"stale", link.is_stale},
                             {"pin", link.pin}});
  }
  json["maps"] = MapsJson(status);
  return json;
}

// Of the instance that was named, or else of all there are.
int RunStatus(const Arguments& arguments, bool is_named) {
  std::vector<std::string> names = {arguments.instance.name};
  if (!is_named) {
    absl::StatusOr<std::vector<std::string>> all =
        ListInstances(arguments.instance.bpffs);
    if (!all.ok()) return BadInput(all.status());
    names = *std::move(all);
    if (names.empty())
      Note(absl::StrCat("no instance is pinned on ", arguments.instance.bpffs));
  }
  Json json = Json::array();
  for (const std::string& name : names) {
    InspectOptions options = arguments.instance;
    options.name = name;
    absl::StatusOr<InstanceStatus> status = InspectInstance(options);
    if (!status.ok()) return BadInput(status.status());
    if (arguments.output == Output::kJson)
      json.push_back(ToJson(*status));
    else
      PrintText(*status);
  }
  if (arguments.output == Output::kJson) std::cout << json.dump(2) << "\n";
  return kOk;
}

int RunList(const Arguments& arguments) {
  absl::StatusOr<InstanceStatus> status = InspectInstance(arguments.instance);
  if (!status.ok()) return BadInput(status.status());
  std::cout << (arguments.output == Output::kJson
                    ? MapsJson(*status).dump(2) + "\n"
                    : MapsText(*status));
  return kOk;
}

Json ToJson(const MapField& field) {
  if (const auto* number = std::get_if<uint64_t>(&field.value)) return *number;
  if (const auto* text = std::get_if<std::string>(&field.value)) return *text;
  return std::get<std::vector<std::string>>(field.value);
}

int RunDump(const Arguments& arguments) {
  MapDumpOptions options = {.limit = arguments.limit};
  if (!arguments.address.empty()) {
    absl::StatusOr<IpAddress> address = IpAddress::Parse(arguments.address);
    if (!address.ok()) return BadInput(Annotate(address.status(), "--address"));
    options.address = *address;
  }
  absl::StatusOr<MapDump> dump =
      DumpMap(arguments.instance, arguments.map, options);
  if (!dump.ok()) return BadInput(dump.status());
  if (arguments.output == Output::kJson) {
    Json entries = Json::array();
    for (const MapEntry& entry : dump->entries) {
      Json json = Json::object();
      for (const MapField& field : entry) json[field.name] = ToJson(field);
      entries.push_back(std::move(json));
    }
    std::cout << entries.dump(2) << "\n";
  } else if (!dump->entries.empty()) {
    Rows rows(1);
    for (const MapField& field : dump->entries.front())
      rows[0].push_back(field.name);
    for (const MapEntry& entry : dump->entries) {
      std::vector<std::string>& row = rows.emplace_back();
      for (const MapField& field : entry) {
        const std::string text = field.text();
        row.push_back(text.empty() ? "-" : text);
      }
    }
    std::cout << TextTable(rows);
  }
  if (dump->is_limited)
    Note(absl::StrCat("there are more than ", arguments.limit, " entries"));
  return kOk;
}

}  // namespace

void AddStatusCommand(CLI::App& app) {
  CLI::App* status = app.add_subcommand(
      "status",
      "What pinned instances are doing: who they judge, programs, links, maps. "
      "Reads only.");
  auto arguments = std::make_shared<Arguments>();
  AddInstanceOptions(*status, arguments->instance);
  AddOutputOption(*status, arguments->output);
  SetAction(*status, [arguments, status] {
    return RunStatus(*arguments, status->count("--instance") != 0);
  });
}

void AddMapCommands(CLI::App& app) {
  CLI::App* map = app.add_subcommand("map", "The maps of a pinned instance.");
  map->require_subcommand(1);
  auto listed = std::make_shared<Arguments>();
  CLI::App* list =
      map->add_subcommand("list", "Sizes, entries in use, memory.");
  AddInstanceOptions(*list, listed->instance);
  AddOutputOption(*list, listed->output);
  SetAction(*list, [listed] { return RunList(*listed); });

  auto dumped = std::make_shared<Arguments>();
  CLI::App* dump =
      map->add_subcommand("dump", "The entries of a map by what they mean.");
  dump->add_option("MAP", dumped->map, "such as cc_conntrack")->required();
  AddInstanceOptions(*dump, dumped->instance);
  AddOutputOption(*dump, dumped->output);
  dump->add_option("--address", dumped->address,
                   "only entries that name this address")
      ->option_text("IP");
  dump->add_option("--limit", dumped->limit, "at most so many entries")
      ->option_text("N");
  SetAction(*dump, [dumped] { return RunDump(*dumped); });
}

}  // namespace ciliumcore::ccore
