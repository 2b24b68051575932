#!/usr/bin/python3
"""Runs `ccore` as scenarios say and compares what it prints.

Usage: golden_test.py [--update] CCORE SCENARIO...

A scenario is a text of commands, each followed by what it prints, and of files:

    # A comment.
    $ ccore policy matrix -f shop.yaml
    standard output, line by line
    ! a line of standard error
    => 1            the exit code, unless it is 0

    -- shop.yaml --
    kind: NetworkPolicy

Commands run in a directory that holds the files, and `examples`, a link to those
of the source tree. A blank line ends an output; one in it is written as a lone dot.
--update writes what is printed now into the scenarios: read the difference.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import quoteattr

FILE = re.compile(r"^-- (\S+) --$")


def split(text):
    """Returns the script's lines and {file: content} of a scenario."""
    script, files, current = [], {}, None
    for line in text.splitlines(keepends=True):
        header = FILE.match(line.rstrip("\n"))
        if header:
            current = files.setdefault(header.group(1), [])
        elif current is None:
            script.append(line.rstrip("\n"))
        else:
            current.append(line)
    return script, {name: "".join(lines) for name, lines in files.items()}


def run(command, ccore, directory):
    """Returns the lines that a command of the script should be followed by."""
    words = shlex.split(command)
    if words[0] != "ccore":
        sys.exit(f"not a command of this test: {command}")
    done = subprocess.run([ccore, *words[1:]], cwd=directory, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    # A blank line would end the output when read again.
    lines = [line or "." for line in done.stdout.splitlines()]
    lines += ["! " + line for line in done.stderr.splitlines()]
    if done.returncode != 0:
        lines.append(f"=> {done.returncode}")
    return lines


def replay(path, ccore):
    """Returns the scenario's text as it would be if all its output were right."""
    text = path.read_text(encoding="utf-8")
    script, files = split(text)
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            target = pathlib.Path(directory, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
        os.symlink(os.path.abspath("examples"), os.path.join(directory, "examples"))
        actual, in_output = [], False
        for line in script:
            if line.startswith("$ "):
                actual += [line, *run(line[2:], ccore, directory)]
                in_output = True
            elif not line.strip():
                actual.append(line)
                in_output = False
            elif not in_output:
                actual.append(line)
    body = "\n".join(actual) + "\n"
    for name, content in files.items():
        body += f"-- {name} --\n{content}"
    return text, body


def difference(expected, actual):
    with tempfile.TemporaryDirectory() as directory:
        for name, text in (("expected", expected), ("actual", actual)):
            pathlib.Path(directory, name).write_text(text, encoding="utf-8")
        return subprocess.run(["diff", "-u", "expected", "actual"], cwd=directory,
                              text=True, capture_output=True, check=False).stdout


def main():
    arguments = sys.argv[1:]
    update = arguments[:1] == ["--update"]
    ccore, *scenarios = arguments[1:] if update else arguments
    ccore = os.path.abspath(ccore)
    if not scenarios:
        sys.exit(__doc__)
    cases, failed = [], False
    for scenario in map(pathlib.Path, scenarios):
        start = time.monotonic()
        expected, actual = replay(scenario, ccore)
        if update:
            scenario.write_text(actual, encoding="utf-8")
            continue
        wrong = expected != actual
        failed |= wrong
        if wrong:
            print(f"{scenario}:\n{difference(expected, actual)}")
        cases.append((scenario.stem, time.monotonic() - start, wrong))
    if "XML_OUTPUT_FILE" in os.environ:
        with open(os.environ["XML_OUTPUT_FILE"], "w", encoding="utf-8") as out:
            out.write("<testsuites><testsuite name=\"golden\">\n")
            for name, seconds, wrong in cases:
                out.write(f"<testcase classname=\"golden\" name={quoteattr(name)} "
                          f"time=\"{seconds:.3f}\">{'<failure/>' if wrong else ''}</testcase>\n")
            out.write("</testsuite></testsuites>\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
