#!/usr/bin/python3
"""Joins the results of several kernels into one table.

Usage: table.py FILE...     one per kernel, named after it; lines of
                            "object <tab> program <tab> result"
"""

import os
import sys


def main(paths):
    kernels = [os.path.basename(path) for path in paths]
    rows = {}
    for kernel, path in zip(kernels, paths):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.rstrip("\r\n").split("\t")
                if len(fields) == 3:
                    rows.setdefault(tuple(fields[:2]), {})[kernel] = fields[2]
    print(f"{'object':16} {'program':32}" + "".join(f"{k:>12}" for k in kernels))
    for (what, which), result in rows.items():
        cells = "".join(f"{result.get(k, '-'):>12}" for k in kernels)
        print(f"{what:16} {which:32}{cells}")


if __name__ == "__main__":
    main(sys.argv[1:])
