#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the library in known ways and demands that the tests here notice.

usage: mutants.py [NUMBER...]

Each mutant is one replacement in a copy of the committed tree. One that
survives is a hole in the tests (or no error at all, and then no mutant).
"""
import pathlib
import subprocess
import sys
import tempfile

TESTS = ["random", "datapath", "sequence"]

# Why it is wrong, file, what stands there, what it becomes.
MUTANTS = [
    ("a range ends a port early", "lib/policy/table_rows.cc",
     "bounds.push_back(range.last + 1);", "bounds.push_back(range.last);"),
    ("only one class tells intervals apart", "lib/policy/table_rows.cc",
     "std::any_of(order.begin(), order.end(), [&](uint32_t row)",
     "std::any_of(order.begin(), order.begin() + 1, [&](uint32_t row)"),
    ("a class knows only the last rule that made it", "lib/policy/table_builder.cc",
     "at = classes[at].parent", "at = 0"),
    ("a named port adds to no number", "lib/policy/rule_matcher.cc",
     "if (ranges == matched.ranges) ranges.clear();",
     "if (!matched.ranges.empty()) ranges.clear();"),
    ("an exception covers only itself", "lib/policy/covers.cc",
     "return hole.Contains(prefix);", "return hole == prefix;"),
    ("a namespace that nobody listed has no name", "lib/policy/term_index.cc",
     "ns.labels.Set(kNamespaceNameLabel, ns.name);",
     "if (!ns.labels.empty()) ns.labels.Set(kNamespaceNameLabel, ns.name);"),
    ("the selectors of two namespaces are one", "lib/policy/term_index.cc",
     'absl::StrAppend(&key, "in ", absl::StrJoin(term.names, " "));',
     'absl::StrAppend(&key, "in ");'),
    ("IPv4 lies inside of ::/0", "lib/datapath/publisher.cc",
     "places.SetPrefix(IpPrefix::Of(IpAddress::FromV4(0), 0), PlaceValue());", ""),
    ("an address keeps its identity", "lib/datapath/place_writer.cc",
     "if (value == entry.value) continue;",
     "if (value.where == entry.value.where) continue;"),
    ("the last port of a page is forgotten", "lib/datapath/table_writer.cc",
     "table.IntervalOf(first | 0xff)", "table.IntervalOf(first | 0xfe)"),
    ("subjects are not given back", "lib/datapath/endpoint_writer.cc",
     "subjects_.Retire(found->second.at, 1, epoch);", "(void)epoch;"),
    ("places are not given back", "lib/datapath/place_writer.cc",
     "places_.Retire(live->second.place, 1, next);", "(void)next;"),
    ("an undone change of an address stays", "lib/datapath/place_writer.cc",
     "__u64{CC_SWITCH(live.since, live.slot, live.slot)}",
     "__u64{CC_SWITCH(live.since, (live.slot + 1) % CC_PLACE_SLOTS, live.slot)}"),
    ("connections outlive their policy", "bpf/lib/conntrack.h",
     "((__u32)word >> CC_CT_EPOCH_SHIFT) == (epoch & CC_CT_EPOCH_MASK) &&",
     "((__u32)word >> CC_CT_EPOCH_SHIFT) <= (epoch & CC_CT_EPOCH_MASK) &&"),
    ("a reply is judged as a connection of its own", "bpf/lib/judge.h",
     "return flow->is_reply ? CC_INGRESS : CC_EGRESS;",
     "return flow->is_reply ? CC_EGRESS : CC_EGRESS;"),
    ("a reply is judged by its own port", "bpf/lib/packet.h",
     "bpf_ntohs(is_reply ? p->sport : p->dport)", "bpf_ntohs(p->dport)"),
    ("the receiver is not asked", "bpf/endpoint.bpf.c",
     "if (!reason && to) {", "if (!reason && to && flow.is_reply) {"),
    ("a port is in the interval before", "bpf/lib/policy.h",
     "__u64 below = (__u64)at - table->axis[i];",
     "__u64 below = (__u64)at - 1 - table->axis[i];"),
]


def tests_pass(tree):
    """Whether the tests pass in `tree`; if it does not build, the run ends."""
    targets = [f"//tests/oracle:{test}_test" for test in TESTS]
    bazel = ["bazel", "test", "--noshow_progress", "--test_output=summary",
             "--config=opt"]
    run = subprocess.run(bazel + targets, cwd=tree, capture_output=True, text=True)
    if run.returncode not in (0, 3):  # 3: built, and a test failed
        sys.exit(f"does not build:\n{run.stderr[-3000:]}")
    return run.returncode == 0


def survives(tree, file, old, new):
    """Whether the tests pass with `old` replaced."""
    path = tree / file
    source = path.read_text()
    if source.count(old) != 1:
        sys.exit(f"{file} has {source.count(old)} times: {old}")
    path.write_text(source.replace(old, new))
    passed = tests_pass(tree)
    path.write_text(source)
    return passed


def main():
    chosen = [int(word) for word in sys.argv[1:]] or range(len(MUTANTS))
    root = pathlib.Path(__file__).resolve().parents[2]
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        tree = pathlib.Path(scratch)
        archive = subprocess.Popen(["git", "archive", "HEAD"], cwd=root,
                                   stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x"], cwd=tree, stdin=archive.stdout, check=True)
        if not tests_pass(tree):
            sys.exit("the tests fail without any mutant")
        for number in chosen:
            why, file, old, new = MUTANTS[number]
            alive = survives(tree, file, old, new)
            survivors += alive
            print(f"{number:3} {'SURVIVES' if alive else 'killed':8} {why} ({file})",
                  flush=True)
        subprocess.run(["bazel", "clean", "--expunge"], cwd=tree, capture_output=True)
    print(f"{len(chosen) - survivors} killed, {survivors} survive")
    return survivors != 0


if __name__ == "__main__":
    sys.exit(main())
