"""The services of a channel, and the replacement of its children in a rolling restart."""

from __future__ import annotations

import pytest

from taskq.scoreboard.state import Phase
from taskq.supervisor.duties import Duties
from tests.supervisor.conftest import Channel

NEW = 1
#: No process has this id.
NOBODY = 2**31 - 1


@pytest.fixture
def duties(place: Channel) -> Duties:
    """A channel with thirty children of an old zygote."""
    place.channel.wanted = 30
    for number in range(30):
        place.child(f"old{number}").pid = NOBODY
    return Duties(place.channel, "box", lambda name, event: None)


def asked(duties: Duties) -> list[str]:
    """The children that were asked to stop."""
    return [name for name, child in duties.channel.children.items() if child.kill_at is not None]


def test_a_tenth_of_the_children_is_replaced_at_once(place: Channel, duties: Duties) -> None:
    """Given a rolling restart of thirty children, then three are asked to stop, and one more for each that was replaced."""
    for _ in range(3):
        duties.replace_old(NEW, 100.0)
    assert asked(duties) == ["old0", "old1", "old2"]
    del place.channel.children["old0"]
    new = place.child("new0")
    new.zygote = NEW
    duties.replace_old(NEW, 100.0)
    assert asked(duties) == ["old1", "old2"]
    new.pid = NOBODY
    duties.replace_old(NEW, 100.0)
    assert asked(duties) == ["old1", "old2", "old3"]


@pytest.mark.parametrize(("interrupt", "seconds", "cause"), [(False, 30.0, "at stop_timeout"), (True, 0.5, "by a reload")])
def test_all_children_are_replaced_in_development(place: Channel, duties: Duties, interrupt: bool, seconds: float, cause: str) -> None:
    """Given a reload in development, then all old children are asked to stop once, and killed soon if jobs are to be interrupted."""
    place.child("new0").zygote = NEW
    for now in (100.0, 200.0):
        duties.replace_all_old(NEW, now, interrupt=interrupt)
    assert len(asked(duties)) == 30
    assert {(child.kill_at, child.stop_cause) for child in place.channel.children.values() if child.zygote != NEW} == {
        (100 + seconds, cause)
    }


def test_a_stuck_child_holds_up_no_restart(place: Channel, duties: Duties) -> None:
    """Given old children that are asked to stop and leave because of a stuck job, then others are replaced meanwhile."""
    duties.replace_old(NEW, 100.0)
    for name in asked(duties):
        place.channel.children[name].slot.set_phase(Phase.LEAVING)
        place.channel.children[name].leave(200.0)
    duties.replace_old(NEW, 100.0)
    assert len(asked(duties)) == 6


def test_few_children_are_replaced_one_by_one(place: Channel, duties: Duties) -> None:
    """Given a channel with five wanted children, then one at a time is asked to stop."""
    place.channel.wanted = 5
    duties.replace_old(NEW, 100.0)
    assert asked(duties) == ["old0"]
