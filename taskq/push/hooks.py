"""Push hooks: functions that are called before a message is packed (`@queue.pushing`), and after it is stored (`@queue.pushed`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar

from taskq.config import ChannelSettings
from taskq.errors import ArgumentsError, JobDefinitionError, PushError
from taskq.handle.handle import Handle
from taskq.jobs.call import Call, Pusher
from taskq.jobs.functions import check_decorated, is_async_callable, is_generator, qualname_of
from taskq.jobs.parameters import Signature
from taskq.push.headers import IN_USE, headers_here
from taskq.push.view import Push

__all__ = [
    "Hooked",
    "PushHooks",
    "all_queues",
    "arun_pushed",
    "arun_pushing",
    "check_sync_pushed",
    "has_pushed",
    "is_async",
    "run_pushed",
    "run_pushing",
]

PushingHook = TypeVar("PushingHook", bound=Callable[[Push], object])
PushedHook = TypeVar("PushedHook", bound=Callable[[list[Push]], object])
#: The default of a decorator that is used with parentheses, so that the error can explain this.
_MISSING: Any = None


class _Hook(NamedTuple):
    function: Callable[[Any], Any]
    #: Its decorator: "pushing" or "pushed".
    kind: str
    is_async: bool

    @property
    def name(self) -> str:
        return f"{getattr(self.function, '__module__', None) or '?'}.{qualname_of(self.function)}"


class PushHooks:
    """Hooks that are called before and after each push. A queue inherits these methods."""

    pushing_hooks: tuple[_Hook, ...] = ()
    pushed_hooks: tuple[_Hook, ...] = ()

    def pushing(self, function: PushingHook = _MISSING, /) -> PushingHook:
        """Call a function with a `Push` before each message is packed. Use as a decorator without options.

        It may change the headers of the message, or refuse the push by raising an exception, which the caller of the push gets.
        Then nothing is sent; with `push_many`, none of its calls. An async function is awaited by async pushes; sync pushes are
        then refused.

        Args:
            function: a function of one argument, the `Push`.

        Raises:
            JobDefinitionError: the function requires other arguments, or is a generator function.
        """
        hook = _checked(self, function, "pushing")
        self.pushing_hooks = (*self.pushing_hooks, hook)
        return function

    def pushed(self, function: PushedHook = _MISSING, /) -> PushedHook:
        """Call a function with a list of `Push` after the server has stored messages. Use as a decorator without options.

        It is called once per round trip: with one push, or with up to 500 of a `push_many` or a buffer. It is not called if the
        push failed. An exception in it is logged, because the messages are stored. An async function is awaited by async pushes;
        sync pushes are then refused.

        Args:
            function: a function of one argument, the list of `Push`.

        Raises:
            JobDefinitionError: the function requires other arguments, or is a generator function.
        """
        hook = _checked(self, function, "pushed")
        self.pushed_hooks = (*self.pushed_hooks, hook)
        return function


class _AllQueues(PushHooks):
    def remove(self, function: object) -> None:
        """Remove a function."""
        self.pushing_hooks = tuple(hook for hook in self.pushing_hooks if hook.function is not function)
        self.pushed_hooks = tuple(hook for hook in self.pushed_hooks if hook.function is not function)


#: The beginning of the note on the exception of a hook.
HOOK_RAISED = "taskq: raised by the @queue.pushing hook"
#: The hooks of every queue of this process, for integrations. They are called after those of the queue itself.
all_queues = _AllQueues()
#: Not empty while a hook runs: the pushes that it makes call no hooks, to avoid endless recursion. Emptied at its end, because a
#: task that the hook has created keeps the variable.
_inside: ContextVar[Sequence[bool]] = ContextVar("taskq_push_hook", default=())


class Hooked(Pusher, Protocol):
    """Protocol of a queue with hooks."""

    pushing_hooks: tuple[_Hook, ...]
    pushed_hooks: tuple[_Hook, ...]

    def channel(self, name: str) -> ChannelSettings: ...


def run_pushing(owner: Hooked, call: Call[Any]) -> Push | None:
    """Call the hooks before a sync push. Return None without hooks, or if a hook makes this push.

    Raises:
        PushError: a hook is async.
        Exception: any exception of a hook.
    """
    if (push := _begin(owner, call)) is not None:
        for hook in (*_pushing(owner), *_pushed(owner)):
            if hook.is_async:
                raise _only_async(hook)
        with _running():
            for hook in _pushing(owner):
                with _named(hook):
                    _finished(hook, hook.function(push))
    return push


async def arun_pushing(owner: Hooked, call: Call[Any]) -> Push | None:
    """Call the hooks before an async push; see `run_pushing`."""
    if (push := _begin(owner, call)) is not None:
        with _running():
            for hook in _pushing(owner):
                with _named(hook):
                    if inspect.isawaitable(result := hook.function(push)):
                        await result
    return push


def check_sync_pushed(owner: Hooked) -> None:
    """Check that all hooks can be called after a sync flush of what async pushes have buffered.

    Raises:
        PushError: a hook is async.
    """
    for hook in _pushed(owner):
        if hook.is_async:
            raise _only_async(hook)


def run_pushed(owner: Hooked, pushes: Sequence[tuple[Push, Handle[Any]]]) -> None:
    """Call the hooks after a batch was stored. Log the exception of a hook that raises, and continue with the next."""
    stored = _stored(pushes)
    for hook in _pushed(owner) if stored else ():
        with _running(), _logged(hook):
            _finished(hook, hook.function(list(stored)))


async def arun_pushed(owner: Hooked, pushes: Sequence[tuple[Push, Handle[Any]]]) -> None:
    """Call the hooks after an async push; see `run_pushed`."""
    stored = _stored(pushes)
    for hook in _pushed(owner) if stored else ():
        with _running(), _logged(hook):
            if inspect.isawaitable(result := hook.function(list(stored))):
                await result


def has_pushed(owner: Hooked) -> bool:
    """Return True if there are hooks to call after a push."""
    return bool(_pushed(owner))


def is_async(owner: Hooked) -> bool:
    """Return True if a hook is async, so that only async pushes are possible."""
    return any(hook.is_async for hook in (*_pushing(owner), *_pushed(owner)))


def _begin(owner: Hooked, call: Call[Any]) -> Push | None:
    is_hooked = owner.pushing_hooks or owner.pushed_hooks or all_queues.pushing_hooks or all_queues.pushed_hooks
    if not is_hooked or _inside.get() or call.job.queue is not owner:
        return None
    channel = call.options.channel or call.job.options_of_job.channel
    owner.channel(channel)  # an unknown one is refused before any hook is called
    return Push(call, channel, dict(headers_here(owner, call.options.headers)))


def _pushing(owner: Hooked) -> tuple[_Hook, ...]:
    return owner.pushing_hooks + all_queues.pushing_hooks


def _pushed(owner: Hooked) -> tuple[_Hook, ...]:
    return owner.pushed_hooks + all_queues.pushed_hooks


def _stored(pushes: Sequence[tuple[Push, Handle[Any]]]) -> list[Push]:
    for push, handle in pushes:
        push._handle = handle
    return [push for push, _ in pushes]


@contextmanager
def _running() -> Iterator[None]:
    outer, here = _inside.get(), [True]
    _inside.set(here)
    try:
        yield
    finally:
        here.clear()
        _inside.set(outer)


@contextmanager
def _named(hook: _Hook) -> Iterator[None]:
    """Add a note with the name of the hook to its exception: the code that pushes may not know the hook."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{HOOK_RAISED} {hook.name}")
        raise


