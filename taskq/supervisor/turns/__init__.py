"""The turns of the supervisor's loop: each looks only at channels that have work to do.

    schedule     when each of many things is due
    glance       the commands that channels of one server share: what is due in them, and heartbeats
    group        channels of one server that share a wake-up connection and a glance
    agenda       which channels have work to do

Each of these imports only from those above it.
"""
