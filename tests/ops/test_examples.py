"""The examples that the README has newcomers run do what it says, against a whole centre without storage."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from loadtest.city import City
from tests.loadtest.memory_centre import MemoryCentre

PROJECT = Path(__file__).parents[2]
JEDEL = "import sys; from ops.cli import main; sys.exit(main())"


def test_examples_lead_from_a_call_to_an_accepting_crew(tmp_path: Path) -> None:
    asyncio.run(_lead(tmp_path))


async def _lead(folder: Path) -> None:
    city = City(5, districts=1, streets=8, crews=0, cameras=0, subscribers=10, panels=0)
    async with MemoryCentre(city, folder) as centre, asyncio.timeout(60):
        ingest, dispatch = centre.address.ingest_url, centre.address.dispatch_url
        pushed = await said("-c", JEDEL, "push", "ops/examples/crews.ndjson", "--url", ingest, "--token", "in")
        assert pushed.endswith("push: sent=5 refused=0 acked_seq=5\n")

        source = await said("ops/examples/source_sockets.py", ingest.removeprefix("tcp://"), "in")
        assert "'committed_seq': 0" in source
        assert "'code': 'invalid_field', 'field': '$.confidence'" in source
        assert "'reason': 'finished'" in source
        assert await said("ops/examples/source_client.py", ingest, "in") == "committed up to seq 1\n"

        first = await said("ops/examples/dispatch_websocket.py", dispatch, "out")
        assert "snapshot incident 1 version 6 assigned" in first
        assert "answer True" in first
        cursor = re.search(r"resume with cursor (\d+)$", first, re.MULTILINE)
        assert cursor is not None
        again = await said("ops/examples/dispatch_websocket.py", dispatch, "out", cursor.group(1))
        assert "snapshot" not in again

        fires = await said("ops/examples/dispatch_client.py", dispatch, "out")
        assert "lead noted: Seen." in fires

        refused = "unauthorized the token is not one of a client's\n"
        assert await complaint("ops/examples/dispatch_websocket.py", dispatch, "wrong") == f"goodbye: {refused}"
        assert await complaint("ops/examples/dispatch_client.py", dispatch, "wrong") == refused
        assert await complaint("ops/examples/source_client.py", ingest, "wrong") == (
            "unauthorized: the token is not one of this source's\n"
        )
        elsewhere = dispatch.rpartition(":")[0] + ":1/dispatch/v1"
        assert (await complaint("ops/examples/dispatch_websocket.py", elsewhere, "out")).startswith(f"{elsewhere}: ")


def test_source_whose_url_is_none_is_told_so_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "ops/examples/source_client.py", "127.0.0.1:7112"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    allowed = "tcp://host:port, tls://host:port, ws://host:port or wss://host:port"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"URL: '127.0.0.1:7112' is not {allowed}\n")


async def said(*arguments: str) -> str:
    """What a Python program printed."""
    status, out, err = await _ran(*arguments)
    assert (status, err) == (0, ""), err
    return out


async def complaint(*arguments: str) -> str:
    """Why a Python program gave up."""
    status, _, err = await _ran(*arguments)
    assert status == 1
    return err


async def _ran(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=PROJECT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
