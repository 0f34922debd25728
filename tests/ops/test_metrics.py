"""The catalogue: names as Prometheus wants them, and nothing that the page of metrics leaves out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.metrics import CATALOGUE, Family, Kind

PAGE = Path(__file__).parents[2] / "ops" / "METRICS.md"
NAME = re.compile(r"^jedel_[a-z]+(_[a-z]+)*$")
OTHER_UNITS = {"ms", "us", "milliseconds", "minutes", "hours", "kilobytes", "percent"}
"""What a base unit takes the place of."""


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_family_keeps_the_conventions(family: Family) -> None:
    assert NAME.match(family.name)
    assert family.name.endswith("_total") is (family.kind is Kind.COUNTER)
    assert not OTHER_UNITS & set(family.name.split("_"))
    assert family.help.endswith(".")
    assert list(family.bounds) == sorted(set(family.bounds))
    assert bool(family.bounds) is (family.kind is Kind.HISTOGRAM)
    assert not {"crew", "person", "incident", "operator", "phone"} & set(family.labels)


def test_names_are_unique_and_many() -> None:
    names = [family.name for family in CATALOGUE]
    assert len(set(names)) == len(names) > 50


def row_of(family: Family) -> str:
    """A family's line in the page of metrics."""
    labels = "".join(f" `{label}`" for label in family.labels)
    return f"| `{family.name}`{labels} | {family.kind.value} | {family.help} |"


def test_page_says_what_each_family_means() -> None:
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `jedel_")]
    assert table == [row_of(family) for family in CATALOGUE]
