"""Functions of a notebook, run by a worker that can't import them. Each cell begins with "# %%", as editors expect.

    python notebook_closures.py       pushes five calls
    taskq worker quickstart           runs them; a worker of any app on the same server will do

The functions are pickled by value (cloudpickle), with everything they refer to. The worker must run the same minor version of Python and
have the packages that they import.
"""

# %%
from pathlib import Path

from taskq import Queue

queue = Queue()
notes = Path("notes.txt").absolute()

# %% A lambda and its argument
queue.call(lambda number: notes.open("a").write(f"the square of {number} is {number * number}\n"), 7)


# %% A closure: `author` is pickled with it
def writer(author):
    def write(text):
        with notes.open("a") as file:
            file.write(f"{author}: {text}\n")

    return write


anna = writer("Anna")
queue.call(anna, "this was written by a worker")
queue.call(anna, "and this a moment later", delay=0.1)

# %% A function that uses other names of the notebook: their current values are pickled with it
rates = {"EUR": 1.0, "USD": 1.25}


def convert(amount, currency, *, digits=2):
    anna(f"{amount} {currency} are {amount / rates[currency]:.{digits}f} EUR")


queue.call(convert, 10, "USD", digits=1)


# %% A class of the notebook: any object with handle() can be a job
class Total:
    max_attempts = 2

    def __init__(self, *numbers):
        self.numbers = numbers

    def handle(self):
        anna(f"the total is {sum(self.numbers)}")


queue.push(Total(1, 2, 3))

# %% The notes that the worker has written so far
print(notes.read_text() if notes.exists() else "nothing yet: start the worker")
