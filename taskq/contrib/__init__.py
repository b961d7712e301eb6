"""Optional additions for applications.

listeners    listeners of queue_length: log long queues, reload timed-out messages
"""
