#!/usr/bin/python3
"""ccore policy verify: a kept lab's maps against its manifests and against others,
and with a verdict turned around.

Usage: verify_test.py CCORE MANIFEST...
"""

import json
import os
import subprocess
import sys
import tempfile

from lab_run import in_own_namespaces, places

LAB = f"verify-{os.stat('/proc/self/ns/pid').st_ino}"  # cgroups are everybody's
CIDRS = ["10.244.0.0/16", "fd00:10:244::/64"]  # of labs


def run(*arguments):
    done = subprocess.run([CCORE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lab(*arguments):
    code, out, err = run("lab", *arguments, "--name", LAB)
    assert code == 0, (arguments, code, out, err)


def verify(manifest, *options):
    """The exit code and what was printed, as JSON."""
    code, out, err = run("policy", "verify", "-f", manifest, "--pod-cidr", *CIDRS, "--instance",
                         f"lab-{LAB}", "--netns", f"/run/netns/cclab.{LAB}.node", "-o", "json",
                         *options)
    print(err, end="")
    return code, json.loads(out) if out else err


def check(manifest):
    lab("run", "-f", manifest, "--keep", "--for", "0.1")
    code, report = verify(manifest)
    assert code == 0 and report["equal"], report
    assert "other_rules" not in report, report
    assert report["compared"]["endpoints"] > 1, report
    print(manifest, report["compared"])
    # Without policies everybody may.
    text = ""
    for path in [os.path.join(manifest, name) for name in sorted(os.listdir(manifest))]:
        with open(path, encoding="utf-8") as file:
            text += "---\n" + file.read()
    parts = [part for part in text.split("\n---") if "Policy\n" not in part]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("\n---".join(parts))
        file.flush()
        code, report = verify(file.name)
    assert code == 1 and not report["equal"], report
    example = report["counter_example"]
    assert example["kind"] in ("verdict", "address"), example
    assert example["wanted"].startswith("allow: "), example
    assert sum(step.get("is_wrong", False) for step in example["steps"]) == 1, example
    lab("stop")


def check_fault(manifest):
    lab("run", "-f", manifest, "--keep", "--plant-fault", "--for", "0.1")
    code, report = verify(manifest)
    assert code == 1, report
    example = report["counter_example"]
    wrong = [step for step in example["steps"] if step.get("is_wrong")]
    assert example["kind"] == "verdict" and wrong[0]["map"] == "cc_cells", example
    code, out, err = run("policy", "verify", "-f", manifest, "--pod-cidr", *CIDRS, "--instance",
                         f"lab-{LAB}", "--netns", f"/run/netns/cclab.{LAB}.node")
    assert code == 1 and "do not judge as the policy does" in out, (out, err)
    assert "! cc_cells, " in out, out
    lab("stop")


def check_bad_input(manifest):
    code, problem = verify(manifest)
    assert code == 2 and f"instance lab-{LAB}: nothing is pinned" in problem, problem


CCORE, *MANIFESTS = sys.argv[1:]
in_own_namespaces()
try:
    check_bad_input(MANIFESTS[0])
    for each in MANIFESTS:
        check(each)
    check_fault(MANIFESTS[0])
finally:
    if places(LAB):
        lab("stop")
