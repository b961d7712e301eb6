"""Every example is run as its header says, with real worker processes."""

from __future__ import annotations

import email
import email.policy
import socket
import sys
from pathlib import Path

import httpx
import pytest

from tests.examples.conftest import TASKQ, Project, wait_for
from tests.packaging.quickstart import read_quickstart
from tests.support.wait import wait_until
from tests.support.worker import ROOT

EXAMPLES = ROOT / "examples"
#: The files that begin with how to run them. The shop has a README.
HEADS = sorted(path for path in EXAMPLES.rglob("*.py") if EXAMPLES / "shop" not in path.parents)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_quickstart(project: Project) -> None:
    """Given the quickstart, when it has pushed two calls and a worker comes, then both have greeted."""
    project.copy("quickstart.py")
    project.python("quickstart.py")
    output = project.taskq("worker", "quickstart", "--burst")
    assert sorted(output.split("\n")) == ["", "Hello, future!", "Hello, world!"]


def test_the_readme_shows_the_quickstart() -> None:
    """Given the README, then its example is the file examples/quickstart.py to the letter."""
    shown = read_quickstart((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown.files == {"quickstart.py": (EXAMPLES / "quickstart.py").read_text(encoding="utf-8")}


def test_mail_is_sent_when_the_server_comes_back(project: Project) -> None:
    """Given a worker and no mail server, when the server comes, then both mails arrive by SMTP, each once."""
    project.copy("mail")
    address = free_address()
    env = {"MAIL_SERVER": address}
    output = project.python("jobs.py", "anna@example.org", env=env)
    second = output.split()[-1]
    log = project.start_worker("jobs", env=env)
    wait_for(log, "Connection refused")
    wait_for(project.start(sys.executable, "inbox.py", address), "2.eml for anna@example.org")
    texts = [path.read_bytes() for path in (project.directory / "inbox").iterdir()]
    read = {mail["Subject"]: mail for mail in (email.message_from_bytes(text, policy=email.policy.default) for text in texts)}
    assert len(texts) == 2
    assert read["Welcome"]["To"] == "anna@example.org"
    assert read["Welcome"].get_content().strip() == "Thank you for signing up."
    assert read["A reminder"]["Message-ID"] == f"<{second}@example.org>"


def test_mail_to_a_refused_address_is_given_up(project: Project) -> None:
    """Given an address that the mail server refuses, then the mail fails in its first attempt, and on_fail tells of it."""
    project.copy("mail")
    address = free_address()
    env = {"MAIL_SERVER": address}
    inbox = project.start(sys.executable, "inbox.py", address)
    wait_for(inbox, "listening")
    project.python("jobs.py", "nobody@example.org", env=env)
    log = project.start_worker("jobs", env=env)
    reported = wait_for(log, "was not sent")
    assert "failed in attempt 1 of 10" in reported
    assert "nobody lives here" in reported


def test_a_web_app_pushes(project: Project) -> None:
    """Given the web app and a worker, when texts are posted, one of them with a delay, then their results can be fetched by id."""
    project.copy("web")
    socket_path = str(project.directory / "web.sock")
    web = project.start(sys.executable, "-m", "uvicorn", "app:app", "--uds", socket_path)
    wait_for(web, "Application startup complete")
    wait_until(Path(socket_path).exists)
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket_path), base_url="http://web") as client:
        answers = [client.post("/texts", json={"text": text, "delay": delay}) for text, delay in (("to be or not to be", 0), ("soon", 0.2))]
        assert [answer.status_code for answer in answers] == [202, 202]
        first, second = (f"/texts/{answer.json()['id']}" for answer in answers)
        assert client.get(first).status_code == 404
        project.start_worker("jobs")
        wait_until(lambda: client.get(first).is_success and client.get(second).is_success, what="both results")
        assert client.get(first).json() == {"to": 2, "be": 2, "or": 1, "not": 1}
        assert client.get(second).json() == {"soon": 1}
        assert client.get("/texts/..%2Fjobs").status_code == 404
        assert client.post("/texts", json={"text": "x", "delay": "soon"}).status_code == 422


