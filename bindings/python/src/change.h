// SPDX-License-Identifier: Apache-2.0

// Changes of a datapath, of the kernel or of the process, by `with`.

#ifndef CILIUMCORE_BINDINGS_PYTHON_SRC_CHANGE_H_
#define CILIUMCORE_BINDINGS_PYTHON_SRC_CHANGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bindings/python/src/module.h"

namespace ciliumcore::python {

// What changes are made to. Thread-safe.
class Changeable {
 public:
  virtual ~Changeable() = default;

  // Gives `use` a transaction without edits. Throws if this was closed. The
  // caller does not hold the interpreter's lock, and `use` may not take it.
  virtual void Transact(absl::FunctionRef<void(Transaction&)> use) = 0;
};

// Edits on their way to a transaction, which lives only while they are planned
// or committed: one that is forgotten keeps no datapath open. Under the
// interpreter's lock.
class Change {
 public:
  using Edit = std::function<void(Transaction&)>;

  explicit Change(std::shared_ptr<Changeable> target)
      : target_(std::move(target)) {}

  void Add(Edit edit) { edits_.push_back(std::move(edit)); }
  ChangePlan Plan() const;
  uint32_t Commit();
  void Discard() { edits_.clear(); }

 private:
  std::shared_ptr<Changeable> target_;
  std::vector<Edit> edits_;
};

}  // namespace ciliumcore::python

#endif  // CILIUMCORE_BINDINGS_PYTHON_SRC_CHANGE_H_
