"""PowerShell as a tree: the files of configs/windows, through a real parser."""

import functools
import json
import os
import pathlib
import subprocess

import pytest

from node import BUILD

TREE = pathlib.Path(__file__).parents[2]
KIT = TREE / "configs" / "windows"
PARSE = TREE / "tests" / "powershell" / "parse.mjs"


class Node:
    """A piece of syntax: type, text, line, children. What only wraps one other is left out."""

    def __init__(self, plain, source, parent=None):
        self.type, self.start, self.end, children = unwrap(plain)
        self.source, self.parent = source, parent
        self.children = [Node(child, source, self) for child in children]

    @property
    def text(self):
        return self.source[self.start:self.end]

    @property
    def line(self):
        return self.source.count("\n", 0, self.start) + 1

    def named(self, *types):
        return [child for child in self.children if child.type in types]

    def first(self, *types):
        return next(iter(self.named(*types)), None)

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, *types):
        return [node for node in self.walk() if node.type in types]

    def above(self, *types):
        """The nearest ancestor of these types, or None."""
        node = self.parent
        while node and node.type not in types:
            node = node.parent
        return node

    def __repr__(self):
        return f"{self.type} {self.text[:60]!r}"


# One level of the grammar for each precedence: `$x` alone is fourteen nodes deep.
LEVELS = {f"{level}_expression" for level in (
    "logical", "bitwise", "comparison", "additive", "multiplicative", "format", "range",
    "array_literal", "unary", "argument", "left_assignment")} | {
    "pipeline", "pipeline_chain", "expression_with_unary_operator", "string_literal",
    "integer_literal"}


def unwrap(plain):
    plain[0] = plain[0].replace("_argument_expression", "_expression")
    if plain[0] in LEVELS and len(plain[3]) == 1 and plain[1:3] == plain[3][0][1:3]:
        return unwrap(plain[3][0])
    return plain


@functools.lru_cache(maxsize=None)
def parse(*paths):
    """Path to its tree."""
    modules = BUILD / "powershell"
    if not (modules / "ready").exists():
        reason = "no parser of PowerShell: `make integration` fetches it with npm"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    command = ["node", "--liftoff-only", PARSE, modules, *paths]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return {path: Node(json.loads(line), path.read_text(encoding="latin-1"))
            for path, line in zip(paths, lines.splitlines())}


def kit():
    return parse(*sorted(KIT.glob("*.ps*1")))
