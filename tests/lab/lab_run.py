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


def in_own_namespaces():
    """Goes on in a mount and a PID namespace of the test's own, where /run and bpffs
    are its own too, so that nothing of a lab that stays can outlive the test."""
    require_root()
    if os.environ.get("LAB_INSIDE") != "1":
        os.environ["LAB_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                              "--mount-proc", sys.executable, *sys.argv])
    for kind, where in ("tmpfs", "/run"), ("bpf", "/sys/fs/bpf"):
        subprocess.run(["mount", "-t", kind, kind, where], check=True)


def places(lab):
    """What there is of a lab that stays."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        groups = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    wanted = {"/run/netns": f"cclab.{lab}.", "/run/ciliumcore/lab": lab,
              "/sys/fs/bpf/ciliumcore": f"lab-{lab}"}
    wanted.update({group: f"ciliumcore-lab.{lab}" for group in groups[:1]})
    return [os.path.join(directory, name) for directory, prefix in wanted.items()
            if os.path.isdir(directory) for name in os.listdir(directory)
            if name.startswith(prefix)]
