#!/usr/bin/python3
"""Checks that the tests which docs/policy_semantics.md names exist.

A test is `Suite.Name`, or `Name` in a section that says "Of `Suite`". In a section that
says "Sentences of `FILE`", the items are exactly the sentences of that file, in their
order. Reports whatever is not so, then fails.

Usage: docs_test.py [ROOT]     by default the tree that this file is in
"""

import pathlib
import re
import sys

TEST = re.compile(r"^TEST(?:_[FP])?\((\w+),\s+(\w+)\)", re.MULTILINE)
NAME = re.compile(r"`(?:(\w+Test)\.)?([A-Z]\w+)`")
SENTENCES = re.compile(r"^Sentences of `([\w/]+\.h)`", re.MULTILINE)
ITEM = re.compile(r"^- (.+)$", re.MULTILINE)
CASE = re.compile(r'^      (?:\{|\w+\()"([^"]+)",', re.MULTILINE)
SUITE = re.compile(r"\bOf `(\w+Test)`")
# What is in backquotes and no test.
OTHER = {"NotIn", "DoesNotExist", "NetworkPolicy"}


def sentences(path):
    text = re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
    return CASE.findall(text)


def differences(listed, said):
    """How the sentences of the document differ from those of a file."""
    counts = [f"{sentence}: {said.count(sentence)} times there, "
              f"{listed.count(sentence)} times in the document"
              for sentence in dict.fromkeys(listed + said)
              if listed.count(sentence) != said.count(sentence)]
    if counts:
        return counts
    return [f"{here}: stands in the document where there is: {there}"
            for here, there in zip(listed, said) if here != there][:1]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[1])
    tests = set()
    for path in sorted(root.glob("tests/policy/*_test.cc")):
        tests.update(TEST.findall(path.read_text(encoding="utf-8")))
    text = (root / "docs/policy_semantics.md").read_text(encoding="utf-8")
    wrong, found = [], 0
    for section in text.split("\n## "):
        of = SUITE.search(section)
        for suite, name in NAME.findall(section):
            if not suite and (name in OTHER or name.endswith("Test")):
                continue
            found += 1
            if (suite or (of and of.group(1)), name) not in tests:
                wrong.append(f"{section.splitlines()[0]}: no test {suite}.{name}")
    for section in re.split(r"\n##+ ", text):
        for file in SENTENCES.findall(section):
            listed, said = ITEM.findall(section), sentences(root / file)
            found += len(said)
            wrong += [f"{file}: {what}" for what in differences(listed, said)]
            if not said:
                wrong.append(f"{file}: no sentences")
    if not tests or not found:
        wrong.append("no tests, or no names of tests, were found")
    print("\n".join(wrong) or f"{found} names of tests and sentences, all of which exist")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
