"""The command line as a person uses it: one readable line for an error, and an exit status that a script can trust."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from ops.cli import app, main

USAGE_ERRORS = [
    (["bogus"], 'Unknown command "bogus"'),
    (["config", "check"], "FILE is missing: jedel config check --help"),
    (["config", "show", "--bogus"], "Unknown option"),
    (["config", "show", "--set", "terms.accept_s"], "--set terms.accept_s: must be SECTION.KEY=VALUE"),
    (["config", "show", "--set", "terms.accept_s=-1"], "--set terms.accept_s = '-1': must be a number from 0 to 3600"),
    (["config", "show", "--dsn", "mysql://x"], "--set database.dsn = 'mysql://x': must be postgresql://"),
    (["serve", "--dispatch", "7113"], "--set listen.dispatch = '7113': must be HOST:PORT"),
    (["config", "show", "--config", "/nowhere/jedel.toml"], "/nowhere/jedel.toml: cannot be read"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE_ERRORS)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    written = capsys.readouterr()
    assert written.out == ""
    (line,) = written.err.splitlines()
    assert line.startswith("jedel: ")
    assert said in line


def test_config_show_is_toml_with_origins_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jedel.toml"
    file.write_text('[terms]\naccept_s = 90\n[[sources]]\nid = "panel"\ntoken = "hidden"\n')
    assert (
        main(["config", "show", "--config", str(file), "--dsn", "postgresql://u:hidden@h/d", "--set", "terms.review_s=600"])
        == 0
    )
    shown = capsys.readouterr().out
    assert f"accept_s = 90.0  # {file}\n" in shown
    assert "review_s = 600.0  # flag\n" in shown
    assert "no_crew_s = 0.0  # default\n" in shown
    assert 'dsn = "postgresql://u:***@h/d"  # flag\n' in shown
    assert f'[[sources]]  # {file}\nid = "panel"\ntoken = "***"\n' in shown
    assert "hidden" not in shown


def test_config_show_without_secrets_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    file = tmp_path / "shown.toml"
    file.write_text(capsys.readouterr().out)
    assert main(["config", "check", str(file)]) == 0
    assert "good; 0 sources, 0 clients" in capsys.readouterr().out


def test_config_check_tells_every_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jedel.toml"
    file.write_text("[terms]\naccept_s = -1\nno_crew_s = -1\n")
    assert main(["config", "check", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_data_dir_means_the_embedded_server_whatever_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jedel.toml"
    file.write_text('[database]\ndsn = "postgresql://h/d"\n')
    assert main(["config", "show", "--config", str(file), "--data-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert 'dsn = ""  # flag\n' in shown
    assert f'data_dir = "{tmp_path}"  # flag\n' in shown


def test_failure_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "import", __file__, "--dsn", "postgresql://nobody@127.0.0.1:1/none"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jedel: storage: unreachable: ")


def test_service_that_cannot_begin_says_so_in_one_line(database: str, tmp_path: Path) -> None:
    # Out of the nurseries that it lives in comes a group of one.
    dsn = database.replace(database.partition("@/")[2].partition("?")[0], "no_such_database")
    code = "import sys; from ops.cli import main; sys.exit(main())"
    flags = ["--dsn", dsn, "--set", f"database.data_dir={tmp_path}", "--health", "127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", *flags], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("jedel: storage: internal: InvalidCatalogNameError: ") and "no_such_database" in last


def test_help_loads_nothing_heavy() -> None:
    # What a person waits for at every --help and every wrong flag.
    code = (
        "import sys; from ops.cli import main; main(['--help']);"
        "print(sorted({'asyncpg', 'numpy', 'scipy', 'shapely', 'osmium', 'trio', 'uvloop', 'picows'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_and_flag_has_help() -> None:
    silent: list[str] = []
    for path, command in commands():
        collection = command.assemble_argument_collection() if command.default_command else []
        if not command.help:
            silent.append(path)
        silent += [f"{path} {argument.name}" for argument in collection if argument.show and not argument.parameter.help]
    assert silent == []


def commands() -> list[tuple[str, App]]:
    """Every command below `jedel`, with the words that call it."""
    found = []
    waiting = [("jedel", app)]
    while waiting:
        path, parent = waiting.pop()
        for name in parent:
            if not name.startswith("-"):
                waiting.append((f"{path} {name}", parent[name]))
                found.append((f"{path} {name}", parent[name]))
    return found
