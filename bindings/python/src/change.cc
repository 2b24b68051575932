// SPDX-License-Identifier: Apache-2.0

// Changes, their plans, and what they are made of.

#include "bindings/python/src/change.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace ciliumcore::python {
namespace {

std::vector<NamedPort> ToPorts(const py::dict& ports) {
  std::vector<NamedPort> named;
  for (const auto& [name, port] : ports) {
    named.push_back(
        {.name = py::cast<std::string>(name),
         .port = Value(PortProtocol::Parse(py::cast<std::string>(port)))});
  }
  return named;
}

void AttachEndpoint(Change& change, const std::string& interface,
                    const py::object& addresses, const IdentityRef& identity,
                    const py::dict& ports,
                    const std::optional<std::string>& mac,
                    const std::string& on_detach, const std::string& name) {
  EndpointOptions endpoint = {
      .interface = interface,
      .addresses = ToAddresses(addresses),
      .identity = identity,
      .ports = ToPorts(ports),
      .on_detach = OneOf<OnDetach>(
          "on_detach", on_detach,
          {{"open", OnDetach::kOpen}, {"closed", OnDetach::kClosed}}),
      .name = name};
  if (mac.has_value()) endpoint.mac = Value(ParseMac(*mac));
  change.Add([endpoint = std::move(endpoint)](Transaction& transaction) {
    transaction.AttachEndpoint(endpoint);
  });
}

void UpsertRemote(Change& change, const py::object& addresses,
                  const IdentityRef& identity, const py::dict& ports,
                  const std::string& interface, const py::object& gateway,
                  const std::string& name) {
  RemoteOptions remote = {.addresses = ToAddresses(addresses),
                          .identity = identity,
                          .ports = ToPorts(ports),
                          .name = name};
  if (!interface.empty()) {
    remote.next_hop = {.interface = interface};
    if (!gateway.is_none()) remote.next_hop->gateway = ToAddress(gateway);
  } else if (!gateway.is_none()) {
    Check(absl::InvalidArgumentError(
        "gateway: expected the interface that leads to it, found none"));
  }
  change.Add([remote = std::move(remote)](Transaction& transaction) {
    transaction.UpsertRemote(remote);
  });
}

std::vector<Namespace> ToNamespaces(const py::dict& labels_by_name) {
  std::vector<Namespace> namespaces;
  for (const auto& [name, labels] : labels_by_name) {
    namespaces.push_back(
        MakeNamespace(py::cast<std::string>(name), py::cast<Labels>(labels)));
  }
  return namespaces;
}

void BindService(py::module_& module) {
  py::class_<Backend>(module, "Backend", "Who answers for a service. A value.")
      .def(py::init([](const py::object& address, uint16_t port,
                       uint32_t weight) {
             return Backend{
                 .address = ToAddress(address), .port = port, .weight = weight};
           }),
           py::arg("address"), py::arg("port"), py::arg("weight") = 1,
           "Of weight 0, it keeps the clients that it has and gets no new "
           "ones.")
      .def_property_readonly(
          "address",
          [](const Backend& backend) { return backend.address.ToString(); })
      .def_readonly("port", &Backend::port)
      .def_readonly("weight", &Backend::weight);

  py::class_<ServiceOptions>(
      module, "Service",
      "An address and a port that stand for several backends. A value.")
      .def(py::init([](const py::object& address, const std::string& port,
                       std::vector<Backend> backends, const std::string& name,
                       std::optional<double> affinity_timeout) {
             ServiceOptions service = {
                 .name = name,
                 .frontend = {.address = ToAddress(address),
                              .port = Value(PortProtocol::Parse(port))},
                 .backends = std::move(backends)};
             if (affinity_timeout.has_value()) {
               service.affinity = Affinity::kClientIp;
               service.affinity_timeout = absl::Seconds(*affinity_timeout);
             }
             Check(ValidateService(service));
             return service;
           }),
           py::arg("address"), py::arg("port"), py::arg("backends"),
           py::kw_only(), py::arg("name") = "",
           py::arg("affinity_timeout") = py::none(),
           "`port` is \"80/TCP\". Without backends connections are refused. "
           "With `affinity_timeout`, in seconds, all connections of a client "
           "reach one backend until it was silent for so long. "
           "INVALID_ARGUMENT, naming the service.")
      .def_readonly("name", &ServiceOptions::name)
      .def_property_readonly("frontend",
                             [](const ServiceOptions& service) {
                               return service.frontend.ToString();
                             })
      .def_readonly("backends", &ServiceOptions::backends)
      .def("__repr__", [](const ServiceOptions& service) {
        return absl::StrCat("<Service ", service.ToString(), ">");
      });
}

void BindPlan(py::module_& module) {
  py::class_<PlannedChange>(module, "PlannedChange",
                            "One thing that a change adds, alters or ends.")
      .def_property_readonly(
          "action",
          [](const PlannedChange& change) {
            switch (change.action) {
              case PlannedChange::Action::kAdd:
                return "add";
              case PlannedChange::Action::kAlter:
                return "alter";
              case PlannedChange::Action::kEnd:
                return "end";
            }
            return "";
          },
          "\"add\", \"alter\" or \"end\".")
      .def_readonly("subject", &PlannedChange::subject,
                    "Such as \"endpoint veth-web\".")
      .def("__str__", &PlannedChange::ToString);

  py::class_<PlannedRoom>(module, "PlannedRoom",
                          "Entries of a map that a change takes.")
      .def_readonly("map", &PlannedRoom::map)
      .def_readonly("wanted", &PlannedRoom::wanted)
      .def_readonly("used", &PlannedRoom::used, "Before the change.")
      .def_readonly("capacity", &PlannedRoom::capacity)
      .def_property_readonly("fits", &PlannedRoom::fits);

  py::class_<ChangePlan>(module, "ChangePlan", "What a change would write.")
      .def_readonly("changes", &ChangePlan::changes)
      .def_readonly("room", &ChangePlan::room,
                    "Of the maps of which entries are wanted.")
      .def_property_readonly("empty", &ChangePlan::empty,
                             "Nothing would be written.")
      .def("__str__", &ChangePlan::ToString);
}

// The edits; what they take is checked when they are made as far as it can be,
// the rest when they are committed.
void BindEdits(py::class_<Change, std::shared_ptr<Change>>& change) {
  change
      .def("attach_endpoint", &AttachEndpoint, py::arg("interface"),
           py::arg("addresses"), py::arg("identity"), py::kw_only(),
           py::arg("ports") = py::dict(), py::arg("mac") = py::none(),
           py::arg("on_detach") = "open", py::arg("name") = "",
           "Judges the traffic of an interface, the host side of a veth or "
           "netkit pair, from now on, or changes who it is. `ports` gives "
           "names to ports, {\"http\": \"8080/TCP\"}; `mac` is asked from the "
           "kernel if it is not given; `on_detach` is \"open\" or \"closed\": "
           "what becomes of the traffic of one that is detached; `name` is "
           "the pod's, for flows.")
      .def(
          "detach_endpoint",
          [](Change& change, const std::string& interface) {
            change.Add([interface](Transaction& transaction) {
              transaction.DetachEndpoint(interface);
            });
          },
          py::arg("interface"))
      .def("upsert_remote", &UpsertRemote, py::arg("addresses"),
           py::arg("identity"), py::kw_only(), py::arg("ports") = py::dict(),
           py::arg("interface") = "", py::arg("gateway") = py::none(),
           py::arg("name") = "",
           "Says who addresses elsewhere are. With `interface`, and `gateway` "
           "if they are not on the link, packets go there without asking the "
           "routes of the node.")
      .def(
          "remove_remote",
          [](Change& change, const py::object& address) {
            change.Add(
                [address = ToAddress(address)](Transaction& transaction) {
                  transaction.RemoveRemote(address);
                });
          },
          py::arg("address"), "The first of its addresses.")
      .def(
          "upsert_service",
          [](Change& change, const ServiceOptions& service) {
            change.Add([service](Transaction& transaction) {
              transaction.UpsertService(service);
            });
          },
          py::arg("service"),
          "Replaces what the frontend had; open connections stay where they "
          "are.")
      .def(
          "remove_service",
          [](Change& change, const py::object& address,
             const std::string& port) {
            const Frontend frontend = {
                .address = ToAddress(address),
                .port = Value(PortProtocol::Parse(port))};
            change.Add([frontend](Transaction& transaction) {
              transaction.RemoveService(frontend);
            });
          },
          py::arg("address"), py::arg("port"))
      .def(
          "set_services",
          [](Change& change, const std::vector<ServiceOptions>& services) {
            change.Add([services](Transaction& transaction) {
              transaction.SetServices(services);
            });
          },
          py::arg("services"), "Replaces all services.")
      .def(
          "set_policies",
          // By value: a pointer would be null for None.
          [](Change& change,
             const std::variant<PolicySet, std::vector<NetworkPolicy>>&
                 policies) {
            Policies all;
            if (const auto* set = std::get_if<PolicySet>(&policies)) {
              all = set->policies();
            } else {
              all.policies = std::get<std::vector<NetworkPolicy>>(policies);
            }
            change.Add([all = std::move(all)](Transaction& transaction) {
              transaction.SetPolicies(all);
            });
          },
          py::arg("policies"), "Replaces all policies.")
      .def(
          "set_namespaces",
          [](Change& change, const py::dict& labels_by_name) {
            change.Add([namespaces = ToNamespaces(labels_by_name)](
                           Transaction& transaction) {
              transaction.SetNamespaces(namespaces);
            });
          },
          py::arg("namespaces"),
          "Replaces what is known of namespaces, {\"shop\": {\"team\": "
          "\"a\"}}; others have their name as a label.");
}

}  // namespace