def test_the_shop(project: Project) -> None:
    """Given the shop, then its own tests pass; and with its web app and a worker, an order is paid and mailed with the request's id."""
    project.copy("shop")
    assert "4 passed" in project.python("-m", "pytest", "-q")
    socket_path = str(project.directory / "web.sock")
    web = project.start(sys.executable, "-m", "uvicorn", "shop.web:app", "--uds", socket_path)
    wait_for(web, "Application startup complete")
    wait_until(Path(socket_path).exists)
    log = project.start(*TASKQ, "worker")
    order = {"customer": "anna@example.org", "items": [{"name": "book", "price": "12.50", "count": 2}]}
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket_path), base_url="http://web") as client:
        accepted = client.post("/orders", json=order, headers={"X-Request-Id": "r-7"})
        assert accepted.status_code == 202
        receipt = f"/orders/{accepted.json()['id']}"
        wait_until(lambda: client.get(receipt).is_success, what="the receipt")
        assert client.get(receipt).json()["total"] == "25.00"
        assert client.get("/orders/nothing").status_code == 404
    assert "mail to anna@example.org: Paid: 25.00 EUR" in wait_for(log, r"(request r-7)")
    assert "shop.mail.jobs:send_receipt of request r-7 took" in wait_for(log, "send_receipt of request")


def test_a_web_app_streams(project: Project) -> None:
    """Given the app with a generator job, when it is asked, then the words arrive as events, and a browser that lost them goes on."""
    project.copy("stream")
    socket_path = str(project.directory / "web.sock")
    web = project.start(sys.executable, "-m", "uvicorn", "app:app", "--uds", socket_path)
    wait_for(web, "Application startup complete")
    wait_until(Path(socket_path).exists)
    project.start_worker("jobs")
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket_path), base_url="http://web", timeout=20) as client:
        with client.stream("GET", "/answer", params={"question": "why?"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            identity = answer.headers["x-message-id"]
            chunks = list(answer.iter_text())
        assert len(chunks) > 3  # as they were made, not all at once
        events = "".join(chunks).strip().split("\n\n")
        assert events[0] == 'id: 1\ndata: "You"'
        assert events[2] == 'id: 3\ndata: "why?"'
        assert events[-1] == "event: end\ndata:"
        rest = client.get(f"/answers/{identity}", headers={"Last-Event-ID": "3"}).text.strip().split("\n\n")
        assert rest == events[3:]
        assert "event: failed" in client.get(f"/answers/{'0' * 32}").text
        assert client.get("/answers/..%2Fjobs").status_code == 404
        assert client.get("/answers/nothing").status_code == 404


def test_a_notebook_pushes_closures(project: Project) -> None:
    """Given a notebook's closures, lambda and class, when their source is gone, then a worker of another app runs them."""
    project.copy("notebook_closures.py")
    project.copy("quickstart.py")
    assert "nothing yet" in project.python("notebook_closures.py")
    (project.directory / "notebook_closures.py").unlink()
    project.taskq("worker", "quickstart", "--burst")
    assert sorted((project.directory / "notes.txt").read_text().splitlines()) == [
        "Anna: 10 USD are 8.0 EUR",
        "Anna: and this a moment later",
        "Anna: the total is 6",
        "Anna: this was written by a worker",
        "the square of 7 is 49",
    ]


@pytest.mark.parametrize("path", HEADS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_describes_how_to_run_it(path: Path) -> None:
    """Given an example, then it begins with how to run it, or where that is said."""
    head = path.read_text(encoding="utf-8").split('"""')[1] if path.name != "quickstart.py" else "# quickstart.py"
    assert any(word in head for word in ("python ", "taskq worker", "how to run", "# quickstart.py"))
