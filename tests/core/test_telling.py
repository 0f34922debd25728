"""Tellings: every kind names its values, and a telling is a value that can be kept."""

from __future__ import annotations

import msgspec

from core.instant import Micros
from core.telling import VALUES, Happened, Telling
from core.vocabulary import IncidentId


def test_every_kind_of_happening_names_its_values() -> None:
    assert set(VALUES) == set(Happened)
    assert not {name for names in VALUES.values() for name in names} & {"incident", "territory"}


def test_telling_comes_back_the_same_when_it_was_written() -> None:
    telling = Telling(
        "incident/17/accept/42/step/2/round/0",
        "shift_lead",
        "kz/almaty",
        IncidentId(17),
        Happened.ACCEPT_PASSED,
        {"crew": "A-1"},
        Micros(1),
        Micros(2),
        2,
    )
    assert msgspec.json.decode(msgspec.json.encode(telling), type=Telling) == telling