ChangePlan Change::Plan() const {
  const std::vector<Edit> edits = edits_;
  const std::shared_ptr<Changeable> target = target_;
  ChangePlan plan;
  const py::gil_scoped_release release;
  target->Transact([&](Transaction& transaction) {
    for (const Edit& edit : edits) edit(transaction);
    plan = Value(transaction.Plan());
  });
  return plan;
}

uint32_t Change::Commit() {
  std::vector<Edit> edits = std::exchange(edits_, {});
  const std::shared_ptr<Changeable> target = target_;
  uint32_t generation = 0;
  try {
    const py::gil_scoped_release release;
    target->Transact([&](Transaction& transaction) {
      for (const Edit& edit : edits) edit(transaction);
      generation = Value(transaction.CommitGeneration());
    });
  } catch (...) {
    edits_.insert(edits_.begin(), edits.begin(), edits.end());
    throw;
  }
  return generation;
}

void BindChange(py::module_& module) {
  BindService(module);
  BindPlan(module);
  py::class_<Change, std::shared_ptr<Change>> change(
      module, "Change",
      "Edits of which nothing is visible until they are committed, all of them "
      "or none: by the clean end of a `with` block, which an exception leaves "
      "without a trace, or by commit(). Keeps no datapath open. One thread at "
      "a time.");
  BindEdits(change);
  change
      .def("plan", &Change::Plan,
           "What commit() would write now; writes nothing, keeps the edits. "
           "Errors as commit's, but that room which is missing is told in the "
           "plan.")
      .def("commit", &Change::Commit,
           "Does all of it, and returns the generation: a new one if anything "
           "changed. The edits are gone then; after an error they stay. "
           "INVALID_ARGUMENT: edits contradict each other, or two endpoints "
           "have one address. NOT_FOUND: an interface, or what is to be "
           "removed, is not there. RESOURCE_EXHAUSTED: a map is full. "
           "PERMISSION_DENIED: the kernel refused. FAILED_PRECONDITION: "
           "services without a cgroup, or the datapath is closed.")
      .def("discard", &Change::Discard, "Forgets the edits.")
      .def("__enter__", [](std::shared_ptr<Change> self) { return self; })
      .def("__exit__", [](Change& self, const py::object& type,
                          const py::object&, const py::object&) {
        if (type.is_none()) {
          self.Commit();
        } else {
          self.Discard();
        }
      });
}

}  // namespace ciliumcore::python
