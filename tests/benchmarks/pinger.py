"""A client that only asks whether the server answers: prints how many milliseconds each PING took, until a line comes in."""

from __future__ import annotations

import json
import select
import sys
import time

import redis


def main(url: str) -> None:
    """Ping once a millisecond; a pinger that never paused would take the processor from what it watches."""
    client = redis.Redis.from_url(url)
    took = []
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        began = time.perf_counter()
        client.ping()
        took.append(round((time.perf_counter() - began) * 1000, 3))
    print(json.dumps(took))


if __name__ == "__main__":
    main(sys.argv[1])
