"""Functions of a notebook, run by a worker that has never seen them. Each cell begins with "# %%", as editors know it.

    python notebook_closures.py       pushes five calls
    taskq worker quickstart           runs them: any worker on the same server does, whatever its app is

They travel by value (cloudpickle), with what they refer to. So the worker must run the same minor version of Python, and have the
packages that they import.
"""

# %%
from pathlib import Path

from taskq import Queue

queue = Queue()
notes = Path("notes.txt").absolute()

# %% A lambda, and what it is called with
queue.call(lambda number: notes.open("a").write(f"the square of {number} is {number * number}\n"), 7)


# %% A closure: `author` goes with it
def writer(author):
    def write(text):
        with notes.open("a") as file:
            file.write(f"{author}: {text}\n")

    return write


anna = writer("Anna")
queue.call(anna, "this was written by a worker")
queue.call(anna, "and this a moment later", delay=0.1)

# %% A function that uses other names of the notebook: they go with it, as they are now
rates = {"EUR": 1.0, "USD": 1.25}


def convert(amount, currency, *, digits=2):
    anna(f"{amount} {currency} are {amount / rates[currency]:.{digits}f} EUR")


queue.call(convert, 10, "USD", digits=1)


# %% A class of the notebook: an object with handle() is a job of its own
class Total:
    max_attempts = 2

    def __init__(self, *numbers):
        self.numbers = numbers

    def handle(self):
        anna(f"the total is {sum(self.numbers)}")


queue.push(Total(1, 2, 3))

# %% What the worker has written so far
print(notes.read_text() if notes.exists() else "nothing yet: start the worker")
