"""The words of a channel: names, keys and the table of moves."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.channel import MOVES, STATES, Keys, State, check_channel_name
from taskq.errors import ConfigError

ALPHABET = "abcXYZ019_-."


@pytest.mark.parametrize("name", ["default", "a", "0", "mail-2", "shop.orders_eu", "x" * 64])
def test_a_good_name_is_returned(name: str) -> None:
    """Given letters, digits, '_', '-' and '.', then the name is taken as it is."""
    assert check_channel_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "{a}", "a:b", "-a", ".a", "_a", "a\n", "a\x00", "é", "x" * 65, "a*", "a/b", None, 5, b"a", ["a"], True]
)
def test_a_bad_name_is_refused_with_the_rule(name: object) -> None:
    """Given a name that would break a key or a shell, then the error shows it and describes valid names."""
    with pytest.raises(ConfigError, match="1 to 64 letters"):
        check_channel_name(name)


@given(st.text(ALPHABET, min_size=1, max_size=64).filter(lambda text: text[0] not in "_-."))
def test_every_key_of_a_channel_lies_in_one_slot(name: str) -> None:
    """Given any good name, then all keys hold the same hash tag, and no two are equal."""
    keys = Keys(check_channel_name(name))
    all_keys = [getattr(keys, slot) for slot in ("waiting", "delayed", "failed", "timeout", "parked", "workers", "wake", "nothing")]
    all_keys += [keys.reserved("w1"), keys.worker("w1"), keys.once("id"), keys.reserved("w2")]
    assert len(set(all_keys)) == len(all_keys)
    # The tag is what stands between the first { and the next }.
    assert {re.match(r"[^{]*\{([^}]*)\}", key).group(1) for key in all_keys} == {name}  # type: ignore[union-attr]


def test_a_state_names_its_key() -> None:
    """Given a state with one key for all, then `of` is that key; reserved has one for each worker."""
    keys = Keys("queue")
    assert keys.of(State.WAITING) == keys.waiting == "{queue}:waiting"
    assert keys.of(State.PARKED) == keys.parked
    with pytest.raises(ValueError, match="separate reserved list"):
        keys.of(State.RESERVED)


def test_every_state_can_be_entered_and_left() -> None:
    """Given the table of moves, then no state is a trap and none is out of reach."""
    for state in STATES:
        assert any(state in move.targets for move in MOVES), f"no move enters {state}"
        assert any(state in move.sources for move in MOVES), f"no move leaves {state}"


def test_moves_have_one_name_each() -> None:
    """Given the table of moves, then each move has a unique name, and the programs that make it."""
    names = [move.name for move in MOVES]
    assert len(set(names)) == len(names)
    assert all(move.who and move.sources and move.targets for move in MOVES)
