"""From a bound call to the driver.

    packer    a call to the bytes of a message
    repeat    send a push, and repeat one that is safe to repeat
    buffer    pushes of one block, kept until they are sent together
    outbox    packed messages to the stores of their channels, and the queries of handles

Each of these imports only from those above it.
"""
