// SPDX-License-Identifier: Apache-2.0

// The datapath of the kernel, and its flows as they come.

#include "ciliumcore/datapath/datapath.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bindings/python/src/change.h"

namespace ciliumcore::python {
namespace {

// Python may close a datapath while other threads are in it: whoever uses it
// holds it open, and closing waits for them. All of it without the
// interpreter's lock, which whoever is waited for may want.
class OpenDatapath : public Changeable {
 public:
  explicit OpenDatapath(Datapath datapath) : datapath_(std::move(datapath)) {}

  void Close() {
    const std::unique_lock lock(mutex_);
    datapath_.reset();
  }

  // Throws if it is closed.
  template <typename Use>
  auto With(Use use) {
    const std::shared_lock lock(mutex_);
    if (!datapath_.has_value()) {
      Check(absl::FailedPreconditionError("the datapath is closed"));
    }
    return use(*datapath_);
  }

  void Transact(absl::FunctionRef<void(Transaction&)> use) override {
    With([&](Datapath& datapath) {
      Transaction transaction = datapath.Begin();
      use(transaction);
    });
  }

  // One reader at a time.
  std::optional<Flow> NextFlow(absl::Duration timeout) {
    return With([&](Datapath& datapath) {
      const std::lock_guard lock(reader_);
      return datapath.flows().Next(timeout);
    });
  }

 private:
  std::shared_mutex mutex_;
  std::mutex reader_;
  std::optional<Datapath> datapath_;
};

// What Python iterates over.
class FlowIterator {
 public:
  FlowIterator(std::shared_ptr<OpenDatapath> datapath, absl::Duration timeout)
      : datapath_(std::move(datapath)), timeout_(timeout) {}

  // Under the interpreter's lock, which others have while this waits; looks for
  // signals in between.
  Flow Next() {
    constexpr absl::Duration kSlice = absl::Milliseconds(100);
    const absl::Time deadline = absl::Now() + timeout_;
    for (;;) {
      const absl::Duration left =
          std::max(deadline - absl::Now(), absl::ZeroDuration());
      if (std::optional<Flow> flow = Wait(std::min(left, kSlice));
          flow.has_value())
        return *std::move(flow);
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (left == absl::ZeroDuration()) throw py::stop_iteration();
    }
  }

  template <typename Use>
  auto With(Use use) {
    const py::gil_scoped_release release;
    return datapath_->With(
        [&](Datapath& datapath) { return use(datapath.flows()); });
  }

 private:
  std::optional<Flow> Wait(absl::Duration timeout) {
    const py::gil_scoped_release release;
    return datapath_->NextFlow(timeout);
  }

