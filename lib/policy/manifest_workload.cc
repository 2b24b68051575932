// SPDX-License-Identifier: Apache-2.0

// Pods, and what makes pods: where their templates are, and what of them is
// read. Fields are those of Kubernetes 1.31 to 1.35, and those that older
// versions of an API had.

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

using Names = absl::Span<const absl::string_view>;

// "Any of them", of its family.
bool IsUnspecified(const IpAddress& address) {
  return address == IpAddress::FromV4(0) || address == IpAddress();
}

constexpr absl::string_view kTopFields[] = {"apiVersion", "kind", "metadata",
                                            "spec", "status"};

constexpr absl::string_view kTemplateFields[] = {"metadata", "spec"};

constexpr absl::string_view kDeploymentFields[] = {
    "replicas",
    "selector",
    "template",
    "strategy",
    "paused",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
    "rollbackTo",
};

constexpr absl::string_view kStatefulSetFields[] = {
    "replicas",        "selector",
    "template",        "volumeClaimTemplates",
    "serviceName",     "podManagementPolicy",
    "updateStrategy",  "revisionHistoryLimit",
    "minReadySeconds", "persistentVolumeClaimRetentionPolicy",
    "ordinals",
};

constexpr absl::string_view kDaemonSetFields[] = {
    "selector",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "templateGeneration",
};

constexpr absl::string_view kReplicaFields[] = {"replicas", "minReadySeconds",
                                                "selector", "template"};

constexpr absl::string_view kJobFields[] = {
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "podFailurePolicy",
    "successPolicy",
    "backoffLimit",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "selector",
    "manualSelector",
    "template",
    "ttlSecondsAfterFinished",
    "completionMode",
    "suspend",
    "podReplacementPolicy",
    "managedBy",
};

constexpr absl::string_view kCronJobFields[] = {
    "schedule",
    "timeZone",
    "startingDeadlineSeconds",
    "concurrencyPolicy",
    "suspend",
    "jobTemplate",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
};

constexpr absl::string_view kPodFields[] = {
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
    "workloadRef",
};

constexpr absl::string_view kContainerFields[] = {
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
};

NamedPort ReadContainerPort(const Field& field,
                            std::vector<HostPort>& host_ports) {
  NamedPort named;
  if (!field.HasOnly(
          {"name", "containerPort", "protocol", "hostPort", "hostIP"})) {
    return named;
  }
  named.name = field["name"].String().value_or("");
  if (!named.name.empty() && !IsPortName(named.name)) {
    field["name"].Expected(kPortNameForm);
  }
  const Field number = field["containerPort"];
  if (!number.present()) number.Expected("a port in 1..65535");
  named.port = {ReadProtocol(field["protocol"]),
                ReadPortNumber(number).value_or(0)};
  const auto host_port = field["hostPort"].Int(0, 65535, "a port").value_or(0);
  const Field host_ip = field["hostIP"];
  std::optional<IpAddress> address;
  if (host_ip.present() && !host_ip.Is("")) address = ReadAddress(host_ip);
  if (address.has_value() && IsUnspecified(*address)) address.reset();
  if (host_port != 0) {
    host_ports.push_back(
        {.address = address,
         .port = {named.port.protocol, static_cast<uint16_t>(host_port)},
         .target = named.port.port});
  }
  return named;
}

// The ports of those containers that serve while the pod runs: an init
// container only if it is never to end.
void ReadContainers(const Field& containers, bool is_init, Pod& pod) {
  for (const Field& container : containers.Items()) {
    if (!container.HasOnly(kContainerFields) && !container.is_map()) continue;
    const bool serves =
        !is_init || container["restartPolicy"].String() == "Always";
    for (const Field& port : container["ports"].Items()) {
      std::vector<HostPort> host_ports;
      const NamedPort named = ReadContainerPort(port, host_ports);
      if (!serves) continue;
      pod.ports.push_back(named);
      pod.host_ports.insert(pod.host_ports.end(), host_ports.begin(),
                            host_ports.end());
    }
  }
}

