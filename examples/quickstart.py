# quickstart.py
from taskq import Queue

queue = Queue()


@queue.job(retry_seconds=1)
def greet(name: str) -> None:
    print(f"Hello, {name}!")


if __name__ == "__main__":
    greet.push("world")
    greet.push("future", delay=0.1)
