"""`python -m taskq` runs the command `taskq`."""

from __future__ import annotations

import sys

try:
    from taskq.cli import main
except (ImportError, AttributeError) as error:  # the working directory comes first on the import path, and may hold a click.py
    from taskq.shadowing import hidden_modules

    if not (text := hidden_modules()):
        raise
    sys.stderr.write(f"Error: {error}. {text}\n")
    sys.exit(2)

if __name__ == "__main__":
    main()
