"""Processes of the benchmark's own: a function that runs beside the service, and talks to its parent over a pipe."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_SPAWN = multiprocessing.get_context("spawn")


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a function of a module in a fresh process and returns its result. Raises what it raises.

    Who is told to end meanwhile, by `KeyboardInterrupt` or `SystemExit`, does not wait for it.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=_SPAWN) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except (KeyboardInterrupt, SystemExit):
            for process in multiprocessing.active_children():
                process.kill()
            raise


@contextmanager
def beside(function: Callable[..., None], *args: object) -> Iterator[Connection]:
    """Runs `function(connection, *args)` in a process of its own while the block lasts; gives the pipe's other end."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=function, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(10.0)
        if process.is_alive():
            process.kill()
            process.join()
