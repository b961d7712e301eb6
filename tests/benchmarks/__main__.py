"""Measures taskq, its peers and the bare limits in one run: `python -m tests.benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.book import Book
from tests.benchmarks.machine import describe, versions_of
from tests.benchmarks.measures import backlog, concurrency, fairness, kinds, memory, promotion, pushing, rates, startup, waiting
from tests.benchmarks.measures.case import Plan
from tests.benchmarks.setup_peers import DEFAULT
from tests.benchmarks.sizes import FULL, QUICK
from tests.benchmarks.summary import summary
from tests.benchmarks.table import PEERS
from tests.support.processes import adopt_orphans

MEASURES = {
    "rates": (rates, "no-op jobs, beside the peers and the bare limits: pushed, worked off, started, idle"),
    "kinds": (kinds, "beside the peers: results, coroutines, failing and delayed jobs, bulk pushes, pushes from 100 tasks"),
    "pushing": (pushing, "push beside a loop of LPUSH; push_many"),
    "waiting": (waiting, "push to start on an idle worker, lateness of delayed jobs, idle processor time"),
    "backlog": (backlog, "the same rates with a thousand and a million messages behind"),
    "promotion": (promotion, "many messages due at the same moment"),
    "fairness": (fairness, "jobs of 20 ms on four processes; fast jobs beside a slow one"),
    "concurrency": (concurrency, "many jobs at once in one process: coroutines, threads, no-op coroutines"),
    "memory": (memory, "the memory of a child, and whether it grows"),
    "startup": (startup, "taskq --help, import taskq, the first job"),
}


def options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    names = "\n".join(f"  {name:10} {text}" for name, (_, text) in MEASURES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, epilog=f"measures:\n{names}", formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help="which; all when none is named")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round: shows that all works; figures for nobody")
    parser.add_argument("--rounds", type=int, help="how many; default 3, quick 1")
    parser.add_argument("--minutes", type=float, default=12, help="after that only the first round of what is left is run; default 12")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured; tests.benchmarks.report reads it")
    parser.add_argument("--peers", type=Path, default=DEFAULT, metavar="DIR", help=f"where setup_peers put them; default {DEFAULT}")
    parser.add_argument("--no-peers", action="store_true", help="taskq and the bare limits alone")
    found = parser.parse_args(arguments)
    if unknown := set(found.measures) - set(MEASURES):
        parser.error(f"no measure is named {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return found


def run(plan: Plan, name: str, rounds: int, book: Book) -> list[str]:
    """Run the cases of a measure round by round, every other round from the last to the first; return what went wrong."""
    failures = []
    with plan.stack:
        cases = MEASURES[name][0].cases(plan)
        for number in range(rounds):
            if number and time.monotonic() > plan.end:
                print(f"{name}: the time is over after {number} rounds", file=sys.stderr)
                break
            for case in reversed(cases) if number % 2 else cases:
                began, title = time.monotonic(), f"{name} {number + 1}/{rounds}: {case.name}"
                try:
                    case.run(book, number)
                except Exception:  # a peer that doesn't work today must not take the other figures with it
                    traceback.print_exc()
                    failures.append(title)
                print(f"{title} ({time.monotonic() - began:.1f} s)", file=sys.stderr, flush=True)
    return failures


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    choice = options(arguments)
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of all clean-ups
    missing = sorted({peer.home or peer.name for peer in PEERS if not peer.is_there(choice.peers)})
    names = choice.measures or list(MEASURES)
    if missing and not choice.no_peers and {"rates", "kinds"} & set(names):
        print(f"no {', '.join(missing)} in {choice.peers}: run python -m tests.benchmarks.setup_peers, or use --no-peers", file=sys.stderr)
        return 2
    sizes = QUICK if choice.quick else FULL
    rounds = choice.rounds or sizes.rounds
    facts, book, failures, began = describe(), Book(), list[str](), time.monotonic()
    for name in names:
        plan = Plan(sizes, None if choice.no_peers else choice.peers, ExitStack(), began + choice.minutes * 60)
        failures += run(plan, name, rounds, book)
    facts["command"] = " ".join(["python -m tests.benchmarks", *arguments])
    facts |= {"minutes": f"{(time.monotonic() - began) / 60:.1f}", "rounds": str(rounds), "size": "quick" if choice.quick else "full"}
    facts |= {name: f"{getattr(sizes, name):,}" for name in ("stock", "due", "flat")}
    print(summary(book))
    if choice.json:
        reported = {"facts": facts, "versions": versions_of(list(PEERS)), "failures": failures, "values": book.values}
        choice.json.write_text(json.dumps(reported, indent=1) + "\n")
    if failures:
        print("failed: " + "; ".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
