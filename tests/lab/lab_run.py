"""Runs a lab and probes it, for tests that say by hand what should arrive."""

import json
import os
import subprocess
import sys


def require_root():
    """Ends the test, as skipped, without root."""
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "the lab needs root"
        print("skipped: the lab needs root")
        sys.exit(0)


def probe(ccore, manifest, *options):
    """What `ccore lab run --probe` says, all of which agrees with the compiler, and
    its notes, whole lines."""
    require_root()
    done = subprocess.run(
        [ccore, "lab", "run", "-f", manifest, "--probe", "-o", "json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    notes = done.stderr.decode()
    print(notes)
    assert done.returncode == 0, (done.returncode, done.stdout.decode()[-2000:])
    result = json.loads(done.stdout)
    assert result["disagree"] == 0, result["disagree"]
    return result, notes.splitlines()
