"""The processes below a supervisor: the zygotes, and the worker processes that they fork.

    semaphore     a lock between processes that needs no file
    exit          the exit of a forked process: its threads and exit hooks
    fork          fork a process; pipes and locks between processes
    slots         the slots that zygotes give to their worker processes
    child         one worker process, as the supervisor sees it
    listeners     the process that runs the listeners of worker-wide events
    workdir       enter the working directory again for a reload: its path may lead to a newer release
    zygote        the process that imports the application once and forks worker processes
    generation    one zygote, as the supervisor sees it; respawning it
    liveness      detect exited children and a hung zygote without relying on the zygote's reports
    init          reap what others left behind, as the first process of a container

Each of these imports only from those above it.
"""
