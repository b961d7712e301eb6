"""Finds the texts of the project with their places: prose of Markdown pages, strings, docstrings, comments and names of the code."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Hit", "Text", "long_paragraphs", "long_sentences", "names", "texts"]

ROOT = Path(__file__).resolve().parents[2]

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PARAGRAPH_WORDS = 85
BANNED = frozenset(
    re.findall(
        r"\w+",
        "tell tells told say said says hear heard bury burial ghost ghosts crew staff till ear bell estate nursery crowd solo vigil"
        " doubt desk owes employ succession waiter sleeper surroundings",
    )
)
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_GENERATED = re.compile(r"^<!-- generated: ([^>]*) -->$.*?^<!-- end of \1 -->$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})")
#: A full stop ends a sentence where a new one begins; one in `e.g.`, in a figure or in a name of a file does not.
_END = re.compile(r"(?<=[.!?:])[\"')*_]*\s+(?=[\"'(*_`\[]*[A-Z0-9`])")


class Text(NamedTuple):
    """A piece of text and the place where it begins."""

    path: str
    line: int
    text: str


class Hit(NamedTuple):
    """A place that breaks a rule."""

    path: str
    line: int
    text: str


@cache
def texts(scope: str, root: Path = ROOT) -> tuple[Text, ...]:
    """Return the texts of a scope: docs, strings, doc or comm."""
    return tuple(_read(scope, root))


def _read(scope: str, root: Path) -> Iterator[Text]:
    if scope == "docs":
        for path in [*(root / name for name in PAGES), *sorted((root / "docs").rglob("*.md"))]:
            if path.is_file():
                yield Text(str(path.relative_to(root)), 1, prose(path.read_text(encoding="utf-8")))
        return
    for path in sorted((root / "taskq").rglob("*.py")):
        source, where = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        yield from _comments(source, where) if scope == "comm" else _literals(source, where, docstrings=scope == "doc")
    if scope == "comm":
        yield from _lua(root)


def prose(page: str) -> str:
    """Return a Markdown page without its code blocks, comments and generated parts (their sources count), each line in its place."""
    page = _GENERATED.sub(lambda match: "\n" * match[0].count("\n"), page)
    lines, fence = [], ""
    for line in page.split("\n"):
        mark = _FENCE.match(line)
        if mark and mark[1][0] == ":":
            lines.append("")
        elif mark and not fence:
            fence = mark[1]
            lines.append("")
        elif fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            lines.append("")
        else:
            lines.append("" if line.startswith("%") else line)
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), "\n".join(lines), flags=re.DOTALL)


def _literals(source: str, where: str, *, docstrings: bool) -> Iterator[Text]:
    tree = ast.parse(source)
    found = {id(node.value): node.value for node in _docstrings(tree)}
    if docstrings:
        yield from (Text(where, node.lineno, str(node.value)) for node in found.values())
        return
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in found or id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(where, node.lineno, node.value)
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            if " " in text:
                yield Text(where, node.lineno, text)


def _docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                yield first


def _comments(source: str, where: str) -> Iterator[Text]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(where, token.start[0], token.string)


def _lua(root: Path) -> Iterator[Text]:
    for path in sorted((root / "taskq").rglob("*.lua")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            mark = line.find("--")
            if mark >= 0:
                yield Text(str(path.relative_to(root)), number, line[mark:])


def names(root: Path = ROOT) -> Iterator[Hit]:
    """Yield each use of a name of which a part is a banned word, and each file of such a name."""
    for path in sorted((root / "taskq").rglob("*.py")):
        where = str(path.relative_to(root))
        if banned(path.stem):
            yield Hit(where, 1, path.stem)
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string) and banned(token.string):
                yield Hit(where, token.start[0], token.string)


def banned(name: str) -> bool:
    """Return True if a part of the name, split at underscores and capitals, is a banned word."""
    return any(piece.lower() in BANNED for piece in _PIECE.findall(name))


def blocks(text: Text) -> Iterator[Text]:
    """Yield the paragraphs, list items, headings and table cells of a page."""
    held: list[str] = []
    begin = 0
    for number, line in enumerate(text.text.split("\n"), text.line):
        bare = line.strip()
        starts = re.match(r"([-*+]|\d+\.|#+|\[\^[^\]]+\]:|>)\s", bare)
        if (not bare or starts or bare.startswith("|")) and held:
            yield Text(text.path, begin, " ".join(held))
            held = []
        if bare.startswith("|"):
            yield from (Text(text.path, number, cell.strip()) for cell in bare.split("|") if re.search(r"\w", cell))
        elif bare:
            begin = begin if held else number
            held.append(re.sub(r"^([-*+]|\d+\.|#+|\[\^[^\]]+\]:|>)\s+", "", bare))
    if held:
        yield Text(text.path, begin, " ".join(held))


def _plain(text: str) -> str:
    text = re.sub(r"`[^`]+`", "Code", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def long_sentences(text: Text, *, over: int) -> Iterator[Hit]:
    """Yield the sentences of a page that have more words than that."""
    for block in blocks(text):
        for sentence in _END.split(_plain(block.text)):
            words = len(re.findall(r"[\w'][\w'./-]*", sentence))
            if words > over:
                yield Hit(block.path, block.line, f"{words} words: {sentence[:160]}")


def long_paragraphs(text: Text) -> Iterator[Hit]:
    """Yield the paragraphs of a page that have too many words."""
    for block in blocks(text):
        words = len(re.findall(r"[\w'][\w'./-]*", _plain(block.text)))
        if words > PARAGRAPH_WORDS:
            yield Hit(block.path, block.line, f"{words} words: {block.text[:120]}")
