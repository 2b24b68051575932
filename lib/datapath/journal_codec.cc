// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/journal_codec_internal.h"

#include <utility>

#include "lib/datapath/byte_codec_internal.h"

namespace ciliumcore::internal {
namespace {

template <typename T>
std::optional<T> Whole(const ByteReader& reader, T value) {
  if (!reader.done()) return std::nullopt;
  return value;
}

void Put(ByteWriter& writer, const PortProtocol& port) {
  writer.Put(port.protocol);
  writer.Put(port.port);
}

PortProtocol GetPort(ByteReader& reader) {
  PortProtocol port;
  port.protocol = reader.Get<Protocol>();
  port.port = reader.Get<uint16_t>();
  return port;
}

void Put(ByteWriter& writer, const JournalRange& range) {
  writer.Put(range.first);
  writer.Put(range.count);
}

JournalRange GetRange(ByteReader& reader) {
  JournalRange range;
  range.first = reader.Get<uint32_t>();
  range.count = reader.Get<uint32_t>();
  return range;
}

}  // namespace

std::string EncodeKey(uint32_t number) {
  ByteWriter writer;
  writer.Put(number);
  return std::move(writer).Take();
}

std::optional<uint32_t> DecodeKey(absl::string_view bytes) {
  ByteReader reader(bytes);
  const auto number = reader.Get<uint32_t>();
  return Whole(reader, number);
}

std::string EncodeKey(const Frontend& frontend) {
  ByteWriter writer;
  writer.Put(frontend.address);
  Put(writer, frontend.port);
  return std::move(writer).Take();
}

std::string Encode(const JournalEndpoint& endpoint) {
  ByteWriter writer;
  writer.Put(endpoint.interface);
  writer.Put(static_cast<uint8_t>(endpoint.closes));
  return std::move(writer).Take();
}

std::optional<JournalEndpoint> DecodeEndpoint(absl::string_view bytes) {
  ByteReader reader(bytes);
  JournalEndpoint endpoint;
  endpoint.interface = reader.GetText();
  endpoint.closes = reader.Get<uint8_t>() != 0;
  return Whole(reader, std::move(endpoint));
}

std::string Encode(const JournalService& service) {
  const ServiceOptions& options = service.options;
  ByteWriter writer;
  writer.Put(options.name);
  writer.Put(options.frontend.address);
  Put(writer, options.frontend.port);
  writer.Put(options.affinity);
  writer.Put(absl::ToInt64Nanoseconds(options.affinity_timeout));
  writer.Put(options.kind);
  writer.Put(static_cast<uint8_t>(options.source_ranges_deny));
  writer.Put(static_cast<uint32_t>(options.source_ranges.size()));
  for (const IpPrefix& range : options.source_ranges) {
    writer.Put(range.address());
    writer.Put(static_cast<uint8_t>(range.length()));
  }
  Put(writer, service.lines);
  Put(writer, service.room);
  writer.Put(static_cast<uint32_t>(options.backends.size()));
  for (const Backend& backend : options.backends) {
    writer.Put(backend.address);
    writer.Put(backend.port);
    writer.Put(backend.weight);
    writer.Put(backend.state);
  }
  return std::move(writer).Take();
}

std::optional<JournalService> DecodeService(absl::string_view bytes) {
  ByteReader reader(bytes);
  JournalService service;
  ServiceOptions& options = service.options;
  options.name = reader.GetText();
  options.frontend.address = reader.GetAddress();
  options.frontend.port = GetPort(reader);
  options.affinity = reader.Get<Affinity>();
  options.affinity_timeout = absl::Nanoseconds(reader.Get<int64_t>());
  options.kind = reader.Get<FrontendKind>();
  options.source_ranges_deny = reader.Get<uint8_t>() != 0;
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    const IpAddress address = reader.GetAddress();
    const int length = reader.Get<uint8_t>();
    if (length > (address.is_v4() ? 32 : 128)) return std::nullopt;
    options.source_ranges.push_back(IpPrefix::Of(address, length));
  }
  service.lines = GetRange(reader);
  service.room = GetRange(reader);
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    Backend& backend = options.backends.emplace_back();
    backend.address = reader.GetAddress();
    backend.port = reader.Get<uint16_t>();
    backend.weight = reader.Get<uint32_t>();
    backend.state = reader.Get<BackendState>();
  }
  return Whole(reader, std::move(service));
}

