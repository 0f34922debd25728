"""A source, a client and a command by hand, as the README has a newcomer try them, against a whole centre without storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from loadtest.city import City
from ops.cli import main
from ops.commands.trying import connection_told
from tests.adapters.sending import closed_port
from tests.loadtest.memory_centre import MemoryCentre

EXAMPLES = Path(__file__).parents[2] / "ops" / "examples"
COMMANDS = (
    "accept, acknowledge, acknowledge_crew, add_note, change_priority, clear, close, create_incident, decline, en_route,"
    " hand_over, merge, on_scene, reassign, set_mode, split"
)


def with_centre(folder: Path, steps: Callable[[Callable[..., Awaitable[int]], list[str], list[str]], Awaitable[None]]) -> None:
    """Runs steps against a centre: they get `jedel`, and the flags for a source and for a client."""

    async def run() -> None:
        city = City(5, districts=1, streets=8, crews=0, cameras=0, subscribers=10, panels=0)
        async with MemoryCentre(city, folder) as centre, asyncio.timeout(60):
            source = ["--url", centre.address.ingest_url, "--token", centre.address.source_token]
            client = ["--url", centre.address.dispatch_url, "--token", centre.address.client_token]
            await steps(lambda *words: asyncio.to_thread(main, list(words)), source, client)

    asyncio.run(run())


def test_pushed_call_becomes_an_incident_whose_crew_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def steps(jedel: Callable[..., Awaitable[int]], source: list[str], client: list[str]) -> None:
        assert await jedel("push", str(EXAMPLES / "crews.ndjson"), *source) == 0
        assert await jedel("push", str(EXAMPLES / "calls.ndjson"), *source) == 1
        assert await jedel("order", "accept", "incident=1", "crew=F-1", *client) == 0
        assert await jedel("order", "accept", "incident=1", "crew=F-9", *client) == 1
        place = '{"latitude_deg":43.24,"longitude_deg":76.94}'
        assert await jedel("order", "create_incident", f"place={place}", "priority=3", "category=medical", *client) == 0
        ground = ("mode=heightened", "ground=order 12")
        assert await jedel("order", "set_mode", *ground, *client) == 0
        assert await jedel("watch", "--lines", "8", *client) == 0
        assert await jedel("watch", "--lines", "1", "--json", *client) == 0

    with_centre(tmp_path, steps)
    said = capsys.readouterr().out.splitlines()
    assert said[:6] == [
        "welcome: push goes on from seq 1",
        "push: sent=5 refused=0 acked_seq=5",
        "welcome: push goes on from seq 6",
        "error: seq 8: invalid_field $.confidence: Expected `float` <= 1.0",
        "push: sent=4 refused=1 acked_seq=9",
        "done: incident 1",
    ]
    assert said[6].startswith("not done: incident 1 unknown_crew: ")
    assert said[7] == "done: incident 3"
    assert said[8] == "done: set_mode"
    watched = said[9:17]
    assert sum(line.startswith("crew ") for line in watched) == 5
    assert any(line.startswith("incident 1 ") and "F-1 accepted" in line for line in watched)
    assert any(line.startswith("incident 2 v2 assigned: assault") for line in watched)
    assert said[17].startswith('{"crew_id":')


def test_refused_client_is_one_readable_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def steps(jedel: Callable[..., Awaitable[int]], source: list[str], client: list[str]) -> None:
        assert await jedel("watch", *client[:2], "--token", "wrong") == 1
        assert await jedel("order", "clear", "incident=1", "crew=F-1", *client[:2], "--token", "wrong") == 1
        assert await jedel("push", str(EXAMPLES / "calls.ndjson"), *source[:2], "--token", "wrong") == 1

    with_centre(tmp_path, steps)
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("watching ")]
    assert [line.startswith("jedel: ") and "unauthorized" in line for line in said] == [True, True, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["acept", "incident=1"],
            f"jedel: order: 'acept' is no command; there are {COMMANDS}",
        ),
        (["accept", "incident=1"], "jedel: order accept: Object missing required field `crew`"),
        (["accept", "incident=one", "crew=F-1"], "jedel: order accept: Expected `int`, got `str` - at `$.incident`"),
        (["accept", "incident"], "jedel: order accept: 'incident' is not FIELD=VALUE"),
        (["create_incident", "place={"], "jedel: order create_incident: Input data was truncated"),
    ],
)
def test_wrong_command_is_refused_before_it_is_given(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["order", *words, "--token", "any"]) == 2
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["push", "ops/examples/calls.ndjson"], "is not tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT"),
        (["watch"], "is not ws://HOST:PORT/dispatch/v1 or wss://HOST:PORT/dispatch/v1"),
        (["order", "accept", "incident=1", "crew=F-1"], "is not ws://HOST:PORT/dispatch/v1 or wss://HOST:PORT/dispatch/v1"),
    ],
)
@pytest.mark.parametrize("url", ["127.0.0.1:7113", "http://127.0.0.1:7113/dispatch/v1", "ws://127.0.0.1:no/dispatch/v1"])
def test_url_of_another_kind_is_one_line_that_names_the_flag(
    words: list[str], said: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--token", "any", "--url", url]) == 2
    assert capsys.readouterr().err == f"jedel: --url: {url!r} {said}\n"


def test_push_where_nobody_listens_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"tcp://127.0.0.1:{closed_port()}"
    assert main(["push", "ops/examples/calls.ndjson", "--token", "any", "--url", url]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"jedel: no connection to {url}: ")
    assert said.endswith("; is a centre running there?\n")


def test_a_centre_that_is_away_is_told_of_once_and_so_is_its_comeback(capsys: pytest.CaptureFixture[str]) -> None:
    told = connection_told("ws://there")
    for is_up, why in ((True, ""), (False, "it burns"), (True, "")):
        told(is_up, why)
    assert capsys.readouterr().err == "no connection to ws://there (it burns); trying again\nconnected\n"
