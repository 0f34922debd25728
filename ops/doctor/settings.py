"""The configuration: what is valid and yet dangerous, such as a token that stands in a public README.

Place in the flow: a check of `jedel doctor`. Values out of range and unknown keys never come so far: `ops.layers` refuses them,
and `jedel doctor` tells those faults instead of everything else.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ops.config import ClientEntry, Config, Listen, SourceEntry, split_address, token_digest
from ops.counted import counted
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from ops.layers import DEFAULT

KNOWN_TOKENS: Final = (
    *("trial-source", "trial-dispatcher", "trial-shift-lead", "trial-observer"),
    *("own-source", "own-client", "change-me", "secret", "password"),
)
"""Tokens of ops/example.toml, of the README and of the demo: everybody has them."""
TOKEN_MIN: Final = 16
"""Characters of a token that cannot be tried out: random ones of so many hold at least 64 bits."""
ADDRESS_KEYS: Final = ("ingest_tcp", "ingest_ws", "dispatch", "health")
_KNOWN_DIGESTS: Final = {token_digest(token): token for token in KNOWN_TOKENS}
_MAKE_ONE: Final = "make one with: openssl rand -hex 24"


async def check(world: World) -> list[Verdict]:
    """The configuration's own dangers, and whether its file shows secrets to everybody on the machine."""
    config = world.config
    set_here = sum(origin != DEFAULT for origin in world.effective.origins.values())
    counts = (
        f"{counted(len(config.sources), 'source')}, {counted(len(config.clients), 'client')}, {counted(set_here, 'key')} set"
    )
    summary = ok(f"{world.file or 'no file'}: valid; {counts}")
    found = [*dangers(config), *([] if world.file is None else file_dangers(world.file, config))]
    return [summary, *found]


def addresses(listen: Listen) -> dict[str, str]:
    """Key of section `listen` → HOST:PORT, of every listener that this version has."""
    return {key: address for key in ADDRESS_KEYS if (address := str(getattr(listen, key, "")))}


def is_unspecified(host: str) -> bool:
    """Whether a host means every address of this machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address of the configuration."""
    host = split_address(address)[0]
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def dangers(config: Config) -> Iterator[Verdict]:
    """What is valid and dangerous."""
    listen = config.listen
    outside = {key for key, address in addresses(listen).items() if not is_loopback(address)}
    yield from _tokens(
        config, ingest_outside=bool(outside & {"ingest_tcp", "ingest_ws"}), dispatch_outside="dispatch" in outside
    )
    if outside & {"ingest_tcp", "ingest_ws", "dispatch"} and not listen.tls_certificate:
        shown = ", ".join(f"listen.{key}" for key in sorted(outside - {"health"}))
        yield warning(
            f"{shown}: other machines connect without TLS, and tokens and callers' words can be read on the way",
            "set listen.tls_certificate and listen.tls_key, or listen on 127.0.0.1 behind a proxy that speaks TLS",
        )
    if not config.sources:
        yield warning("sources: nobody may push events", "add a table [[sources]] with id and token_sha256")
    if not config.clients:
        yield warning("clients: nobody may connect to dispatch", "add a table [[clients]] with operator, role and token_sha256")
    if config.channels.webhook_secret in KNOWN_TOKENS:
        yield fault("channels.webhook_secret: is one that everybody knows", f"{_MAKE_ONE}; tell it to the receivers")
    if config.terms.pace != 1.0:
        yield warning(
            f"terms.pace = {config.terms.pace:g}: terms run {config.terms.pace:g} times as fast as life",
            "for use set terms.pace = 1",
        )
    dsn = config.database.dsn
    if dsn and _is_remote(dsn) and "sslmode=" not in dsn:
        yield warning(
            "database.dsn: nothing asks for TLS on the way to the database",
            "add ?sslmode=verify-full (or require) to database.dsn",
        )
    if config.storage.incident_days < config.context.road_days:
        yield warning(
            f"storage.incident_days = {config.storage.incident_days}: contexts look {config.context.road_days} days back",
            "raise storage.incident_days, or lower context.road_days",
        )


def _is_remote(dsn: str) -> bool:
    authority = dsn.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = authority.rpartition(":")[0] if ":" in authority and not authority.endswith("]") else authority
    host = host.removeprefix("[").removesuffix("]")
    return bool(host) and not is_loopback(f"[{host}]:1" if ":" in host else f"{host}:1")


def _tokens(config: Config, *, ingest_outside: bool, dispatch_outside: bool) -> Iterator[Verdict]:
    entries: list[tuple[str, SourceEntry | ClientEntry, bool]]
    entries = [(f"sources[{number}] ({source.id})", source, ingest_outside) for number, source in enumerate(config.sources)]
    entries += [
        (f"clients[{number}] ({client.operator})", client, dispatch_outside) for number, client in enumerate(config.clients)
    ]
    known: list[str] = []
    for name, entry, outside in entries:
        if entry.digest() in _KNOWN_DIGESTS:
            if outside:
                yield fault(f"{name}: its token is one that everybody knows, and other machines can connect", _MAKE_ONE)
            else:
                known.append(name)
        elif outside and entry.token and len(entry.token) < TOKEN_MIN:
            yield warning(f"{name}: its token has fewer than {TOKEN_MIN} characters, and other machines can connect", _MAKE_ONE)
    if known:
        yield warning(
            f"{', '.join(known)}: tokens that everybody knows; this machine only can connect",
            f"before other machines may connect, {_MAKE_ONE}",
        )
    if ingest_outside and any(source.id == "*" for source in config.sources):
        yield warning(
            'sources: the token of id = "*" speaks for any source',
            "give each source a table [[sources]] of its own",
        )


def file_dangers(file: Path, config: Config) -> Iterator[Verdict]:
    """Whether others on this machine can read the secrets of a configuration's file."""
    channels = config.channels
    secrets = (
        any(entry.token for entry in config.sources)
        or any(entry.token for entry in config.clients)
        or any((channels.webhook_secret, channels.mail_password, channels.sms_password))
    )
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if secrets and mode & (stat.S_IROTH | stat.S_IWOTH):
        yield warning(
            f"{file}: holds secrets, and everybody on this machine can read it",
            f"chmod 640 {file}, and token_sha256 in the place of token",
        )
