"""The supervisor: a process without application code. It starts worker processes, keeps them alive, and runs the services.

    signals       the signals of the supervisor
    rules         decisions as pure functions
    options       the options of a worker
    processes/    the zygotes, and the worker processes that they fork
    plan          the channels, processes and server of a worker
    channel       one channel: its children, its connection and its pending commands
    reap          handle the exit of a child: count crashes, settle and release its messages
    services/     the periodic work: heartbeat, promote, rescue, watchdog, cancels, ...
    duties        the services of one channel
    dispatch/     run the services that are due: those of each channel, and those that several channels share
    banner        the log lines at the start
    burst         the end of a burst
    log_thread    logs for the supervisor, which must not wait for the readers of its log
    reload        the settings of a reloaded app
    children      the children of all channels: their number, their start and their end
    manager       the zygotes and, through them, the children of every channel
    supervisor    the loop
    run           start a worker

Each of these imports only from those above it. A message meets the supervisor only in trouble: `services/` promotes, rescues, cancels
and unparks messages, and `reap` settles those of a child that has exited.
"""

from __future__ import annotations

from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.run import run_worker, work

__all__ = ["WorkerOptions", "run_worker", "work"]
