"""`taskq chaos --simulate`: the real decision code and the real scripts, driven by one seeded scheduler in virtual time.

Supervisors, worker processes and users are threads of one process, of which one runs at a time. They reach a real server over a simulated
network. A seed decides the scenario and the order of everything, so a run can be repeated exactly.

party        a process or a thread of the simulated system, and what it waits for
world        the scheduler: parties that take turns, and the virtual clock
here         the system that runs now, for the doubles
store        the real server: runs a command at a virtual moment, and reads where each message is
network/     decides when and whether each command arrives
ledger       the messages, their runs, and the faults that explain another run
doubles/     doubles for the product's own signals, pipes, threads and clocks
machine      machines, their supervisors and worker processes
system       all of these together, and the jobs
faults       the registry of faults, and when they are triggered
checks       the registry of rules that hold after every command
scenario     the choices of a seed, as data
users        programs that push, and people who cancel, delete and reload
run          one scenario, from the start to the end
shrink       from a failing scenario to a smaller one
hunt         many seeds, and the history of one that fails

Each of these imports only from those above it.

A new capability adds its faults to `faults`, its rules to `checks`, what its users do to `users`, and its choices to `scenario`.
"""
