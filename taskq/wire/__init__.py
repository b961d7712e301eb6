"""The bytes of messages, results and progress reports. Pure functions, no I/O. docs/wire-format.md describes the layout.

    signing     signatures of messages and results
    codec       arguments and results to bytes and back: pickle, JSON and MessagePack
    message     a message: head, body, history, signature
    history     the attempts of a message
    foreign     plain JSON messages, pushed by clients of other languages
    ending      a stored result: the return value, or the reason why it is missing
    progress    a progress report

Each of these imports only from those above it.
"""
