"""The replay's script: calls at their times, units that do what the records say, and the report's arithmetic."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.events import AnyEvent, Call, CrewStatus, Position
from core.instant import SECOND_US, to_micros
from core.vocabulary import AssignmentState, IncidentState
from loadtest.board import AssignmentView, ExplanationView, IncidentView, Offered, ToldView
from ops.cad import Cad, read_cad
from ops.cad_habits import Habits, categories_toml
from ops.cli import main
from ops.own_service import DATA, own_service
from ops.replay import LEAD_S, ReplayScript, configuration, replay, term_s
from ops.replay_report import Summary, recorded_intervals, report, summarise
from tests.ops.test_cad import text

START_US = 1_700_000_000 * SECOND_US
SPEED = 10.0
REAL_SPEED = 2_000.0
MEDIC = {
    "Unit ID": "85",
    "Unit Type": "MEDIC",
    "On Scene DtTm": "04/08/2020 12:02:21 AM",
    "Available DtTm": "04/08/2020 01:35:00 AM",
}
LATER = {
    "Call Number": "300",
    "Received DtTm": "04/08/2020 02:53:08 AM",
    "Entry DtTm": "04/08/2020 02:53:09 AM",
    "Dispatch DtTm": "04/08/2020 02:54:00 AM",
    "Response DtTm": "04/08/2020 02:55:00 AM",
    "On Scene DtTm": "04/08/2020 03:00:00 AM",
    "Available DtTm": "04/08/2020 03:15:00 AM",
}


@pytest.fixture
def cad(tmp_path: Path) -> Cad:
    (tmp_path / "cad.csv").write_text(text({}, MEDIC, LATER))
    return read_cad(tmp_path / "cad.csv")


def script_of(cad: Cad, until_us: int | None = None) -> ReplayScript:
    return ReplayScript(cad, Habits(cad), SPEED, START_US, {"telephone": 101, "crews": 1}, until_us)


def offer(crew: str, seq: int, capability: str = "fire", incident: int = 7) -> Offered:
    assignment = AssignmentView(1, crew, capability, AssignmentState.OFFERED, ExplanationView("nearest_capable", 1.0), START_US)
    view = IncidentView(
        incident, START_US, IncidentState.ASSIGNED, told=(ToldView(f"telephone/{seq}"),), assignments=(assignment,)
    )
    return Offered(crew, view, assignment)


def clock(recorded_s: float) -> int:
    """The clock's time so many recorded seconds after the first call."""
    return START_US + round((LEAD_S + recorded_s / SPEED) * SECOND_US)


def statuses(events: list[AnyEvent], crew: str) -> dict[str, int]:
    return {event.status: to_micros(event.at) for event in events if type(event) is CrewStatus and event.crew == crew}


def played(script: ReplayScript, until_us: int) -> list[AnyEvent]:
    events = script.events_until(until_us)
    return [*events.get("telephone", []), *events.get("crews", [])]


def test_calls_are_sent_when_they_are_entered_and_say_when_they_were_received(cad: Cad) -> None:
    script = script_of(cad)
    # The first call taker asked for 142 s before anybody could know what it is about.
    assert not any(type(event) is Call for event in played(script, clock(141)))
    assert any(type(event) is Call for event in played(script, clock(142)))
    calls = [event for event in played(script_of(cad), clock(4 * 3600)) if type(event) is Call]
    assert [(call.seq, call.call_id, to_micros(call.at)) for call in calls] == [
        (101, "200983546", clock(0)),
        (102, "300", clock(3 * 3600)),
    ]
    assert script.seconds == pytest.approx(LEAD_S + (3 * 3600 + 1) / SPEED)


def test_calls_are_numbered_as_they_are_entered(tmp_path: Path) -> None:
    # Received a minute later than the first one, and entered before it.
    quick = {"Call Number": "2", "Received DtTm": "04/07/2020 11:54:08 PM", "Entry DtTm": "04/07/2020 11:54:10 PM"}
    (tmp_path / "cad.csv").write_text(text({}, quick))
    calls = [event for event in played(script_of(read_cad(tmp_path / "cad.csv")), clock(3600)) if type(event) is Call]
    assert [(call.seq, call.call_id, to_micros(call.at)) for call in calls] == [
        (101, "2", clock(60)),
        (102, "200983546", clock(0)),
    ]


def test_calls_end_where_the_replay_is_told_to(cad: Cad) -> None:
    script = script_of(cad, until_us=cad.calls[0].received_us + 3600 * SECOND_US)
    assert [call.number for call in script.calls] == ["200983546"]


