"""The event loop that all jobs of a process share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from taskq.config import ChannelSettings
from taskq.doctor.examine import _loops
from taskq.errors import ConfigError
from taskq.worker.execute import eventloop
from taskq.worker.execute.eventloop import check_loop, close_loop, new_loop


@pytest.fixture(autouse=True)
def no_current_loop(libuv: None) -> Iterator[None]:
    """No loop stays the current one."""
    yield
    asyncio.set_event_loop(None)


@pytest.mark.parametrize(("kind", "module"), [("asyncio", "asyncio"), ("uvloop", "uvloop")])
def test_the_setting_decides_which_loop_it_is(kind: str, module: str) -> None:
    """Given that uvloop is installed, then it is the loop only if the setting asks for it."""
    loop = new_loop(kind)
    assert type(loop).__module__.partition(".")[0] == module
    loop.close()
    assert not loop.is_closed()
    close_loop(loop)
    assert loop.is_closed()


def test_a_missing_uvloop_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a channel that asks for uvloop, which isn't installed, then a worker doesn't start, and doctor reports the same sentence."""
    monkeypatch.setattr(eventloop, "find_spec", lambda name: None)
    check_loop("asyncio", "default")
    with pytest.raises(ConfigError, match=r'channel mails: loop = "uvloop", but uvloop is not installed; install the extra') as caught:
        check_loop("uvloop", "mails")
    (finding,) = _loops([ChannelSettings(name="mails", loop="uvloop"), ChannelSettings(name="default")])
    assert finding.text == str(caught.value)