@contextmanager
def _logged(hook: _Hook) -> Iterator[None]:
    try:
        yield
    except Exception:
        import logging  # a slow import that most producers never need

        logging.getLogger("taskq").exception("the @queue.pushed hook %s raised an exception (the messages are stored)", hook.name)


def _finished(hook: _Hook, result: object) -> None:
    """Check that a hook that isn't marked as async didn't return an awaitable."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise _only_async(hook)


def _only_async(hook: _Hook) -> PushError:
    return PushError(
        f"the @queue.{hook.kind} hook {hook.name} is async, and a sync push can't await it: push with apush(...) or "
        "`async with queue.buffer()`, or make the hook a sync function"
    )


def _checked(owner: object, function: Any, kind: str) -> _Hook:
    if not isinstance(owner, PushHooks):
        raise JobDefinitionError(f"@Queue.{kind} must be used on an instance: write queue = Queue(), then @queue.{kind}")
    check_decorated(function, kind)
    if is_generator(function):
        raise JobDefinitionError(f"{qualname_of(function)} can't be a {kind} hook: it yields, so calling it runs nothing")
    try:
        Signature(function).check(kind, (None,), {})
    except ArgumentsError:
        takes = "the push" if kind == "pushing" else "the list of pushes"
        given = str(inspect.signature(function))
        advice = f". Register the method of an object: queue.{kind}(object.method)" if given.startswith("(self") else ""
        raise JobDefinitionError(
            f"{qualname_of(function)} can't be a {kind} hook: it must accept {takes} as its only argument; "
            f"its parameters are {given}{advice}"
        ) from None
    hook = _Hook(function, kind, is_async_callable(function))
    IN_USE[:] = [True]
    return hook