void ReadPodSpec(const Field& spec, Pod& pod) {
  if (!spec.HasOnly(kPodFields) && !spec.is_map()) return;
  pod.host_network = spec["hostNetwork"].Bool().value_or(false);
  pod.node = spec["nodeName"].String().value_or("");
  ReadContainers(spec["initContainers"], /*is_init=*/true, pod);
  ReadContainers(spec["containers"], /*is_init=*/false, pod);
  ReadContainers(spec["ephemeralContainers"], /*is_init=*/true, pod);
  // In the host's network its ports are the node's own.
  if (pod.host_network) pod.host_ports.clear();
}

// The status of a pod is the server's; only what is read is checked.
void ReadPodStatus(const Field& status, PodSource& source) {
  if (!status.ExpectMap()) return;
  const auto phase = status["phase"].String();
  source.is_finished = phase == "Succeeded" || phase == "Failed";
  std::vector<IpAddress>& addresses = source.pod.addresses;
  const auto add = [&](const Field& field) {
    const auto address = ReadAddress(field);
    if (!address.has_value()) return;
    if (std::find(addresses.begin(), addresses.end(), *address) ==
        addresses.end()) {
      addresses.push_back(*address);
    }
  };
  add(status["podIP"]);
  for (const Field& item : status["podIPs"].Items()) {
    if (item.ExpectMap()) add(item["ip"]);
  }
}

// A template's metadata and pod.
void ReadTemplate(const Field& field, Pod& pod) {
  if (!field.present()) field.Expected("a template of pods");
  if (!field.HasOnly(kTemplateFields) && !field.is_map()) return;
  pod.labels = ReadMeta(field["metadata"]).labels;
  ReadPodSpec(field["spec"], pod);
}

Names SpecFieldsOf(absl::string_view kind) {
  if (kind == "Deployment") return kDeploymentFields;
  if (kind == "StatefulSet") return kStatefulSetFields;
  if (kind == "DaemonSet") return kDaemonSetFields;
  if (kind == "Job") return kJobFields;
  if (kind == "CronJob") return kCronJobFields;
  return kReplicaFields;
}

int64_t ReadCount(const Field& field) {
  return field.Int(0, 2147483647, "a number").value_or(1);
}

void ReadJob(const Field& spec, PodSource& source) {
  source.replicas = ReadCount(spec["parallelism"]);
  if (spec["completions"].present()) {
    source.replicas = std::min(source.replicas, ReadCount(spec["completions"]));
  }
  ReadTemplate(spec["template"], source.pod);
}

// A selector must select what the template makes, if it is there: the older
// versions of the API fill it in.
void CheckSelector(const Field& spec, absl::string_view kind,
                   const Labels& labels) {
  const Field field = spec["selector"];
  if (!field.present()) return;
  const LabelSelector selector = kind == "ReplicationController"
                                     ? ReadMapSelector(field)
                                     : ReadSelector(field);
  if (!selector.Matches(labels)) {
    field.Expected("a selector of the template's labels",
                   selector.ToString() + " against " + labels.ToString());
  }
}

}  // namespace

PodSource ReadPodSource(const Field& root, absl::string_view kind,
                        const ObjectMeta& meta) {
  PodSource source;
  source.object = {std::string(kind), meta.ns, meta.name};
  source.controller = meta.controller;
  if (source.controller.has_value()) source.controller->ns = meta.ns;
  source.pod.ns = meta.ns;
  source.pod.name = meta.name;
  root.HasOnly(kTopFields);
  const Field spec = root["spec"];
  if (!spec.present()) spec.Expected("a mapping");
  if (source.is_pod()) {
    source.pod.labels = meta.labels;
    ReadPodSpec(spec, source.pod);
    ReadPodStatus(root["status"], source);
    return source;
  }
  if (!spec.HasOnly(SpecFieldsOf(kind)) && !spec.is_map()) return source;
  if (kind == "CronJob") {
    const Field job = spec["jobTemplate"];
    if (!job.present()) job.Expected("a template of jobs");
    if (!job.HasOnly(kTemplateFields) && !job.is_map()) return source;
    ReadMeta(job["metadata"]);
    job["spec"].HasOnly(kJobFields);
    ReadJob(job["spec"], source);
    return source;
  }
  if (kind == "Job") {
    ReadJob(spec, source);
    return source;
  }
  if (kind != "DaemonSet") source.replicas = ReadCount(spec["replicas"]);
  ReadTemplate(spec["template"], source.pod);
  CheckSelector(spec, kind, source.pod.labels);
  return source;
}

}  // namespace ciliumcore::internal