namespace {

void Put(ByteWriter& writer, const Labels& labels) {
  writer.Put(static_cast<uint32_t>(labels.size()));
  for (const Label& label : labels) {
    writer.Put(label.source);
    writer.Put(label.key);
    writer.Put(label.value);
  }
}

Labels GetLabels(ByteReader& reader) {
  Labels labels;
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    Label label;
    label.source = reader.GetText();
    label.key = reader.GetText();
    label.value = reader.GetText();
    labels.Set(std::move(label));
  }
  return labels;
}

}  // namespace

std::string Encode(const PeerVariety& variety) {
  ByteWriter writer;
  writer.Put(variety.identity);
  writer.Put(static_cast<uint32_t>(variety.ports.size()));
  for (const NamedPort& port : variety.ports) {
    writer.Put(port.name);
    Put(writer, port.port);
  }
  writer.Put(static_cast<int32_t>(
      variety.cover.has_value() ? variety.cover->length() : -1));
  if (variety.cover.has_value()) writer.Put(variety.cover->address());
  Put(writer, variety.labels);
  return std::move(writer).Take();
}

std::optional<PeerVariety> DecodePeer(absl::string_view bytes) {
  ByteReader reader(bytes);
  PeerVariety variety;
  variety.identity = reader.Get<Identity>();
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    NamedPort& port = variety.ports.emplace_back();
    port.name = reader.GetText();
    port.port = GetPort(reader);
  }
  const auto length = reader.Get<int32_t>();
  if (length >= 0) {
    const IpAddress address = reader.GetAddress();
    if (length > (address.is_v4() ? 32 : 128)) return std::nullopt;
    variety.cover = IpPrefix::Of(address, length);
  }
  variety.labels = GetLabels(reader);
  return Whole(reader, std::move(variety));
}

std::string Encode(const RuleSet& set) {
  ByteWriter writer;
  writer.Put(set.kind);
  writer.Put(set.direction);
  writer.Put(static_cast<uint32_t>(set.rules.size()));
  for (const RuleRef& rule : set.rules) {
    writer.Put(rule.kind);
    writer.Put(rule.ns);
    writer.Put(rule.name);
    writer.Put(rule.section);
    writer.Put(rule.index);
    writer.Put(rule.spec);
    writer.Put(static_cast<uint8_t>(rule.is_deny_section));
  }
  writer.Put(static_cast<uint32_t>(set.policies.size()));
  for (const PolicyRef& policy : set.policies) {
    writer.Put(policy.kind);
    writer.Put(policy.ns);
    writer.Put(policy.name);
  }
  return std::move(writer).Take();
}

std::optional<RuleSet> DecodeRuleSet(absl::string_view bytes) {
  ByteReader reader(bytes);
  RuleSet set;
  set.kind = reader.Get<RuleSet::Kind>();
  set.direction = reader.Get<Direction>();
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    RuleRef& rule = set.rules.emplace_back();
    rule.kind = reader.GetText();
    rule.ns = reader.GetText();
    rule.name = reader.GetText();
    rule.section = reader.Get<Direction>();
    rule.index = reader.Get<uint32_t>();
    rule.spec = reader.Get<uint32_t>();
    rule.is_deny_section = reader.Get<uint8_t>() != 0;
  }
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    PolicyRef& policy = set.policies.emplace_back();
    policy.kind = reader.GetText();
    policy.ns = reader.GetText();
    policy.name = reader.GetText();
  }
  return Whole(reader, std::move(set));
}

std::string Encode(const Labels& labels) {
  ByteWriter writer;
  Put(writer, labels);
  return std::move(writer).Take();
}

std::optional<Labels> DecodeLabels(absl::string_view bytes) {
  ByteReader reader(bytes);
  return Whole(reader, GetLabels(reader));
}

std::string Encode(const std::vector<uint32_t>& bounds) {
  ByteWriter writer;
  writer.Put(static_cast<uint32_t>(bounds.size()));
  for (const uint32_t bound : bounds) writer.Put(bound);
  return std::move(writer).Take();
}

std::optional<std::vector<uint32_t>> DecodeBounds(absl::string_view bytes) {
  ByteReader reader(bytes);
  std::vector<uint32_t> bounds;
  for (uint32_t left = reader.GetCount(); left > 0 && reader.ok(); --left) {
    bounds.push_back(reader.Get<uint32_t>());
  }
  return Whole(reader, std::move(bounds));
}

}  // namespace ciliumcore::internal
