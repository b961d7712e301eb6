"""The text of a mistake in a command's options or arguments: what is wrong, and what to type instead."""

from __future__ import annotations

import re

import click
from click.core import ParameterSource

__all__ = ["no_option", "usage_text"]

_EXTRA = re.compile(r"Got unexpected extra arguments? \((?P<words>.*)\)")


def usage_text(error: click.UsageError) -> str:
    """Return the text of an error about options or arguments."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        return no_option(error.option_name, error.ctx)
    if error.ctx is not None and (extra := _EXTRA.fullmatch(error.message)):
        return f"unexpected argument: {extra['words']}{_where_it_belongs(extra['words'], error.ctx)}"
    option = error.param if isinstance(error, click.BadParameter) else None
    if option and option.name and error.ctx and error.ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
        return f"environment: {option.envvar}: {error.message}"  # set by a variable, so named by it
    return error.format_message()


def no_option(option: str, ctx: click.Context) -> str:
    """Return the text of an error about an option that a command doesn't have; `option` may be --name=value."""
    from taskq.channel import STATES
    from taskq.config import did_you_mean  # slow to import, and needed only for errors
    from taskq.other_queues.words import flag_hint

    word = option.partition("=")[0].lstrip("-")
    names = [name for one in ctx.command.get_params(ctx) for name in one.opts if name.startswith("--")]
    if "--state" in names and word in [state.value for state in STATES]:
        return f"{ctx.info_name} has no option {option}; write --state {word}"
    hint = flag_hint(word, names) or did_you_mean(word, [name[2:] for name in names], prefix="--")
    return f"{ctx.info_name} has no option {option}; {hint}"


def _where_it_belongs(words: str, ctx: click.Context) -> str:
    from taskq.channel import STATES

    names = {name for one in ctx.command.params for name in one.opts}
    if words in [state.value for state in STATES] and "--state" in names:
        return f"; write --state {words}"
    return f"; if it is the app, write --app {words}" if "--app" in names and " " not in words else ""
