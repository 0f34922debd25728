"""Fills a table for a measurement, faster than the centre would."""

from __future__ import annotations

from collections.abc import Iterable

from storage.copy_binary import Row, Table
from storage.pipeline import Pipeline


async def fill(dsn: str, table: Table, rows: Iterable[Row]) -> None:
    """Adds rows by one COPY. Raises what asyncpg raises, and `OSError`."""
    pipeline = await Pipeline.open(dsn, "benchmark")
    try:
        pipeline.prepare("", table.copy_statement)
        await pipeline.copy("", [b"".join(table.pack(rows))])
        await pipeline.commit()
    finally:
        pipeline.close()