def test_unit_is_on_duty_while_its_shift_lasts(cad: Cad) -> None:
    events = played(script_of(cad), clock(4 * 3600))
    engine, medic = statuses(events, "E32"), statuses(events, "85")
    assert set(engine) == {"free", "off_duty"}
    assert engine["free"] == clock(0)
    # From its dispatch, 168 s after the call, until it was available.
    assert (medic["free"], medic["off_duty"]) == (clock(168), clock(6_112))
    first = next(event for event in events if type(event) is CrewStatus and event.crew == "85")
    assert (first.capabilities, first.outside) == (("ambulance",), True)


def test_unit_does_what_the_records_say_when_it_is_sent(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(10))
    script.offer(offer("E32", 101), clock(10))
    script.offer(offer("E32", 101), clock(12))
    told = statuses(played(script, clock(3 * 3600)), "E32")
    assert [status for status, _ in sorted(told.items(), key=lambda item: item[1])][:4] == [
        "accepted",
        "en_route",
        "on_scene",
        "cleared",
    ]
    # Turnout 146 s and work 940 s as recorded; its home is the place itself, so travel is the fixed part alone.
    assert told["en_route"] == clock(10 + 146)
    assert told["on_scene"] == pytest.approx(clock(10 + 146 + 120), abs=2)
    assert told["cleared"] - told["on_scene"] == 94 * SECOND_US


def test_unit_leaves_after_its_task_when_its_shift_ends_meanwhile(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(6_100))
    script.offer(offer("85", 101, "ambulance"), clock(6_100))
    told = statuses(played(script, clock(20_000)), "85")
    assert told["off_duty"] == told["cleared"] > clock(6_112)


def test_unit_forgets_its_task_when_it_is_withdrawn(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(10))
    script.offer(offer("E32", 101), clock(10))
    script.withdraw("E32", 8, clock(11))
    script.withdraw("E32", 7, clock(12))
    told = statuses(played(script, clock(2 * 3600)), "E32")
    assert set(told) <= {"accepted", "free"}
    # A minute of the records later it says that it can be sent again.
    assert told["free"] == clock(72)


def test_reports_of_a_task_that_is_taken_back_have_crossed(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(10))
    script.offer(offer("E32", 101), clock(10))
    said = [event.seq for event in played(script, clock(600)) if type(event) is CrewStatus and event.crew == "E32"]
    assert len(said) >= 2
    assert script.crossed == set()
    script.withdraw("E32", 7, clock(601))
    assert script.crossed == set(said)
    # What it says of its next task is another matter, and so is what it says of none.
    script.offer(offer("E32", 101, incident=8), clock(700))
    assert statuses(played(script, clock(3 * 3600)), "E32")["cleared"]
    script.withdraw("E32", 8, clock(3 * 3600))
    assert script.crossed == set(said)


def test_reports_of_a_task_have_crossed_when_the_next_one_is_heard_of_first(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(10))
    script.offer(offer("E32", 101), clock(10))
    said = [event.seq for event in played(script, clock(600)) if type(event) is CrewStatus and event.crew == "E32"]
    script.offer(offer("E32", 101, incident=8), clock(601))
    script.withdraw("E32", 7, clock(602))
    assert script.crossed == set(said) != set()


def test_offer_is_passed_over_when_the_unit_has_gone_off_duty(cad: Cad) -> None:
    script = script_of(cad)
    assert "off_duty" in statuses(played(script, clock(6_200)), "85")
    script.offer(offer("85", 101, "ambulance"), clock(6_200))
    assert statuses(played(script, clock(2 * 3600)), "85") == {}


def test_offer_is_passed_over_when_unit_or_call_are_not_of_the_records(cad: Cad) -> None:
    script = script_of(cad)
    script.events_until(clock(10))
    script.offer(offer("X1", 101), clock(10))
    script.offer(offer("E32", 900), clock(10))
    assert statuses(played(script, clock(3600)), "E32") == {}


def test_crews_events_are_numbered_by_one(cad: Cad) -> None:
    script = script_of(cad)
    events = [event for event in played(script, clock(4 * 3600)) if type(event) is not Call]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert any(type(event) is Position for event in events)


@pytest.mark.parametrize(
    ("key", "speed", "expected"),
    [
        ("no_crew_s", 1.0, 30),
        ("no_crew_s", 2_000.0, 0.015),
        ("no_crew_s", 60_000.0, 0.01),
        ("on_scene_s", 1_000.0, 0.9),
        ("accept_s", 6.0, 10),
        # An answer takes its way over the network however fast the records are played.
        ("accept_s", 60.0, 2),
        ("accept_s", 2_000.0, 2),
    ],
)
def test_term_is_shorter_by_the_speed_as_far_as_it_can_be(key: str, speed: float, expected: float) -> None:
    assert term_s(key, speed) == expected


