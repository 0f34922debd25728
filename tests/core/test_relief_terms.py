"""Relief and time: which terms run on, which begin anew, and whose they are."""

from __future__ import annotations

import msgspec
import pytest

from core.commands import Merge
from core.events import Fix
from core.instant import SECOND_US
from core.scenario import Step
from core.vocabulary import TermKind
from tests.core.relief_town import (
    BESIDE,
    FAR,
    NEAR,
    RELIEVING,
    STILL_FAR,
    A,
    at,
    check_whole,
    far_town,
    reassign,
    told,
)
from tests.core.town import ACCEPT_S, DONE, EASTERN, ELSEWHERE, ON_SCENE_S, SPOT, Town
from tests.simulation.places import LONG, PLAIN, scenarios


def terms(town: Town, incident: int, crew: str, kind: TermKind) -> list[tuple[int, int]]:
    number = town.assignment(crew).assignment_id
    return [
        ((term.due_us - town.now_us) // SECOND_US, term.moment)
        for term in town.incident(incident).terms
        if term.kind is kind and term.assignment_id == number
    ]


def test_terms_when_a_relief_takes_over_run_on_as_they_did() -> None:
    town, incident = far_town()
    town.status(FAR, "accepted")
    town.wait(20)
    town.status(NEAR, "free")
    assert terms(town, incident, NEAR, TermKind.ACCEPT) == [(ACCEPT_S, 0)]
    assert terms(town, incident, NEAR, TermKind.ON_SCENE) == []
    town.wait(5)
    town.status(NEAR, "accepted")
    assert terms(town, incident, NEAR, TermKind.ACCEPT) == []
    assert terms(town, incident, NEAR, TermKind.ON_SCENE) == [(ON_SCENE_S - 25, 0)], "for the caller nothing begins anew"
    town.status(NEAR, "en_route")
    assert terms(town, incident, NEAR, TermKind.ON_SCENE) == [(ON_SCENE_S - 25, 0)]


def test_terms_when_the_relieved_never_answered_begin_with_the_relief() -> None:
    town, incident = far_town()
    town.wait(5)
    town.status(NEAR, "free")
    town.status(NEAR, "accepted")
    assert terms(town, incident, NEAR, TermKind.ON_SCENE) == [(ON_SCENE_S, 0)]
    assert [term.kind for term in town.incident(incident).terms if term.kind is TermKind.ACCEPT] == []


def test_terms_when_the_relieved_is_late_already_stay_late() -> None:
    town, incident = far_town(scenarios=scenarios(LONG))
    town.status(FAR, "en_route")
    town.wait(ON_SCENE_S + 1)
    (late,) = terms(town, incident, FAR, TermKind.ON_SCENE)
    assert late[1] > 0
    fired = town.committed.facts(incident).count("term_fired")
    town.status(NEAR, "free")
    town.status(NEAR, "accepted")
    assert terms(town, incident, NEAR, TermKind.ON_SCENE) == [late]
    assert town.committed.facts(incident).count("term_fired") == fired


def test_terms_when_a_crew_has_not_answered_do_not_wait_for_a_relief() -> None:
    town = Town(rules=RELIEVING, scenarios=scenarios(LONG))
    town.crew("P-0", "patrol", fix=SPOT)
    incident = town.call("fight")
    town.crew(FAR, "patrol", fix=ELSEWHERE)
    town.wait(ACCEPT_S + 1)
    late = [term.kind for term in town.incident(incident).terms if term.moment]
    assert (told(town, incident), late) == ({"P-0": A.EXPIRED, FAR: A.OFFERED}, [TermKind.ACCEPT])
    town.crew(NEAR, "patrol", fix=SPOT)
    town.status(FAR, "accepted")
    assert told(town, incident) == {"P-0": A.EXPIRED, FAR: A.ACCEPTED, NEAR: A.OFFERED}
    assert [term.kind for term in town.incident(incident).terms if term.moment] == []


def test_relief_when_somebody_is_told_before_it_expires_expires_all_the_same() -> None:
    steps = Step(after_s=0, do="tell", to="shift_lead"), Step(after_s=30, do="next_crew")
    telling = msgspec.structs.replace(PLAIN, version=7, accept=msgspec.structs.replace(PLAIN.accept, steps=steps))
    town, incident = far_town(scenarios=scenarios(telling))
    town.status(FAR, "accepted")
    town.status(NEAR, "free")
    town.wait(ACCEPT_S + 1)
    town.status(FAR, "en_route")  # whatever happens meanwhile
    town.wait(60)
    assert told(town, incident) == {FAR: A.EN_ROUTE, NEAR: A.EXPIRED}
    check_whole(town)


@pytest.mark.parametrize(("nearer", "stays", "leaves"), [(BESIDE, FAR, NEAR), (ELSEWHERE, NEAR, FAR)])
def test_terms_when_a_merger_brings_the_relief_are_those_of_who_was_sent_first(nearer: Fix, stays: str, leaves: str) -> None:
    """The relief has taken another incident, which turns out to be this one: there it is under way already."""
    town, incident = far_town()
    town.status(FAR, "en_route")
    town.wait(20)
    at(FAR, ELSEWHERE)(town, incident)
    town.status(NEAR, "free", fix=STILL_FAR)
    other = town.call("burglar", fix=Fix(EASTERN.latitude_deg, EASTERN.longitude_deg, 500.0))
    reassign(to=NEAR)(town, other)
    town.status(NEAR, "accepted", incident=other)
    at(FAR, nearer)(town, incident)
    assert town.order(Merge(command_id="m", incident=other, into=incident)) == DONE
    assert told(town, incident)[leaves] is A.WITHDRAWN
    left = [term.assignment_id for term in town.incident(incident).terms if term.assignment_id is not None]
    serving = next(one for one in town.incident(incident).assignments if one.crew == stays)
    assert set(left) == {serving.assignment_id}, "no term of a crew that does not come"
    assert terms(town, incident, stays, TermKind.ON_SCENE) == [(ON_SCENE_S - 20, 0)], "for the caller nothing begins anew"
    check_whole(town)


def test_terms_when_the_chain_of_the_relieved_has_run_out_do_not_begin_anew() -> None:
    town, incident = far_town()
    town.status(FAR, "en_route")
    for _ in range(60):
        town.wait(5)
    assert terms(town, incident, FAR, TermKind.ON_SCENE) == []
    at(FAR, ELSEWHERE)(town, incident)
    town.crew("P-3", "patrol", fix=SPOT)
    town.status("P-3", "accepted")
    assert told(town, incident)["P-3"] is A.ACCEPTED
    assert terms(town, incident, "P-3", TermKind.ON_SCENE) == []
