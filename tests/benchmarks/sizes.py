"""How much is measured: a full run for the documentation, or a quick one that only shows that everything works."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts of jobs, and seconds."""

    rounds: int
    #: Of the no-op jobs in the table of contenders.
    share: float
    #: Pushed one by one, for the rate and the memory in the server.
    pushes: int
    #: … by taskq and the bare loop, in several pairs a round: their ratio is a budget.
    duel: int
    many: int
    notes: int
    idle: float
    #: Waiting or delayed behind what is measured.
    stock: int
    drained: int
    due: int
    naps: int
    flat: int


FULL = Sizes(
    rounds=3, share=1, pushes=2_000, duel=10_000, many=200_000, notes=60, idle=5,
    stock=1_000_000, drained=150_000, due=100_000, naps=1_000, flat=200_000,
)  # fmt: skip
QUICK = Sizes(
    rounds=1, share=0.1, pushes=500, duel=3_000, many=20_000, notes=15, idle=2,
    stock=50_000, drained=30_000, due=10_000, naps=200, flat=40_000,
)  # fmt: skip
