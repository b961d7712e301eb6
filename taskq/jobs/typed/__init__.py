"""Typed arguments: values are checked against the type hints of a job, and rebuilt by them.

    hints       the resolved hints of a job's parameters and of its return value
    models      types that can be checked, and the hooks for classes that msgspec doesn't know: pydantic models, any class in a pickle
    compare     a value and the one that was rebuilt from its data: nothing may be lost
    value       one value and its hint: to plain data and back
    arguments   the arguments of a call
    validator   both for one job

Each of these imports only from those above it. The data in messages and results is plain JSON or MessagePack, with or without hints.
A process that validates no job loads only `compare`.
"""
