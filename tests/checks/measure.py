"""Measures Python source: lines of a file and of a function, docstrings left out, and parameters that can be given by place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["FunctionSize", "file_lines", "functions"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class FunctionSize:
    """What one function measures."""

    name: str
    line: int
    lines: int
    positional: int


def file_lines(source: str) -> int:
    """Count all lines of a file."""
    return len(source.splitlines())


def functions(source: str) -> Iterator[FunctionSize]:
    """Measure every function and method, those inside others too."""
    tree = ast.parse(source)
    methods = {id(child) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            yield FunctionSize(node.name, node.lineno, _lines(node), _positional(node, method=id(node) in methods))


def _lines(node: FunctionNode) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def _positional(node: FunctionNode, *, method: bool) -> int:
    count = len(node.args.posonlyargs) + len(node.args.args)
    static = any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list)
    return count - 1 if method and not static else count
