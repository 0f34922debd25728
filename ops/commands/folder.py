"""Where a command that runs a service of its own keeps what that leaves behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder(folder: Path | None) -> Iterator[Path]:
    """The folder the user named, made where it does not exist, or a temporary one that goes at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        # A file that a database is still letting go of is no reason to fail after the work is done.
        with tempfile.TemporaryDirectory(prefix="jedel-", ignore_cleanup_errors=True) as made:
            yield Path(made)
