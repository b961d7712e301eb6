"""A mail server for experiments: it writes every mail to inbox/ and rejects those to nobody@...

pip install aiosmtpd
python inbox.py [HOST:PORT]       default: localhost:8025; stop it with Ctrl-C
"""

from __future__ import annotations

import sys
from pathlib import Path
from signal import SIGINT, SIGTERM, sigwait

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Inbox:
    """Stores mails as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 nobody lives here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        number = len(list(self.folder.iterdir())) + 1
        (self.folder / f"{number}.eml").write_bytes(envelope.original_content or b"")
        print(f"{number}.eml for {', '.join(envelope.rcpt_tos)}", flush=True)
        return "250 kept"


if __name__ == "__main__":
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "localhost:8025").partition(":")
    controller = Controller(Inbox(Path("inbox")), hostname=host, port=int(port))
    controller.start()
    print(f"listening on {host}:{port}", flush=True)
    sigwait({SIGINT, SIGTERM})
    controller.stop()
