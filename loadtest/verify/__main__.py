"""`python -m loadtest.verify FOLDER --dsn DSN`: proves a load run and writes its report; status 1 where anything is wrong.

Place in the flow: after it. Beside the run's own proof it does what `jedel verify` does: every incident's log is replayed and
compared with what is stored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import uvloop

from core.incident import fold, renew
from loadtest.verify.books import Books, BooksError, open_books
from loadtest.verify.proof import Proof, prove
from loadtest.verify.report import report
from loadtest.verify.stored import Stored, read_stored
from ops.own_service import Addresses
from storage import session
from storage import verify as storage_verify
from storage.errors import StorageError
from storage.verify import Finding

REPORT: Final = "report.html"


def verify(folder: Path, dsn: str) -> int:
    """Proves what lies in a folder, prints the verdict and a line for each fault, writes the report; gives the exit status.

    Raises:
        BooksError: no run has ended in this folder.
        OSError, StorageError, asyncpg.PostgresError: the database cannot be read, or the report not be written.
    """
    books = open_books(folder)
    told = {number for ledger in books.ledgers for client in ledger.clients for number in client.seen}
    stored, findings = uvloop.run(_read(dsn, [run.token for run in books.runs], told))
    proof = prove(books.runs, books.ledgers, stored)
    lines = [fault.line for fault in proof.faults]
    lines += [f"{finding.check.value}: {finding.subject}: {finding.text}" for finding in findings]
    (folder / REPORT).write_text(report(books, proof, lines), encoding="utf-8")
    for line in lines:
        print(f"verify: {line}", file=sys.stderr)
    print(verdict(books, proof, len(lines)))
    print(f"load: report in {folder / REPORT}")
    return 1 if lines else 0


def verdict(books: Books, proof: Proof, wrong: int) -> str:
    """The run in one line."""
    totals = proof.totals
    return (
        f"load: {books.setting.shape} sent={totals.sent} acked={totals.acked} stored={totals.stored} refused={totals.refused} "
        f"positions={totals.positions} calls_and_alarms={totals.watched} incidents={totals.incidents} "
        f"tellings={totals.tellings} clients={totals.clients} wrong={wrong}"
    )


async def _read(dsn: str, tokens: list[str], told: set[int]) -> tuple[Stored, list[Finding]]:
    # What is looked at may be as much as a database holds.
    connection = await session.connect(dsn, "load-verify", timeout_s=None)
    try:
        return await read_stored(connection, tokens, told), await storage_verify.verify(connection, fold, renew)
    finally:
        await connection.close()


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.verify", description="Proves that a load run lost, doubled and hid nothing."
    )
    parser.add_argument("folder", type=Path, help="the run's folder, with its setting and the workers' ledgers")
    database = parser.add_mutually_exclusive_group(required=True)
    database.add_argument("--dsn", help="the database of the service that was loaded")
    database.add_argument("--serve-json", type=Path, help="the running service's file of addresses, which names it")
    options = parser.parse_args()
    try:
        dsn = options.dsn or msgspec.json.decode(options.serve_json.read_bytes(), type=Addresses).dsn
        return verify(options.folder, dsn)
    except (BooksError, OSError, StorageError, asyncpg.PostgresError, msgspec.DecodeError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
