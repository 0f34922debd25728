"""A certificate as one HTML page that needs nothing beside it: no script, no style sheet, no picture from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Final

from adapters.certificate.document import Document, Section

_STYLE: Final = (
    "body{font:10pt/1.4 serif;margin:2em auto;max-width:60em;padding:0 1em}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #999;padding:.25em .5em;text-align:left;vertical-align:top}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em}dt{color:#555}dd{margin:0}code{word-break:break-all}"
)


def draw_html(document: Document) -> bytes:
    """The page in UTF-8. Whatever anybody has said stands in it as text."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in document.facts)
    sections = "".join(_section(section) for section in document.sections if section.rows)
    digest = f"{escape(document.digest_label)}: <code>{escape(document.digest)}</code>"
    page = (
        f'<!doctype html><html lang="{escape(document.language)}"><head><meta charset="utf-8">'
        f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body><h1>{escape(document.title)}</h1>"
        f"<dl>{facts}</dl>{sections}<p>{digest}</p></body></html>"
    )
    return page.encode()


def _section(section: Section) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows)
    return f"<h2>{escape(section.title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
