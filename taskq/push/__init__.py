"""From a bound call to the driver.

    importing  count or refuse pushes while a command imports the app
    headers    headers for all pushes of a block
    view       one push, as push hooks see it
    hooks      functions that are called before and after each push
    envelope   the parts of a message that many calls share, and the message of a call
    packer     decide all of a message but its arguments
    bulk       pack many calls of one job at once
    commands   packed messages as commands of the driver
    repeat     send a push, and retry one that is idempotent
    buffer     collect the pushes of a block and send them together
    loops      warn of sync calls that block a running event loop
    restore    rebuild results by the return hint of the pushed job
    outbox     pack calls, push their messages, and answer the queries of handles

Each of these imports only from those above it. A push takes this walk:

    Job.push  →  Call  →  Queue.send  →  Outbox.send  →  Packer.envelope  →  Envelope.pack (to an Outgoing)
             →  command_of  →  repeat.push  →  LinkPool.call
"""
