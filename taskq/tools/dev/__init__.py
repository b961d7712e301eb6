"""`taskq dev`: a worker for development, which loads changed code and shows each job.

    files   the files whose changes count, and their state
    watch   the process that watches the files
    view    the log: a line when a job starts and when it ends, and a short traceback
    run     the process that starts the worker and reloads it

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.tools.dev.files import Files
from taskq.tools.dev.run import Dev
from taskq.tools.dev.view import DevFormatter, show_jobs
from taskq.tools.dev.watch import has_watchfiles

__all__ = ["Dev", "DevFormatter", "Files", "has_watchfiles", "show_jobs"]
