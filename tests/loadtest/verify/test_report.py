"""The report: one page that needs nothing else and says what the ledgers say; and a folder that is none of a run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtest.ledger import Latencies
from loadtest.locust_users import setting as settings
from loadtest.locust_users.account import SEEN, Cell, RunRecord, WorkerLedger
from loadtest.locust_users.plan import PLANS
from loadtest.locust_users.setting import Setting
from loadtest.verify.books import Books, BooksError, open_books
from loadtest.verify.proof import Proof, Totals
from loadtest.verify.report import report

SETTING = Setting(
    shape="earthquake",
    seconds=3.0,
    ingest_tcp=("127.0.0.1", 1),
    ingest_ws=("127.0.0.1", 2),
    dispatch=("127.0.0.1", 3),
    source_token="source-secret",
    client_token="client-secret",
)
RUN = RunRecord(token="t", shape="earthquake", seconds=3.0, times=1.0, started_us=0, workers=1, ended=["w0"])
TOTALS = Totals(
    sent=1_234, acked=1_234, stored=1_200, refused=4, positions=30, watched=50, incidents=20, tellings=40, clients=2,
    kinds={"call": 50, "plate": 1_184}, cuts=3, resumed=2, reset=1,
)  # fmt: skip


def cell(due: int, acked: int, ms: float) -> Cell:
    latencies = Latencies()
    latencies.add(round(ms * 1000), max(1, due))
    return Cell(due=due, acked=acked, latency=latencies.buckets)


def books() -> Books:
    series = {
        "call": {0: cell(10, 5, 20.0), 1: cell(20, 20, 250.0), 2: cell(0, 5, 3.0)},
        "plate": {0: cell(600, 590, 12.0), 1: cell(584, 594, 14.0)},
        SEEN: {0: cell(0, 9, 25.0)},
    }
    late = {Latencies({}).count: 1}
    return Books(
        SETTING,
        [RUN],
        [WorkerLedger(token="t", worker="w0", cell_s=1.0, sources=[], clients=[], series=series, late=late, cpu_s=0.5)],
    )


class Page(HTMLParser):
    """What a page would fetch, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.fetched.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_needs_nothing_else_and_shows_three_pictures() -> None:
    text = report(books(), Proof(TOTALS, []), [])
    page = Page(text)
    assert page.open == []
    assert page.fetched == []
    assert "<script" not in text
    assert text.count("<svg") == 3
    assert PLANS["earthquake"].title in text


def test_the_report_says_the_verdict_and_the_numbers() -> None:
    text = re.sub(r"<[^>]+>", " ", report(books(), Proof(TOTALS, []), []))
    assert "Nothing was lost, doubled or hidden: 1,234 events" in text
    assert "50 in 20" in text
    # A third of the calls took 20 ms, the others 250.
    assert re.search(r"\bcall\s+30\s+\d{3}\.\d\s+2\d\d\.\d\s+2\d\d\.\d", text)


def test_the_report_names_every_fault_and_no_token() -> None:
    text = report(books(), Proof(TOTALS, []), ["not_stored: t-w0-<x>/2 was acknowledged and is in no table", "log_gap: 7: …"])
    assert "2 things are wrong" in text
    assert "not_stored: t-w0-&lt;x&gt;/2 was acknowledged" in text
    assert "Nothing was lost" not in text
    assert "secret" not in text


def test_the_same_run_gives_the_same_report() -> None:
    assert report(books(), Proof(TOTALS, []), []) == report(books(), Proof(TOTALS, []), [])


def test_a_folder_in_which_no_run_has_ended_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BooksError, match=r"load\.json"):
        open_books(tmp_path)
    settings.write(SETTING, tmp_path)
    with pytest.raises(BooksError, match="no run has ended here"):
        open_books(tmp_path)
    (tmp_path / "run-t.json").write_bytes(b"{")
    with pytest.raises(BooksError, match="truncated"):
        open_books(tmp_path)
