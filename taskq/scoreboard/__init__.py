"""The scoreboard: shared memory of a supervisor and its worker processes, with a slot for each process.

    state           the vocabulary that both sides share: phases, limits, the lock
    memory          the resident memory of a process
    cancel_notice   the run of a slot that is cancelled
    endings         the final states of a slot that are not stored yet
    lanes           the concurrent jobs of a slot
    layout          the offsets of all fields in a slot
    slot            one worker process: its batch, the running job, the finished ones
    pipe            pipes that wake a process
    poke            the signal to the supervisor: look at my slot

Each of these imports only from those above it. A process writes its own slot. The supervisor reads it, even after the process has died.
"""
