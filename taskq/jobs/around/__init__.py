"""`@queue.around`: wrappers of the runs of jobs.

    wrapper   a wrapper: a generator function, and the jobs whose runs it wraps; checked
    chain     calls jobs inside their wrappers: `wrapped` needs no worker

Each of these imports only from those above it.
"""
