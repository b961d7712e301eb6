"""The periodic work of a supervisor for one channel. Each service has `due`; `tick(now)` does the work and sets the next `due`.

    base         the protocol of a service
    orphans      find messages that were reserved for a worker that missed the reply, or that is not registered (for all channels)
    heartbeat    send the heartbeats of the worker processes
    wakeup       wait for wake-up tokens of the server, for promote and cancels of many channels
    promote      move delayed messages to waiting when they are due
    rescue       rescue the messages of lost workers
    watchdog     find jobs that ignore their time limit, and prefetched messages behind a slow job
    cancels      carry out cancel requests
    unpark       move parked messages back to waiting when this worker can run them
    lengths      report the number of messages in each state
    patterns     find the channels of patterns; one for all channels
    notify       report the state of the worker to systemd; one for all channels

Several supervisors on many machines run the same services: each step is an atomic script, harmless if another supervisor was first.
"""