def test_configuration_names_the_categories_and_the_terms() -> None:
    told = configuration(Path("/tmp/a b/c.toml"), 10.0)
    assert 'categories = "/tmp/a b/c.toml"' in told
    assert "on_scene_s = 90.0\n" in told


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Summary(0, 0.0, 0.0, 0.0)),
        ([5.0], Summary(1, 5.0, 5.0, 5.0)),
        ([float(value) for value in range(10, 0, -1)], Summary(10, 5.5, 5.0, 9.0)),
        ([float(value) for value in range(1, 101)], Summary(100, 50.5, 50.0, 90.0)),
    ],
)
def test_summary_is_of_the_ranked_values(values: list[float], expected: Summary) -> None:
    assert summarise(values) == expected


def test_recorded_intervals_run_by_the_first_unit(cad: Cad) -> None:
    intervals = dict(recorded_intervals(cad.calls))
    assert intervals["received → dispatched"].mean_s == pytest.approx((168 + 52) / 2)
    assert intervals["entered → dispatched"].mean_s == pytest.approx((26 + 51) / 2)
    assert intervals["received → on scene"].mean_s == pytest.approx((412 + 412) / 2)


def test_command_leaves_a_folder_alone_that_holds_a_services_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cad.csv").write_text(text({}))
    (tmp_path / DATA).mkdir()
    assert main(["replay", str(tmp_path / "cad.csv"), "--folder", str(tmp_path)]) == 1
    assert "holds a service's data already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cad.csv", DATA]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["absent.csv"], 1, "absent.csv: No such file"),
        (["empty.csv"], 1, "holds no calls"),
        (["empty.csv", "--speed", "0"], 2, "--speed"),
        (["empty.csv", "--hours", "-1"], 2, "--hours"),
    ],
)
def test_command_says_what_is_wrong_with_its_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, told: str
) -> None:
    (tmp_path / "empty.csv").write_text(text())
    assert main(["replay", str(tmp_path / arguments[0]), *arguments[1:]]) == status
    assert told in capsys.readouterr().err


@pytest.mark.real
def test_command_plays_the_real_file_and_tells_how_it_went(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = real_data / "cad-san-francisco-2020.csv.gz"
    assert main(["replay", str(file), "--speed", "2000", "--hours", "2"]) == 0
    out, err = capsys.readouterr()
    assert "line 3313, Available DtTm" in err
    assert "lost 0, refused 0" in out
    assert "calls without any assignment: 0" in out
    assert "received → on scene" in out
    assert "terms fired: " in out


@pytest.mark.real
def test_first_hours_of_san_francisco_lose_nothing_and_go_as_they_went(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cad = read_cad(real_data / "cad-san-francisco-2020.csv.gz")
    habits = Habits(cad)
    until_us = cad.calls[0].received_us + 16 * 3600 * SECOND_US
    table = tmp_path / "categories.toml"
    table.write_text(categories_toml(habits.categories), encoding="utf-8")
    shares: list[float] = []
    with own_service(tmp_path, configuration(table, REAL_SPEED)) as service:
        result = replay(service.centre, cad, habits, REAL_SPEED, until_us=until_us, tell=shares.append)
        found = asyncio.run(report(service.dsn, result, REAL_SPEED))
    assert main(["verify", "--data-dir", str(tmp_path / DATA)]) == 0, capsys.readouterr().err

    assert found.calls > 200
    assert (found.lost, found.refused, result.outcome.board.disordered) == (0, 0, 0)
    # At this speed a report is under way for ten recorded seconds and more, in which a nearer unit may have taken over.
    assert found.crossed < 0.02 * found.calls
    # Every call is in an incident of its own, as the department kept it, and to every incident somebody went.
    assert (found.incidents, found.unassigned_calls) == (found.calls, 0)
    assert found.queue.count == found.queued_needs
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    intervals = {interval.name: interval for interval in found.intervals}
    assert all(interval.replayed.count >= 0.95 * found.calls for interval in intervals.values())
    for name in ("received → dispatched", "dispatched → on scene", "received → on scene"):
        recorded, replayed = intervals[name].recorded, intervals[name].replayed
        assert recorded.mean_s / 2 < replayed.mean_s < recorded.mean_s * 2, intervals[name]
    # Entry is where the centre begins: what it needs from there on is the machine's latency times the speed, and queueing.
    assert 0 < intervals["entered → dispatched"].replayed.p50_s < 300
    assert 0.7 * found.recorded_assignments < found.assignments < 1.1 * found.recorded_assignments

    # Units of the records always answer; the owner's term passes hourly until an incident is closed.
    assert set(found.terms) <= {"crew", "on_scene", "review"}
    assert found.terms["review"] > 0
    assert all(found.terms[term] >= times for term, times in result.outcome.board.notice_counts.items())
