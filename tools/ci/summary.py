#!/usr/bin/python3
"""Counts the test cases of one `bazel test` run.

Usage: summary.py BUILD_EVENTS_JSON [--kernel TARGETS_FILE] [--fuzz RESULTS_FILE]

Prints each skipped and each failed case by name, then one line alone:
"N passed, N failed". Fails if a case failed, a target did not build, or
nothing ran. Each of the kernel targets listed must have run a case. Each line
"TARGET OUTCOME" of tools/ci/fuzz.sh is a case.
"""

import argparse
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def events(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def cases(xml_path):
    """Yields (name, outcome) of each case in a JUnit file, as gtest writes it."""
    for case in ElementTree.parse(xml_path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif (case.find("skipped") is not None
              or case.get("result") in ("skipped", "suppressed")
              or case.get("status") == "notrun"):
            yield name, "skipped"
        else:
            yield name, "passed"


def local_path(uri):
    return urllib.parse.unquote(urllib.parse.urlparse(uri).path)


def results(path):
    """Maps each test target, and each that failed to build, to [(case, outcome)]."""
    found = {}
    for event in events(path):
        label = event["id"].get("targetConfigured", {}).get("label")
        if label and "test rule" in event.get("configured", {}).get("targetKind", ""):
            found.setdefault(label, [])
        label = event["id"].get("targetCompleted", {}).get("label")
        if label and not event.get("completed", {}).get("success"):
            found.setdefault(label, [])
        if "testResult" not in event["id"] or "testResult" not in event:
            continue
        label = event["id"]["testResult"]["label"]
        result = event["testResult"]
        files = {f["name"]: f["uri"] for f in result.get("testActionOutput", [])}
        ran = []
        if "test.xml" in files:
            try:
                ran = list(cases(local_path(files["test.xml"])))
            except (ElementTree.ParseError, OSError):
                pass
        outcomes = {outcome for _, outcome in ran}
        if result["status"] not in ("PASSED", "FLAKY") and "failed" not in outcomes:
            ran.append((result["status"].lower(), "failed"))
        found.setdefault(label, []).extend(ran)
    return found


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("events")
    parser.add_argument("--kernel")
    parser.add_argument("--fuzz")
    options = parser.parse_args(argv[1:])
    found = results(options.events)
    must_run = open(options.kernel, encoding="utf-8").read().split() if options.kernel else []
    if options.fuzz:
        for line in open(options.fuzz, encoding="utf-8"):
            target, outcome = line.split()
            found.setdefault(target, []).append(("fuzzing", outcome))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for target, ran in sorted(found.items()):
        if not ran:
            ran = [("did not build or run", "failed")]
        elif target in must_run and all(o == "skipped" for _, o in ran):
            ran = ran + [("every case skipped, but this machine must run it", "failed")]
        for name, outcome in ran:
            count[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {target} {name}")
    if count["skipped"]:
        print(f"{count['skipped']} skipped")
    print(f"{count['passed']} passed, {count['failed']} failed")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
