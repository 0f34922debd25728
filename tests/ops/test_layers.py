"""Every layer wins over the one below it, and every error says where, which key, what, and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.config import Config
from ops.layers import ConfigError, load


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "jedel.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_given_is_the_defaults() -> None:
    effective = load(None, {"PATH": "/bin"}, {})
    assert effective.config == Config()
    assert set(effective.origins.values()) == {"default"}
    assert effective.origins["terms.accept_s"] == "default"


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    file = write(tmp_path, "[terms]\naccept_s = 10\nno_crew_s = 10\non_scene_s = 100\n")
    effective = load(
        file,
        {"JEDEL_TERMS_NO_CREW_S": "20", "JEDEL_TERMS_ON_SCENE_S": "200"},
        {"terms.on_scene_s": "300"},
    )
    terms = effective.config.terms
    assert (terms.accept_s, terms.no_crew_s, terms.on_scene_s, terms.review_s) == (10, 20, 300, 0)
    assert [effective.origins[f"terms.{key}"] for key in ("accept_s", "no_crew_s", "on_scene_s", "review_s")] == [
        str(file),
        "JEDEL_TERMS_NO_CREW_S",
        "flag",
        "default",
    ]


def test_variable_names_the_file_unless_a_flag_does(tmp_path: Path) -> None:
    named = write(tmp_path, "[terms]\naccept_s = 10\n")
    other = tmp_path / "other.toml"
    other.write_text("[terms]\naccept_s = 11\n")
    assert load(None, {"JEDEL_CONFIG": str(named)}, {}).config.terms.accept_s == 10
    assert load(other, {"JEDEL_CONFIG": str(named)}, {}).config.terms.accept_s == 11


def test_entries_come_from_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[[sources]]\nid = "panel"\ntoken = "t1"\n[[clients]]\noperator = "aida"\nrole = "crew"\ncrew = "P-1"\ntoken = "t2"\n',
    )
    effective = load(file, {}, {})
    assert [entry.id for entry in effective.config.sources] == ["panel"]
    (client,) = effective.config.clients
    assert (client.operator, client.role, client.crew, client.territory) == ("aida", "crew", "P-1", "")
    assert effective.origins["clients"] == str(file)


FILE_FAULTS = [
    ("[terms]\naccept_s = -1", "FILE: terms.accept_s = -1: must be a number from 0 to 3600"),
    ("[terms]\naccept_s = true", "FILE: terms.accept_s = True: must be a number from 0 to 3600"),
    ('[terms]\naccept_s = "60"', "FILE: terms.accept_s = '60': must be a number from 0 to 3600"),
    ("[limits]\nidle_timeout_s = nan", "FILE: limits.idle_timeout_s = nan: must be a number from 1 to 3600"),
    ("[terms]\nacept_s = 60", "FILE: terms.acept_s: unknown key; did you mean accept_s?"),
    ("[term]\naccept_s = 60", "FILE: term: unknown section; did you mean terms?"),
    ("terms = 5", "FILE: terms = 5: must be a table: [terms]"),
    ("sources = 5", "FILE: sources = 5: must be tables: [[sources]]"),
    ('[[sources]]\ntoken = "t"', "FILE: sources[0].id: is missing"),
    ('[[sources]]\nid = "a"\ntokn = "t"', "FILE: sources[0].tokn: unknown key; did you mean token?"),
    ('[[sources]]\nid = "a"', "FILE: sources[0] = SourceEntry(id='a'): needs one of token and token_sha256"),
    ('[[sources]]\nid = "a"\ntoken_sha256 = "secret"', "FILE: sources[0].token_sha256 = ***: must be 64 lower-case"),
    ('[[clients]]\noperator = "a"\nrole = "boss"\ntoken = "t"', "FILE: clients[0].role = 'boss': must be one of crew, disp"),
    ('[log]\nlevel = "loud"', "FILE: log.level = 'loud': must be one of debug, error, info, warning"),
    ('[listen]\ndispatch = "7113"', "FILE: listen.dispatch = '7113': must be HOST:PORT"),
    ("[positions]\nlost_s = 60", "FILE: positions.lost_s = 60.0: must not be less than stale_s"),
    ('[listen]\ndispatch = "h:70000"', "FILE: listen.dispatch = 'h:70000': a port is at most 65535"),
    ('[listen]\ntls_key = "k"', "FILE: listen.tls_key = 'k': needs tls_certificate beside it"),
    ('[database]\ndsn = "mysql://u:secret@h/d"', "FILE: database.dsn = 'mysql://u:***@h/d': must be postgresql://"),
    ('[centre]\nregion = "Kazakhstan"', "FILE: centre.region = 'Kazakhstan': must be a country of ISO 3166-1"),
    ('[centre]\nterritory = "kz//almaty"', "FILE: centre.territory = 'kz//almaty': must be words joined by /"),
    ("[terms\n", "FILE: is not TOML: "),
]


@pytest.mark.parametrize(("text", "expected"), FILE_FAULTS)
def test_fault_in_the_file_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {})
    (line,) = caught.value.lines
    assert line.startswith(expected.replace("FILE", str(file)))
    assert "secret" not in line


OTHER_FAULTS: list[tuple[Mapping[str, str], Mapping[str, str], str]] = [
    ({"JEDEL_TERMS_ACCEPT_S": "soon"}, {}, "JEDEL_TERMS_ACCEPT_S = 'soon': must be a number from 0 to 3600"),
    ({"JEDEL_TERM_ACCEPT_S": "60"}, {}, "JEDEL_TERM_ACCEPT_S: unknown variable; did you mean JEDEL_TERMS_ACCEPT_S?"),
    ({}, {"terms.accept_s": "-1"}, "--set terms.accept_s = '-1': must be a number from 0 to 3600"),
    ({}, {"terms.acept_s": "60"}, "--set terms.acept_s: unknown key; did you mean accept_s?"),
    ({}, {"trems.accept_s": "60"}, "--set trems.accept_s: unknown key; did you mean terms.accept_s?"),
    ({}, {"sources": "x"}, "--set sources: unknown key; "),
]


@pytest.mark.parametrize(("environment", "flags", "expected"), OTHER_FAULTS)
def test_fault_outside_the_file_names_variable_or_flag(
    environment: Mapping[str, str], flags: Mapping[str, str], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, environment, flags)
    (line,) = caught.value.lines
    assert line.startswith(expected)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "[terms]\naccept_s = -1\nno_crew_s = -1\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {"JEDEL_TERMS_REVIEW_S": "-1"}, {"terms.on_scene_s": "-1"})
    assert len(caught.value.lines) == 4


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", {}, {})
    (tmp_path / "latin.toml").write_bytes(b'[centre]\nname = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8"):
        load(tmp_path / "latin.toml", {}, {})


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_flag_is_a_configuration_or_a_config_error(key: str, value: str) -> None:
    for name in (key, "terms.accept_s", "listen.dispatch", "database.dsn", "limits.events_per_s"):
        try:
            load(None, {}, {name: value})
        except ConfigError as error:
            assert error.lines


def test_example_shipped_is_good_and_stays_on_this_machine() -> None:
    config = load(Path(__file__).parents[2] / "ops/example.toml", {}, {}).config
    assert config.listen == Config().listen
    assert config.sources[0].id == "*"
    assert {client.role for client in config.clients} == {"dispatcher", "shift_lead", "observer"}
