"""A scenario: everything that a seed decides beforehand, as data. A scenario with fewer faults or messages can be run again."""

from __future__ import annotations

from random import Random

import msgspec

from taskq.tools.simulation.faults import Fault, choose
from taskq.tools.simulation.ledger import Step

__all__ = ["Act", "HostPlan", "MessagePlan", "Scenario", "scenario_of"]


class MessagePlan(msgspec.Struct, frozen=True):
    """One message: when it is pushed, and what its runs do."""

    number: int
    at: float
    steps: tuple[Step, ...]
    delay: float
    result_ttl: float
    is_idempotent: bool
    #: How long its on_fail takes.
    on_fail: float

    def __str__(self) -> str:
        steps = ", then ".join(f"{step.outcome} after {step.seconds:g} s" for step in self.steps)
        how = [f"delay {self.delay:g} s"] * bool(self.delay) + [f"result_ttl {self.result_ttl:g} s"] * bool(self.result_ttl)
        how += [f"on_fail takes {self.on_fail:g} s"] * bool(self.on_fail)
        return f"message #{self.number} at {self.at:g} s: {', '.join([*how, steps])}"


class HostPlan(msgspec.Struct, frozen=True):
    """One machine."""

    processes: int
    lease: float
    concurrency: int = 1


class Act(msgspec.Struct, frozen=True):
    """An action of a user on a message: cancel, kill (cancel with kill=True), withdraw or reload."""

    kind: str
    number: int
    #: Seconds after the beginning, or after the start of the message's run of this number (1 is the first).
    at: float
    run: int = 0

    def __str__(self) -> str:
        when = f"{self.at:g} s after the start of run {self.run}" if self.run else f"at {self.at:g} s"
        return f"user: {self.kind} message #{self.number} {when}"


class Scenario(msgspec.Struct, frozen=True):
    """The plan of one run."""

    seed: int
    hosts: tuple[HostPlan, ...]
    messages: tuple[MessagePlan, ...]
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]
    handle_timeout: float
    max_attempts: int
    #: Workers of a lost machine whose leases are long: they are there from the start, and stay.
    lost_workers: int
    #: Virtual seconds before the first push: only a supervisor that has run for a lease rescues.
    quiet: float

    def lines(self) -> list[str]:
        """Return the scenario in words."""
        found = [
            f"machine host{n}: {host.processes} processes of {host.concurrency} jobs, lease {host.lease:g} s"
            for n, host in enumerate(self.hosts)
        ]
        if self.lost_workers:
            found.append(f"{self.lost_workers} workers of a lost machine, with a lease of a day")
        found.append(f"users begin after {self.quiet:g} s")
        limit = f", handle_timeout {self.handle_timeout:g} s" if self.handle_timeout else ""
        found.append(f"max_attempts {self.max_attempts}{limit}")
        found += [str(message) for message in self.messages]
        found += [str(act) for act in self.acts]
        return found + [f"fault: {one}" for one in self.faults]


def scenario_of(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    random = Random(f"scenario {seed}")
    lease = random.choice((15.0, 15.0, 4.0))
    hosts = tuple(
        HostPlan(random.choice((1, 1, 2)), random.choice((lease, lease, 15.0)), random.choice((1, 1, 1, 2, 4)))
        for _ in range(random.choice((1, 2, 2)))
    )
    timeout = random.choice((0.0, 0.0, 10.0))
    many = random.random() < 0.2
    count = random.randint(10, 30) if many else random.randint(1, 6)
    messages = tuple(_message(random, number, timeout, many=many) for number in range(count))
    acts = tuple(one for _ in range(random.choice((0, 0, 1, 1, 2))) for one in _acts(random, random.choice(messages)))
    lost_workers = random.choice((0, 0, 0, 0, 0, 3, 120)) if random.random() < 0.5 else 0
    quiet = random.choice((0.3, 0.3, lease + 5.0))
    return Scenario(seed, hosts, messages, acts, choose(random), timeout, random.choice((1, 2, 3, 3)), lost_workers, quiet)


def _message(random: Random, number: int, timeout: float, *, many: bool) -> MessagePlan:
    outcomes = ["ok"] * 5 + ["raise"] * 4 + ["requeue"] * 2 + ["retry", "drop"] + (["hang"] if timeout else [])
    steps = tuple(Step(_seconds(random, many=many), random.choice(outcomes)) for _ in range(random.randint(1, 3)))
    at = random.choice((0.0, 0.0, random.uniform(0.0, 10.0)))
    delay = random.choice((0.0, 0.0, 0.0, random.uniform(0.01, 5.0)))
    on_fail = random.choice((0.0, 0.0, round(random.uniform(0.0, 2.0), 3)))
    return MessagePlan(number, round(at, 3), steps, round(delay, 3), random.choice((0.0, 0.0, 60.0)), random.random() < 0.4, on_fail)


def _seconds(random: Random, *, many: bool) -> float:
    if many and random.random() < 0.8:
        return 0.0
    longer = random.uniform(0.5, 30.0)
    return round(random.choice((0.0, 0.0, random.uniform(0.0, 0.02), random.uniform(0.02, 0.5), longer, longer)), 4)


def _acts(random: Random, message: MessagePlan) -> list[Act]:
    """Choose what users do with one message: at any moment, or around the beginning or the end of a run of it."""
    kind = random.choice(("cancel", "cancel", "kill", "withdraw", "reload"))
    if random.random() < 0.4:
        acts = [Act(kind, message.number, round(random.uniform(0.0, 20.0), 3))]
    else:
        run = random.randint(1, len(message.steps))
        at = random.choice((0.0, message.steps[run - 1].seconds, random.uniform(0.0, message.steps[run - 1].seconds)))
        acts = [Act(kind, message.number, round(max(0.0, at + random.uniform(-0.01, 0.005)), 4), run)]
    if kind != "reload" and random.random() < 0.6:
        acts.append(Act("reload", message.number, 0.0))
    return acts
