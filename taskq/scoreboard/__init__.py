"""Shared memory of a supervisor and its worker processes: what each process runs, has done, and should stop.

    state           words that both sides share: phases, limits, the lock
    memory          the resident memory of a process
    layout          where each field is in the shared bytes
    slot            one worker process: its batch, the job that runs, what is done
    lanes           the concurrent jobs of one process
    cancel_notice   the messages of a process that are cancelled
    poke            the signal that wakes a process to read its notice

Each of these imports only from those above it. A process writes its own slot; the supervisor reads it, also after the process has died.
"""
