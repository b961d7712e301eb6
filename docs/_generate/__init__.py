"""Pages, or parts of pages, that are made from the code: directives for Sphinx.

| directive | made from |
|---|---|
| `taskq-moves` | `taskq.channel.MOVES`: a drawing and a table |
| `taskq-keys` | `taskq.channel.Keys`: the names of all keys |
| `taskq-errors` | `taskq.errors`: the trees of what can be raised |
| `taskq-events` | `taskq.events`: every signal and when it is sent |
| `taskq-settings` | `taskq.config.field_docs()`: the settings of one section |

Each is a pure function from values to text, in a file of its own; this file hands the text to Sphinx.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from _generate.errors import error_tree
from _generate.events import event_table
from _generate.keys import key_table
from _generate.moves import move_table
from _generate.moves_svg import moves_svg
from _generate.settings import environment_table, settings_text
from taskq import events
from taskq.channel import MOVES, STATES, Keys
from taskq.config import field_docs
from taskq.errors import JobControl, JobTimeout, TaskqError

__all__ = ["setup"]


class Moves(SphinxDirective):
    """The drawing of all moves, and the same as a table."""

    def run(self) -> list[nodes.Node]:
        """Return the drawing as HTML, then the table."""
        figure = nodes.raw("", f'<figure class="moves">{moves_svg(MOVES, STATES)}</figure>', format="html")
        return [figure, *self.parse_text_to_nodes(move_table(MOVES))]


class KeyNames(SphinxDirective):
    """The table of the keys of the channel `default`."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        return self.parse_text_to_nodes(key_table(Keys("queue")))


class Errors(SphinxDirective):
    """Every error, as a tree."""

    def run(self) -> list[nodes.Node]:
        """Return one nested list for each root."""
        return self.parse_text_to_nodes("\n".join(error_tree(root) for root in (TaskqError, JobControl, JobTimeout)))


class Events(SphinxDirective):
    """The table of events."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        return self.parse_text_to_nodes(event_table(events))


class SettingsReference(SphinxDirective):
    """The settings of one section (argument: `channels.<name>`; none for the top), or `:environment:`, their variables."""

    optional_arguments = 1
    option_spec = {"environment": directives.flag}  # noqa: RUF012  (as Sphinx wants it)

    def run(self) -> list[nodes.Node]:
        """Return the entries, or the table of variables."""
        if "environment" in self.options:
            return self.parse_text_to_nodes(environment_table(field_docs()))
        section = self.arguments[0] if self.arguments else ""
        return self.parse_text_to_nodes(settings_text(field_docs(), section))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell Sphinx the directives."""
    app.add_directive("taskq-moves", Moves)
    app.add_directive("taskq-keys", KeyNames)
    app.add_directive("taskq-errors", Errors)
    app.add_directive("taskq-events", Events)
    app.add_directive("taskq-settings", SettingsReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
