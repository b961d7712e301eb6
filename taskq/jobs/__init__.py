"""Jobs, which the decorator makes; their options; and bound calls.

    retry         retry policies: the delay before the next attempt
    options       the options of a job and of one push, checked
    functions     functions that become jobs: their kinds, and the attributes that frameworks look at
    parameters    the parameters of a job, and the check of a call's arguments
    call          a bound call: a job with its arguments
    many          the calls of one push_many
    subclasses    what subclasses of Job may define, for `job_class=`
    job           a job: a decorated function and its push methods
    typed/        check arguments and results by the type hints, and rebuild them
    builtin       the two jobs that every queue has: run an object, run a callable
    around/       `@queue.around`: wrappers of the runs of jobs
    definition    decides whether a job replaces another of the same name
    hooks         on_start, on_stop, lifespan and around of a queue, and `taskq.state`
    registry      the jobs of a queue, by name
    defaults      the defaults of all jobs of a queue
    decorator     `@queue.job`, and the jobs that it makes
    named         calls of jobs by name, also of those that only the workers have

Each of these imports only from those above it.
"""