  std::shared_ptr<OpenDatapath> datapath_;
  absl::Duration timeout_;
};

template <typename Use>
auto With(OpenDatapath& datapath, Use use) {
  const py::gil_scoped_release release;
  return datapath.With(use);
}

std::shared_ptr<OpenDatapath> Open(
    const std::string& name, const std::string& lifetime,
    const std::string& bpffs, const std::string& netns,
    const std::string& cgroup, const std::string& forward, bool audit_only,
    bool report_new, bool report_drops, bool report_ends, bool report_verdicts,
    uint8_t drop_sample_shift, const std::optional<DatapathCapacity>& capacity,
    const std::optional<ConnectionTimeouts>& timeouts) {
  const DatapathOptions options = {
      .name = name,
      .lifetime = OneOf<Lifetime>(
          "lifetime", lifetime,
          {{"process", Lifetime::kProcess}, {"pinned", Lifetime::kPinned}}),
      .bpffs = bpffs,
      .netns = netns,
      .cgroup = cgroup,
      .forward =
          OneOf<Forward>("forward", forward,
                         {{"stack", Forward::kStack}, {"fib", Forward::kFib}}),
      .audit_only = audit_only,
      .report_new = report_new,
      .report_drops = report_drops,
      .report_ends = report_ends,
      .report_verdicts = report_verdicts,
      .drop_sample_shift = drop_sample_shift,
      .capacity = capacity.value_or(DatapathCapacity()),
      .timeouts = timeouts.value_or(ConnectionTimeouts())};
  const py::gil_scoped_release release;
  return std::make_shared<OpenDatapath>(Value(Datapath::Open(options)));
}

void BindFlows(py::module_& module) {
  py::class_<FlowIterator>(
      module, "FlowReader",
      "Iterates over the flows of a datapath. Waiting releases the "
      "interpreter's lock and can be interrupted. Each flow is told once: "
      "several readers of a datapath share them.")
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", &FlowIterator::Next,
           "FAILED_PRECONDITION if the datapath was closed.")
      .def_property_readonly(
          "lost",
          [](FlowIterator& flows) {
            return flows.With([](FlowReader& reader) { return reader.lost(); });
          },
          "Events that found no room, because nobody read.")
      .def_property_readonly(
          "undecodable",
          [](FlowIterator& flows) {
            return flows.With(
                [](FlowReader& reader) { return reader.undecodable(); });
          },
          "Records that were no events of this build.");
}

std::optional<std::string> TextOf(const std::optional<CounterExample>& found) {
  return found.has_value() ? std::optional(found->ToString()) : std::nullopt;
}

void BindVerification(py::module_& module) {
  py::class_<VerifyReport>(
      module, "VerifyReport",
      "Whether the maps judge as the policy does; str() says what was "
      "compared.")
      .def_property_readonly("is_equal", &VerifyReport::is_equal)
      .def_readonly("generation", &VerifyReport::generation,
                    "The change that was read.")
      .def_property_readonly(
          "counter_example",
          [](const VerifyReport& self) { return TextOf(self.counter_example); },
          "The smallest judgement that differs, and which entry of which map "
          "is wrong; None if there is none.")
      .def_property_readonly(
          "other_rules",
          [](const VerifyReport& self) { return TextOf(self.other_rules); },
          "The smallest where the verdict is right, but told to be by other "
          "rules; None if there is none.")
      .def("__str__", &VerifyReport::ToString);
}

using DatapathClass = py::class_<OpenDatapath, std::shared_ptr<OpenDatapath>>;

void BindLife(DatapathClass& datapath) {
  const DatapathOptions defaults;
  datapath
      .def_static(
          "open", &Open, py::arg("name") = defaults.name, py::kw_only(),
          py::arg("lifetime") = "process", py::arg("bpffs") = defaults.bpffs,
          py::arg("netns") = "", py::arg("cgroup") = "",
          py::arg("forward") = "stack", py::arg("audit_only") = false,
          py::arg("report_new") = true, py::arg("report_drops") = true,
          py::arg("report_ends") = true, py::arg("report_verdicts") = false,
          py::arg("drop_sample_shift") = 0, py::arg("capacity") = py::none(),
          py::arg("timeouts") = py::none(),
          "Loads the programs. `name` is of the instance, one writer each. "
          "`lifetime` is \"process\" (the kernel removes all of it with the "
          "process, however that ends) or \"pinned\" below `bpffs` (it goes on "
          "until remove(); the next open() takes it over, and its first "
          "change says all there shall be). `netns` is the path of the network "
          "namespace of the endpoints' host side, the caller's if empty. "
          "Sockets below `cgroup`, a directory of cgroup v2, reach services; "
          "there are none if it is empty. `forward` says how packets for "
          "elsewhere leave: by the node's \"stack\", or by its routes past it, "
          "\"fib\". `audit_only` lets pass what policy denies, and tells it. "
          "`report_*` say which flows there are; of the drops of one reason, "
          "every 2**drop_sample_shift-th. PERMISSION_DENIED: without CAP_BPF "
          "and CAP_NET_ADMIN. FAILED_PRECONDITION: `bpffs` is none, or another "
          "process writes this instance. DATA_LOSS: what is pinned is damaged. "
          "UNIMPLEMENTED: the kernel lacks a feature; the message says which.")
      .def_static(
          "remove",
          [](const std::string& name, const std::string& bpffs) {
            const DatapathOptions options = {
                .name = name, .lifetime = Lifetime::kPinned, .bpffs = bpffs};
            const py::gil_scoped_release release;
            Check(Datapath::Remove(options));
          },
          py::arg("name") = defaults.name, py::kw_only(),
          py::arg("bpffs") = defaults.bpffs,
          "Ends what a pinned instance left: detaches its programs, removes "
          "its pins. FAILED_PRECONDITION as open's.")
      .def("close", &OpenDatapath::Close,
           py::call_guard<py::gil_scoped_release>(),
           "Lets go of it: detaches everything, unless it is pinned. Waits for "
           "calls of other threads; a flow reader's end within 100 ms. More "
           "often than once does nothing.")
      .def("__enter__", [](std::shared_ptr<OpenDatapath> self) { return self; })
      .def("__exit__", [](OpenDatapath& self, const py::object&,
                          const py::object&, const py::object&) {
        const py::gil_scoped_release release;
        self.Close();
      });
}

}  // namespace

void BindDatapath(py::module_& module) {
  BindFlows(module);
  BindVerification(module);
  DatapathClass datapath(
      module, "Datapath",
      "The programs, maps and links of one instance in the kernel. Use it by "
      "`with`, or close() it: garbage does it too, but when it likes. "
      "Thread-safe; every call releases the interpreter's lock. Once closed, "
      "calls are FAILED_PRECONDITION.");
  BindLife(datapath);
  datapath
      .def(
          "change",
          [](std::shared_ptr<OpenDatapath> self) {
            return std::make_shared<Change>(std::move(self));
          },
          "A change without edits.")
      .def(
          "recover_identities",
          [](OpenDatapath& self, IdentityAllocator& allocator) {
            return Value(With(self, [&](Datapath& datapath) {
              return datapath.RecoverIdentities(allocator);
            }));
          },
          py::arg("allocator"),
          "Gives the labels of what an earlier process of a pinned instance "
          "had the numbers of then. Hold the result until the first change is "
          "made. ALREADY_EXISTS if `allocator` has used a number otherwise.")
      .def(
          "flows",
          [](std::shared_ptr<OpenDatapath> self,
             std::optional<double> timeout) {
            return FlowIterator(std::move(self),
                                timeout.has_value() ? absl::Seconds(*timeout)
                                                    : absl::InfiniteDuration());
          },
          py::arg("timeout") = py::none(),
          "Iterates over flows as they come; ends when none came for `timeout` "
          "seconds, without one never.")
      .def(
          "verify",
          [](OpenDatapath& self) {
            return Value(With(
                self, [](Datapath& datapath) { return datapath.Verify(); }));
          },
          "Whether the maps judge as what is in force says: all endpoints, "
          "identities, addresses, protocols and ports. FAILED_PRECONDITION "
          "before the first change.")
      .def_property_readonly(
          "generation",
          [](OpenDatapath& self) {
            return With(
                self, [](Datapath& datapath) { return datapath.generation(); });
          },
          "The number of the last change.")
      .def(
          "counters",
          [](OpenDatapath& self) {
            return Value(With(
                self, [](Datapath& datapath) { return datapath.counters(); }));
          },
          "All of the node that are not zero; exact, whatever flows there are.")
      .def(
          "endpoint_counters",
          [](OpenDatapath& self) {
            return Value(With(self, [](Datapath& datapath) {
              return datapath.endpoint_counters();
            }));
          },
          "The same of each endpoint since it was attached.");
}

}  // namespace ciliumcore::python
