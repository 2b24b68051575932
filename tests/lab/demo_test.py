#!/usr/bin/python3
"""The demo, as `make demo` runs it: all of it holds, and nothing is left.

Usage: demo_test.py CCORE SHOP_DIRECTORY
"""

import os
import re
import subprocess
import sys

from lab_run import in_own_namespaces, places

CCORE, SHOP = sys.argv[1:3]
in_own_namespaces()
# Cgroups are everybody's.
NAME = f"demo-{os.stat('/proc/self/ns/pid').st_ino}"
done = subprocess.run(
    [CCORE, "lab", "demo", "-f", os.path.join(SHOP, "manifests"), "--name", NAME, "--src",
     "shop/web-0", "--dst", "shop/cart-0", "--dport", "7070/TCP", "--without",
     "shop/backends-from-web"],
    stdout=subprocess.PIPE, timeout=200, check=False)
text = done.stdout.decode()
print(text[-6000:])
left = places(NAME)
assert done.returncode == 0, done.returncode
assert text.count("They talk: 10 of 10") == 3
assert len(re.findall(r"^probes: \d+, agree: \d+, disagree: 0$", text, re.M)) == 2
assert re.search(r"^198\.51\.100\.10 -> shop/web-0 8080/TCP: no answer$", text, re.M)
assert re.search(r"^203\.0\.113\.10 -> shop/web-0 8080/TCP: connected$", text, re.M)
assert "and no rule allows this" in text and "allowed by NetworkPolicy" in text
assert not left, left
