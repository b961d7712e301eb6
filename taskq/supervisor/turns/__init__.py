"""The turns of the supervisor's loop: each looks only at channels that have work to do.

    schedule     when each of many things is due
    group        channels of one server that share a wake-up connection, and one command that asks what is due in them
    agenda       which channels have work to do

Each of these imports only from those above it.
"""
