"""Parts of error messages: the nearest valid name, and a value as the user wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

__all__ = ["did_you_mean", "nearest", "no_option", "shown"]

_LONGEST_SHOWN = 60


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate closest to `word`, or None if none is close."""
    import difflib  # needed only for errors, and slower to import than the rest of the package

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, candidates: Iterable[str], *, prefix: str = "") -> str:
    """Return the end of an error message: the closest candidate, or all of them if none is close.

    For an option of another job queue, this is the option that replaces it.
    `prefix` is shown before each candidate but not compared, because it would make all of them similar.
    """
    names = sorted(candidates)
    if "," in word and {part.strip() for part in word.split(",")} <= set(names):
        return "give each name in a separate option or argument"
    from taskq.other_queues.words import option_hint  # needed only for errors

    if (hint := option_hint(word, names, prefix=prefix)) is not None:
        return hint
    close = nearest(word, names)
    return f"valid are: {', '.join(prefix + name for name in names)}" if close is None else f'did you mean "{prefix}{close}"?'


def no_option(where: str, word: str, candidates: Iterable[str]) -> str:
    """Return an error for an unknown option of a job or of a push. For an option of another job queue, it says what to write."""
    from taskq.other_queues.words import advice, option_hint

    names = sorted(candidates)
    return f"{where} has no option {word!r}; {option_hint(word, names) or advice(word) or did_you_mean(word, names)}"


def shown(value: object) -> str:
    """Return a value as it is written in TOML, cut to a readable length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (str, PurePath)):
        text = f'"{value}"' if str(value).isprintable() else repr(value)
    elif isinstance(value, (int, float, list, tuple)):
        text = repr(value)
    else:
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
