"""`taskq chaos`: faults at random moments while jobs run, and a ledger that shows whether one was lost or run twice without a fault.

ledger       who writes what: one line for each push, start and end
app          the queue and its jobs, which write the ledger
pusher       the process that pushes
clock        a clock of the server that can be set
server       the server that is broken
log_reader   reads the logs of the workers
workers      the workers under test, restarted when they were killed
caller       a process that pushes jobs and waits for their answers
relay        a process between the workers and the server, which can lose replies, deliver requests late, and fall silent
site         the scratch directory, the server and the relay, all gone at the end
stage        what faults act on, and what is still to be undone
faults/      the faults, and the table of them
facts        which runs a fault explains
judge        from ledger and faults to the verdict
run          the loop: push, break, repair, drain, judge
"""
