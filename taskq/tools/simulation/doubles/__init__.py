"""Doubles for the signals, pipes, threads and clocks of taskq itself.

supervisor    doubles for a supervisor: signals, pipes, and the zygote
worker        doubles for a worker process: signals, time limits, and the lock of its slot
lanes         doubles for a worker process that runs several jobs at once
substitutes   where the doubles take the place of the product's own

Each of these imports only from those above it.
"""
