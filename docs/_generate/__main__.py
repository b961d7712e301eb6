"""The command `python -m docs._generate`."""

from __future__ import annotations

import argparse
import sys

from docs._generate.pages import outdated, write


def main(arguments: list[str]) -> int:
    """Write the generated parts, or list those that are out of date. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs._generate", description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="only list the files that are out of date")
    if not parser.parse_args(arguments).check:
        print("\n".join(f"wrote {name}" for name in write()) or "everything is up to date")
        return 0
    names = list(outdated())
    print("\n".join(f"{name} is out of date: run python -m docs._generate" for name in names) or "everything is up to date")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
