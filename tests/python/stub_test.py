# SPDX-License-Identifier: Apache-2.0
"""The stub says what the module has: names, and names of parameters."""

import ast
import os
import re

import ciliumcore as cc
from ciliumcore import _ciliumcore as module

STUB = os.path.join(os.path.dirname(cc.__file__), "_ciliumcore.pyi")


def bound_parameters(function):
    line = function.__doc__.splitlines()[0]
    names = re.findall(r"[(,] ?(\w+): ", line[:line.rindex(" -> ")])
    return [name for name in names if name not in ("self", "arg0")]


def stub_parameters(node):
    return [arg.arg for arg in node.args.args + node.args.kwonlyargs if arg.arg != "self"]


def test_the_stub_is_of_the_module():
    with open(STUB, encoding="utf-8") as file:
        body = ast.parse(file.read()).body
    nodes = {n.name: n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    assert set(nodes) == {n for n in vars(module) if not n.startswith("_")} == set(cc.__all__)
    for name, node in nodes.items():
        if isinstance(node, ast.FunctionDef):
            assert stub_parameters(node) == bound_parameters(getattr(module, name)), name
        elif name != "StatusError":
            bound = vars(getattr(module, name))
            said = {n.name: n for n in node.body}
            public = {n for n in bound if not n.startswith("_")}
            assert {n for n in said if not n.startswith("_")} == public, name
            assert set(said) <= set(bound), name
            for member in public:
                is_property = isinstance(bound[member], property)
                marked = [ast.unparse(d) for d in said[member].decorator_list]
                assert ("property" in marked) == is_property, (name, member)
                if not is_property:
                    function = getattr(getattr(module, name), member)
                    assert stub_parameters(said[member]) == bound_parameters(function), (
                        name, member)
