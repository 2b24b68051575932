// SPDX-License-Identifier: Apache-2.0

// Manifests, policies, the matrix and traces.

#include <pybind11/operators.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bindings/python/src/module.h"

namespace ciliumcore::python {
namespace {

template <typename Policy>
void AddNames(const std::vector<Policy>& policies,
              std::vector<std::string>& names) {
  for (const Policy& policy : policies) names.push_back(policy.ToString());
}

// Why one side judges as it does.
struct SideOfTrace {
  std::string verdict;
  std::string why;  // empty: this side is no pod that policy judges
};

// One flow between two pods or addresses.
struct TracedFlow {
  std::string source, destination;
  bool allowed = false;
  SideOfTrace egress, ingress;
};

SideOfTrace Explain(const CompiledPolicy& policy, const Cell& cell) {
  const RuleSet* set = policy.FindRuleSet(cell.rule_set);
  return {std::string(VerdictName(cell.verdict)),
          set == nullptr ? "" : set->ToString()};
}

std::vector<TracedFlow> Trace(const CompiledCluster& cluster,
                              const std::string& source,
                              const std::string& destination,
                              const std::string& port_text) {
  const PortProtocol port = Value(PortProtocol::Parse(port_text));
  const uint16_t policy_port = Value(PolicyPortOf(port));
  const std::vector<NamedEnd> sources = Value(FindNamedEnds(cluster, source));
  const std::vector<NamedEnd> destinations =
      Value(FindNamedEnds(cluster, destination));
  std::vector<TracedFlow> flows;
  for (const NamedEnd& from : sources) {
    for (const NamedEnd& to : destinations) {
      if (!MayMeet(from, to)) continue;
      TracedFlow flow = {
          from.Name(), to.Name(), true, {"allow", ""}, {"allow", ""}};
      if (!from.pod.has_value() || from.pod != to.pod) {
        const PairDecision decision = cluster.policy.DecidePair(
            from.party, to.party, port.protocol, policy_port);
        flow.allowed = decision.allowed();
        flow.egress = Explain(cluster.policy, decision.egress);
        flow.ingress = Explain(cluster.policy, decision.ingress);
      }
      flows.push_back(std::move(flow));
    }
  }
  return flows;
}

// Names and port sets are made once: there may be a million connections.
py::list Connections(const Matrix& matrix) {
  std::vector<py::object> names, allowed;
  for (uint32_t peer = 0; peer < matrix.peer_count(); ++peer) {
    names.push_back(py::str(matrix.PeerName(peer)));
  }
  for (const PortSpans& spans : matrix.port_sets) {
    allowed.push_back(py::tuple(py::cast(spans)));
  }
  py::list out(matrix.connections.size());
  for (size_t i = 0; i < matrix.connections.size(); ++i) {
    const Matrix::Connection& connection = matrix.connections[i];
    out[i] =
        py::make_tuple(names[connection.source], names[connection.destination],
                       allowed[connection.allowed]);
  }
  return out;
}

std::string SpanText(const PortSpan& span) {
  std::string text =
      absl::StrCat(span.from, "-", span.to, "/", ProtocolName(span.protocol));
  if (span.from != span.to) return text;
  return absl::StrCat(span.from, "/", ProtocolName(span.protocol));
}

void BindCluster(py::module_& module) {
  py::class_<NetworkPolicy>(module, "NetworkPolicy", "One policy, as read.")
      .def_readonly("namespace", &NetworkPolicy::ns)
      .def_readonly("name", &NetworkPolicy::name)
      .def_readonly("pod_selector", &NetworkPolicy::pod_selector)
      .def_readonly("isolates_ingress", &NetworkPolicy::isolates_ingress)
      .def_readonly("isolates_egress", &NetworkPolicy::isolates_egress)
      .def("__repr__", [](const NetworkPolicy& policy) {
        return absl::StrCat("<NetworkPolicy ", policy.ns, "/", policy.name,
                            ">");
      });

  py::class_<PolicySet>(module, "PolicySet", "Policies of every dialect.")
      .def_property_readonly(
          "network_policies",
          [](const PolicySet& set) { return set.policies().policies; },
          "The NetworkPolicies alone, in the order of their names.")
      .def_property_readonly(
          "names",
          [](const PolicySet& set) {
            std::vector<std::string> names;
            for (const NetworkPolicy& policy : set.policies().policies) {
              names.push_back(
                  absl::StrCat("NetworkPolicy ", policy.ns, "/", policy.name));
            }
            AddNames(set.policies().cilium_policies, names);
            AddNames(set.policies().cluster_policies, names);
            return names;
          },
          "\"kind namespace/name\" of each, of every dialect.");

  module.def(
      "load_policies",
      [](const std::string& text) {
        py::gil_scoped_release release;
        return Value(PolicySet::FromManifest(text));
      },
      py::arg("text"),
      "The policies of a YAML or JSON text: of Kubernetes, of the whole "
      "cluster "
      "and of Cilium. INVALID_ARGUMENT lists what is wrong.");

  py::class_<Cluster>(module, "Cluster", "What manifests say of a cluster.")
      .def_static(
          "from_text",
          [](const std::string& text, const std::string& name) {
            py::gil_scoped_release release;
            const ManifestSource source = {name, text};
            return Value(LoadManifests({&source, 1}));
          },
          py::arg("text"), py::arg("name") = "-",
          "Reads a text of any number of documents; `name` is for messages.")
      .def_static(
          "from_files",
          [](const std::vector<std::string>& paths) {
            py::gil_scoped_release release;
            return Value(LoadManifests(Value(ReadManifestFiles(paths))));
          },
          py::arg("paths"), "Reads files, and manifests below directories.")
      .def_property_readonly(
          "namespaces",
          [](const Cluster& cluster) {
            std::vector<std::string> names;
            for (const auto& [name, ns] : cluster.namespaces) {
              names.push_back(name);
            }
            return names;
          })
      .def_property_readonly(
          "pods",
          [](const Cluster& cluster) {
            std::vector<std::string> names;
            for (const Pod& pod : cluster.pods) names.push_back(pod.ToString());
            return names;
          },
          "\"namespace/name\" of each.")
      .def_readonly("policies", &Cluster::policies)
      .def_property_readonly(
          "cilium_policies",
          [](const Cluster& cluster) {
            std::vector<std::string> names;
            AddNames(cluster.cilium_policies, names);
            return names;
          },
          "\"CiliumNetworkPolicy namespace/name\" of each.")
      .def_property_readonly(
          "cluster_policies",
          [](const Cluster& cluster) {
            std::vector<std::string> names;
            AddNames(cluster.cluster_policies, names);
            return names;
          },
          "\"ClusterNetworkPolicy name\" of each.")
      .def_readonly("ignored", &Cluster::ignored,
                    "Objects of kinds without a meaning here.")
      .def(
          "compile",
          [](const Cluster& cluster, const py::iterable& pod_cidrs) {
            CompileClusterOptions options = {.pod_cidrs =
                                                 ToPrefixes(pod_cidrs)};
            py::gil_scoped_release release;
            return Value(CompileCluster(cluster, options));
          },
          py::arg("pod_cidrs") = py::tuple(),
          "Compiles the policies. A pod without an address gets the next free "
          "one of each of `pod_cidrs`.");
}

void BindMatrix(py::module_& module) {
  py::class_<PortSpan>(module, "PortSpan",
                       "Ports of one protocol, both ends included.")
      .def_property_readonly(
          "protocol",
          [](const PortSpan& span) { return ProtocolName(span.protocol); })
      .def_readonly("first", &PortSpan::from)
      .def_readonly("last", &PortSpan::to)
      .def("__str__", &SpanText)
      .def("__repr__",
           [](const PortSpan& span) {
             return absl::StrCat("<PortSpan ", SpanText(span), ">");
           })
      .def("__contains__",
           [](const PortSpan& span, uint32_t port) {
             return span.from <= port && port <= span.to;
           })
      .def(py::self == py::self);

  py::class_<Matrix>(module, "Matrix", "Who may talk to whom.")
      .def_property_readonly(
          "peers",
          [](const Matrix& matrix) {
            std::vector<std::string> names;
            for (uint32_t peer = 0; peer < matrix.peer_count(); ++peer) {
              names.push_back(matrix.PeerName(peer));
            }
            return names;
          },
          "Workloads as \"shop/web[Deployment]\", then address ranges.")
      .def("connections", &Connections,
           "(source, destination, (PortSpan, ...)) of every pair with anything "
           "allowed, in the order of `peers`.")
      .def("__len__",
           [](const Matrix& matrix) { return matrix.connections.size(); });
}

}  // namespace

void BindPolicy(py::module_& module) {
  BindCluster(module);
  BindMatrix(module);
  py::class_<SideOfTrace>(module, "Judgement", "Of one side of a flow.")
      .def_readonly("verdict", &SideOfTrace::verdict, "\"allow\" or \"deny\".")
      .def_readonly("why", &SideOfTrace::why,
                    "The rules, or what denies by default; empty if this side "
                    "is not judged.");
  py::class_<TracedFlow>(module, "TracedFlow", "A flow and its judgements.")
      .def_readonly("source", &TracedFlow::source)
      .def_readonly("destination", &TracedFlow::destination)
      .def_readonly("allowed", &TracedFlow::allowed)
      .def_readonly("egress", &TracedFlow::egress)
      .def_readonly("ingress", &TracedFlow::ingress)
      .def("__repr__", [](const TracedFlow& flow) {
        return absl::StrCat("<TracedFlow ", flow.source, " -> ",
                            flow.destination, ": ",
                            flow.allowed ? "allowed" : "denied", ">");
      });
  py::class_<CompiledCluster>(module, "CompiledCluster",
                              "The policies of a cluster, compiled.")
      .def_property_readonly(
          "workloads",
          [](const CompiledCluster& cluster) {
            std::vector<std::string> names;
            for (const Workload& workload : cluster.workloads) {
              names.push_back(workload.ToString());
            }
            return names;
          })
      .def("matrix", &ComputeMatrix, py::call_guard<py::gil_scoped_release>(),
           "Every pair of workloads and address ranges that may talk.")
      .def(
          "trace", &Trace, py::arg("source"), py::arg("destination"),
          py::arg("port"),
          "Whether flows may pass, and which rules decide. Ends are addresses, "
          "or \"namespace/name\" of a pod or workload; `port` is \"80/TCP\". "
          "One flow for each pair of pods and address family.");
}

}  // namespace ciliumcore::python
