"""Programs that users run with taskq, outside the engine. Each has its command.

scratch       a server and a worker that are removed at the end, for the others
bench         `taskq bench`: measure pushes, workers and delays, and compare kinds of jobs with bare loops
chaos         `taskq chaos`: break workers, servers and connections at random, and check that nothing is lost
simulation    `taskq chaos --simulate`: the same faults in one process, in virtual time, repeatable by a seed
dev           `taskq dev`: a worker for development
demo          `taskq demo`: count and hash files, with a live view
"""
