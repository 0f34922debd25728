"""A load run as one HTML page that needs nothing else: the verdict, the numbers that agree, latencies, pictures, faults.

Place in the flow: after it; pure. What it says is what the ledgers say; it judges nothing, the proof does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from core.instant import rfc3339
from loadtest.ledger import Latencies
from loadtest.locust_users.account import SEEN, Cell, series_of
from loadtest.locust_users.plan import PLANS
from loadtest.verify import plots
from loadtest.verify.books import Books
from loadtest.verify.proof import Proof

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1f2328; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.verdict { padding: .7rem 1rem; border-radius: 6px; font-weight: 600; }
.good { background: #dafbe1; } .bad { background: #ffebe9; }
table { border-collapse: collapse; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid #d8dee4; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; } code { font-size: .9em; } p.note { color: #59636e; }
"""


def report(books: Books, proof: Proof, wrong: Sequence[str]) -> str:
    """The page.

    Args:
        books: the run's folder.
        proof: what came of it.
        wrong: a line for each fault, those of the stored logs among them.
    """
    setting, totals = books.setting, proof.totals
    plan = PLANS[setting.shape]
    verdict = (
        f'<p class="verdict bad">{len(wrong)} things are wrong.</p>'
        if wrong
        else '<p class="verdict good">Nothing was lost, doubled or hidden: '
        f"{totals.sent:,} events sent, acknowledged and accounted for.</p>"
    )
    parts = [
        f"<h1>{escape(plan.title)}</h1>",
        verdict,
        _list(wrong),
        "<h2>What agrees</h2>",
        _table(("", "number"), _agreement(proof)),
        "<h2>How long it took</h2>",
        *_by_run(books),
        "<h2>The run</h2>",
        _table(("", ""), _circumstances(books)),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>jedel load: {escape(setting.shape)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _agreement(proof: Proof) -> Iterable[tuple[str, str]]:
    totals = proof.totals
    yield "events sent", f"{totals.sent:,}"
    yield "acknowledged", f"{totals.acked:,}"
    yield "stored as events", f"{totals.stored:,}"
    yield "stored as refused, each with its reason", f"{totals.refused:,}"
    yield "positions, kept thinned", f"{totals.positions:,}"
    yield "calls and alarms, each in an incident", f"{totals.watched:,} in {totals.incidents:,}"
    yield "incident told to an entitled client", f"{totals.tellings:,} times, to {totals.clients:,} clients"
    yield "connections cut; clients that went on from their cursor", f"{totals.cuts:,}; {totals.resumed:,}"
    yield "answered with a new snapshot instead", f"{totals.reset:,}"
    for kind, count in sorted(totals.kinds.items(), key=lambda item: -item[1]):
        yield f"… of kind {kind}", f"{count:,}"


def _by_run(books: Books) -> Iterable[str]:
    for run in books.runs:
        ledgers = [ledger for ledger in books.ledgers if ledger.token == run.token]
        if not ledgers:
            continue
        series, cell_s = series_of(ledgers), ledgers[0].cell_s
        rows = [
            (what, f"{sum(cell.acked for cell in cells.values()):,}", *_quantiles(cells.values()))
            for what, cells in sorted(series.items(), key=lambda item: (item[0] != SEEN, item[0]))
        ]
        late = Latencies()
        for ledger in ledgers:
            late.merge(ledger.late)
        yield _table(("due → acknowledged, or seen", "count", "p50 ms", "p90 ms", "p99 ms", "max ms"), rows)
        yield (
            f'<p class="note">Counted from the instant at which an event was due, whatever the centre did. Of it the generator '
            f"itself was late by {late.quantile_us(0.5) / 1000:.1f} ms (median) and {late.quantile_us(0.99) / 1000:.1f} ms "
            f"(p99), handing an event to its connection. {escape(SEEN)} is from a call's due instant until a dispatch client, "
            "in whatever process, was told the incident that names it.</p>"
        )
        yield plots.rates(series, cell_s, run.seconds)
        yield plots.latencies(series, cell_s)
        yield plots.queue(series, cell_s)


def _quantiles(cells: Iterable[Cell]) -> tuple[str, ...]:
    kept = list(cells)
    return tuple(f"{plots.quantile_ms(kept, share):,.1f}" for share in (0.5, 0.9, 0.99, 1.0))


def _circumstances(books: Books) -> Iterable[tuple[str, str]]:
    setting = books.setting
    plan = PLANS[setting.shape]
    yield "shape", setting.shape
    yield "new events for", f"{setting.seconds:g} s"
    yield "times the plan's rates", f"{setting.times:g}"
    yield "people's time compressed", f"{plan.compression(setting.seconds):,.0f} times"
    yield "city", f"seed {setting.city.seed}, {setting.city.streets} streets, {setting.city.crews} crews"
    for run in books.runs:
        yield f"run {run.token}", f"began {rfc3339(run.started_us)}, {len(run.ended)} of {run.workers} workers"
        for ledger in books.ledgers:
            if ledger.token == run.token:
                sent = sum(source.sent for source in ledger.sources)
                users = f"{len(ledger.sources)} sources, {len(ledger.clients)} dispatch clients"
                spent = f"{ledger.cpu_s:.1f} s of CPU, {sent / max(ledger.cpu_s, 1e-3):,.0f} events sent for each"
                yield f"… {ledger.worker}", f"{users}; {spent}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th{_side(at)}>{escape(text)}</th>" for at, text in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{_side(at)}>{escape(text)}</td>" for at, text in enumerate(row)) + "</tr>\n" for row in rows
    )
    return f"<table><tr>{top}</tr>\n{lines}</table>"


def _side(column: int) -> str:
    return ' class="n"' if column else ""


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li><code>{escape(line)}</code></li>\n" for line in lines) + "</ul>" if lines else ""
