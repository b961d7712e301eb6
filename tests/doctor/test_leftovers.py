"""Threads and connections that the import of an app leaves in its process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from taskq.doctor.leftovers import joined
from tests.support.worker import clean_environment

LEAVES = """
import ctypes, json, os, socket, threading
from taskq.doctor.leftovers import Survey

libc = ctypes.CDLL(None)

def start(function, argument):
    identity = ctypes.c_ulong()
    assert libc.pthread_create(ctypes.byref(identity), None, function, argument) == 0
    return identity

earlier = socket.create_server(("127.0.0.1", 0))
kept = socket.create_connection(earlier.getsockname())
survey = Survey()
assert survey.leftovers() == type(survey.leftovers())()
threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()
start(libc.pause, None)
# As OpenBLAS: its thread ends before each fork.
gate = ctypes.create_string_buffer(32)
aware = start(libc.sem_wait, gate)
def end_thread():
    global aware
    if aware is not None:
        libc.sem_post(gate)
        libc.pthread_join(aware, None)
        aware = None
os.register_at_fork(before=end_thread)
pair, listening = socket.socketpair(), socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listening.getsockname())
statistics = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
statistics.connect(listening.getsockname())
left = survey.leftovers()
print(json.dumps([left.threads, len(left.native), left.connections, listening.getsockname()[1]]))
"""


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_it_finds_threads_and_connections() -> None:
    """Given threads of Python and of C, and connections, then those that are new are found.

    A thread that its library ends before a fork is not, nor is a socket without a server at its other end, or one for datagrams.
    """
    done = subprocess.run([sys.executable, "-c", LEAVES], env=clean_environment(), capture_output=True, text=True, timeout=30, check=True)
    threads, native, connections, port = json.loads(done.stdout)
    assert (threads, native, connections) == (["poller"], 1, [f"127.0.0.1:{port}"])


def test_it_names_at_most_five() -> None:
    """Given many names, then a sentence has five of them, and the number of the others."""
    assert joined(("a", "b")) == "a, b"
    assert joined(tuple("abcdefg")) == "a, b, c, d, e and 2 more"
