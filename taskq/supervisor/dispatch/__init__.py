"""Run the services that are due: those of each channel, and those that several channels share.

    schedule     the due times of channels and services, in a heap
    shared_poll  the commands that channels of one server share: what is due in them, and heartbeats
    group        channels of one server that share a wake-up connection and a poll
    dispatcher   run what is due in each iteration of the supervisor's loop

Each of these imports only from those above it.
"""
