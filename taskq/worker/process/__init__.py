"""The process around the jobs.

    signals       wait for the server and for signals at once
    current_loop  the event loop that sync jobs get from `asyncio.get_event_loop()`
    debugger      `breakpoint()` in a job
    lifespan      the startup and shutdown hooks of the application
    restore       put back process-wide state that a job changed

Each of these imports only from those above it.
"""
