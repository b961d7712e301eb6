"""What the decorator makes: jobs, their options, and bound calls.

    retry         how long to wait before the next attempt
    options       the options of a job and of one push, checked
    parameters    the parameters of a job: which arguments it takes
    call          a bound call: a job with its arguments
    job           a job
    builtin       the two jobs that every queue has: run an object, run a callable
    hooks         on_start, on_stop and lifespan of a queue, and `taskq.state`
    registry      the jobs of a queue, by name

Each of these imports only from those above it.
"""
