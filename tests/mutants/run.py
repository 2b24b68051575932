#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the code in known ways, one at a time, and demands that a test fails.

Each mutant of programs.py, sockets.py and compiler.py is compiled alone and linked with the
native tests in place of the original. Prints `mutant | killed by`; fails if one
survives, does not compile, or has lost its place in the source, and if the tests
fail without a mutant too.

  run.py [--sample N] [--only TEXT] [--jobs N] --GROUP FILE...

Among the files are archives of the group's tests and of what they need, built by
Bazel; see BUILD.bazel. --sample runs every N-th mutant.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/mutants"))

from compiler import COMPILER  # noqa: E402
from programs import PROGRAMS  # noqa: E402
from sockets import SOCKETS  # noqa: E402

# The program file that holds a group's mutants, through its headers.
UNITS = {"programs": "bpf/endpoint.bpf.c", "sockets": "bpf/sock.bpf.c"}
TIMEOUT = 120  # seconds for the tests of one mutant
# The tests that are to fail are not those whose result this program's caller reads.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "XML_OUTPUT_FILE"}
ABSL = re.compile(r"lib(absl_\w+)\.a$")

Mutant = collections.namedtuple("Mutant", "group file old new breach")
Outcome = collections.namedtuple("Outcome", "killed_by problem")


def mutants():
    for group, entries in (("programs", PROGRAMS), ("sockets", SOCKETS), ("compiler", COMPILER)):
        for entry in entries:
            yield Mutant(group, *entry)


def control_of(group):
    """A mutant that changes nothing."""
    _, file, old, _, _ = next(m for m in mutants() if m.group == group)
    return Mutant(group, file, old, old, "nothing")


def libraries():
    """What the tests link of the system."""
    found = subprocess.run(["gcc", "-print-file-name=libabsl_base.a"], check=True,
                           capture_output=True, text=True).stdout.strip()
    names = sorted(ABSL.match(name).group(1)
                   for name in os.listdir(os.path.dirname(found)) if ABSL.match(name))
    return (["-lgtest_main", "-lgtest", "-Wl,--start-group"] + [f"-l{n}" for n in names] +
            ["-Wl,--end-group", "-lyaml", "-lbpf", "-lelf", "-lz", "-lpthread"])


def compile_command(mutant, tree, to):
    """Compiles the one unit that holds the mutant. Its tree comes first."""
    includes = ["-I", tree, "-I", os.path.join(tree, "include"),
                "-I", ROOT, "-I", os.path.join(ROOT, "include")]
    if mutant.group in UNITS:
        return ["gcc", "-std=gnu11", "-O1", "-w", "-fno-strict-aliasing", "-DCC_NATIVE",
                *includes, "-c", os.path.join(tree, UNITS[mutant.group]), "-o", to]
    return ["g++", "-std=c++20", "-O0", "-w", *includes, "-c", os.path.join(tree, mutant.file),
            "-o", to]


def mutate(mutant, tree):
    """Copies what the mutant's unit includes by its own directory, and breaks it."""
    tops = {os.path.dirname(mutant.file)}
    if mutant.group in UNITS:
        tops = {"bpf", mutant.file.split("/")[0]}
    for top in tops:
        shutil.copytree(os.path.join(ROOT, top), os.path.join(tree, top))
    path = os.path.join(tree, mutant.file)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(mutant.old) != 1:
        return f"its text stands {text.count(mutant.old)} times in the file"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(mutant.old, mutant.new))
    return None


def run(mutant, archives):
    with tempfile.TemporaryDirectory(prefix="mutant") as tree:
        problem = mutate(mutant, tree)
        if problem:
            return Outcome(None, problem)
        unit, binary = os.path.join(tree, "mutant.o"), os.path.join(tree, "tests")
        done = subprocess.run(compile_command(mutant, tree, unit), capture_output=True, text=True)
        if done.returncode != 0:
            return Outcome(None, "does not compile: " + done.stderr[:500])
        whole = [a for a in archives if a.endswith(".lo")]
        rest = [a for a in archives if a.endswith(".a")]
        done = subprocess.run(
            ["clang++-19", "-fuse-ld=lld", "-o", binary, unit, "-Wl,--whole-archive", *whole, "-Wl,--no-whole-archive",
             "-Wl,--start-group", *rest, "-Wl,--end-group", *libraries()],
            capture_output=True, text=True)
        if done.returncode != 0:
            return Outcome(None, "does not link: " + done.stderr[-500:])
        try:
            tests = subprocess.run([binary, "--gtest_fail_fast", "--gtest_brief=1"],
                                   capture_output=True, text=True, timeout=TIMEOUT,
                                   env=ENVIRONMENT)
        except subprocess.TimeoutExpired:
            return Outcome("a test that did not end", None)
        if tests.returncode == 0:
            return Outcome(None, None)
        failed = re.search(r"\[  FAILED  \] (\S+?),? ", tests.stdout + " ")
        return Outcome(failed.group(1) if failed else f"exit {tests.returncode}", None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--programs", nargs="+", default=[])
    parser.add_argument("--sockets", nargs="+", default=[])
    parser.add_argument("--compiler", nargs="+", default=[])
    args = parser.parse_args()

    chosen = [m for m in list(mutants())[::args.sample]
              if getattr(args, m.group) and args.only in " ".join(m[1:])]
    started = time.monotonic()
    for group in sorted({m.group for m in chosen}):
        control = run(control_of(group), getattr(args, group))
        if control.killed_by or control.problem:
            print(f"without a mutant, the tests of the {group} fail: "
                  f"{control.killed_by or control.problem}")
            return 1
    alive = 0
    print("| mutant | killed by |\n|---|---|")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        outcomes = pool.map(lambda mutant: run(mutant, getattr(args, mutant.group)), chosen)
        for mutant, outcome in zip(chosen, outcomes):
            alive += outcome.killed_by is None
            print(f"| {mutant.file}: {mutant.breach} | "
                  f"{outcome.killed_by or '**' + (outcome.problem or 'nothing') + '**'} |",
                  flush=True)
            if outcome.killed_by is None:
                print(f"    {mutant.old}\n    {mutant.new}")
    print(f"{len(chosen)} mutants, {len(chosen) - alive} killed, "
          f"{time.monotonic() - started:.0f} s")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
