"""A certificate as a PDF, set by Typst: the fonts come with it, Kazakh letters among them, and nothing is fetched."""

from __future__ import annotations

from importlib import resources

import msgspec
import typst

from adapters.certificate.document import Document


def draw_pdf(document: Document) -> bytes:
    """The PDF's bytes."""
    source = (resources.files("adapters.certificate") / "certificate.typ").read_bytes()
    drawn: bytes = typst.compile(source, format="pdf", sys_inputs={"document": msgspec.json.encode(document).decode()})
    return drawn
