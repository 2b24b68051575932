#!/usr/bin/python3
"""Checks what the build cannot see: who includes whom, and that files stay small.

Bazel 4 checks dependencies between targets, not the transitive headers that a
file really includes. Reports every violation, then fails.

Usage: layers_test.py [ROOT]     by default the tree that this file is in
"""

import os
import re
import sys

# What each layer may include of the others, directly; itself is understood.
PURE = {"base", "abi", "identity", "policy", "service", "conntrack", "bandwidth", "flow"}
MAY_INCLUDE = {
    "abi": {"base"},
    "base": set(),
    "maps": {"base", "abi"},
    "net": {"base"},
    "identity": {"base", "abi"},
    "policy": {"base", "abi", "identity"},
    "service": {"base", "abi", "identity", "policy"},
    "conntrack": {"base", "abi"},
    "bandwidth": {"base", "abi"},
    "flow": {"base", "abi", "identity"},
    "datapath": PURE | {"maps", "net"},
    "testing": PURE | {"maps", "net", "datapath"},
}

# The C++ side of abi; its other headers are C, and BPF programs include them.
ABI_IN_CPP = re.compile(
    r"lib/abi/|include/ciliumcore/abi/(layout|layouts|btf_check|convert)\.h$")

MAX_LINES = {
    "public header": 250,
    "source": 450,
    "bpf header": 220,
    "bpf program": 450,
    "test": 700,
}

SPDX = "SPDX-License-Identifier: "
KERNEL_SIDE = "(GPL-2.0-only OR BSD-2-Clause)"

TOPS = ("benchmarks", "bindings", "bpf", "examples", "include", "lib", "tests", "tools")
SOURCES = (".h", ".c", ".cc", ".py")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
OURS = re.compile(r"ciliumcore/([a-z]+)/")
PLACED = re.compile(r"(?:include/ciliumcore|lib)/([a-z]+)/")


def kind_of(path):
    """What the file is, for its limit."""
    if path.startswith("tests/"):
        return "test"
    if path.startswith("include/"):
        return "public header"
    if path.startswith("bpf/") and not path.startswith("bpf/native/"):
        return "bpf header" if path.endswith(".h") else "bpf program"
    return "source"


def include_errors(path, bracket, target):
    """Yields what is wrong with `path` including `target`."""
    placed, ours = PLACED.match(path), OURS.match(target)
    layer = placed and placed.group(1)
    system = bracket == "<"
    if layer == "abi" and not ABI_IN_CPP.match(path):
        if target != "linux/types.h" and not (ours and ours.group(1) == "abi"):
            yield "abi/ includes only <linux/types.h> and abi/"
    elif layer in MAY_INCLUDE and ours:
        other = ours.group(1)
        if other != layer and other not in MAY_INCLUDE[layer]:
            yield f"{layer} is not above {other}"
    elif path.startswith("bpf/") and not system:
        allowed = ["bpf/lib/", "ciliumcore/abi/"]
        if path.startswith(("bpf/native/", "bpf/lib/cc.h")):
            allowed.append("bpf/native/")
        if path.startswith("bpf/native/"):
            allowed += ["absl/", "ciliumcore/base/"]
        if not target.startswith(tuple(allowed)):
            yield f"bpf/ includes only {', '.join(allowed)} and system headers"
    if path.startswith("include/") and target.startswith("bpf/"):
        yield "no libbpf and no bpf/ in a public header"
    if layer and layer not in ("datapath", "testing") and target.startswith("bpf/") \
            and not (layer in ("abi", "maps") and system):
        yield f"{layer} knows nothing of bpf/"
    if not system and not ours and target.startswith(".."):
        yield "includes are written from the root"


def is_kernel_side(path):
    """Whether the file comes under the kernel's licence pair."""
    return path.startswith(("bpf/", "include/ciliumcore/abi/")) and \
        not path.startswith("bpf/native/") and not ABI_IN_CPP.match(path)


def header_errors(path, text):
    """Yields what a header lacks: a comment at its top, and its guard."""
    first, _, rest = text.partition("\n")
    if not (rest if SPDX in first else text).lstrip().startswith(("//", "/*")):
        yield "no comment at the top: what is it?"
    inside = path[len("include/"):] if path.startswith("include/") else "ciliumcore/" + path
    inside = inside.replace("ciliumcore/bpf/lib/", "ciliumcore/bpf/")
    guard = re.sub(r"[^A-Z0-9]", "_", inside.upper()) + "_"
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        yield f"no header guard {guard}"


def errors_in(path, text):
    lines = text.splitlines()
    kind = kind_of(path)
    if len(lines) > MAX_LINES[kind]:
        yield 1, f"{len(lines)} lines; a {kind} has at most {MAX_LINES[kind]}"
    if is_kernel_side(path) and SPDX + KERNEL_SIDE not in text[:100]:
        yield 1, f"the first line says {SPDX}{KERNEL_SIDE}"
    if path.endswith(".h") and path.startswith(("include/", "bpf/", "lib/")):
        for error in header_errors(path, text):
            yield 1, error
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            for error in include_errors(path, *match.groups()):
                yield number, error


def files(root):
    for top in TOPS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith(SOURCES):
                    yield os.path.relpath(os.path.join(folder, name), root)


def main(argv):
    # Bazel runs a link to this file; behind it is the source tree.
    here = os.path.dirname(os.path.realpath(__file__))
    root = argv[1] if len(argv) > 1 else os.path.dirname(here)
    found = scanned = 0
    for path in sorted(files(root)):
        scanned += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for line, error in errors_in(path, file.read()):
                print(f"{path}:{line}: {error}")
                found += 1
    print(f"{scanned} files, {found} violations")
    return 1 if found or not scanned else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
