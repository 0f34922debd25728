"""What can be configured, with defaults and ranges: the frozen structs that `jedel serve` runs on.

Every value here comes from a TOML file, the environment or a flag (`ops.layers` merges and validates them); nothing else in the
project reads any of the three. A range is part of the type, so a value outside it never reaches the service. Keys carry their
unit. Requirements: CITY-10 (terms), OCC-1 (windows), CITY-12 (positions and retention).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core import limits
from core.roster.local_time import LocalTimeError, zone_of
from protocols.ingest.message import SourceName

Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):\d{1,5}$",
        description="HOST:PORT, for example 127.0.0.1:7111 or [::1]:7111",
    ),
]
ServerAddress = Annotated[
    str,
    Meta(
        pattern=r"^((\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):\d{1,5})?$",
        description="HOST:PORT, for example smtp.example.kz:587, or empty",
    ),
]
Digest = Annotated[
    str, Meta(pattern=r"^([0-9a-f]{64})?$", description="64 lower-case hexadecimal digits (SHA-256 of the token)")
]
Token = Annotated[str, Meta(max_length=256, description="text of at most 256 characters")]
Name = Annotated[str, Meta(min_length=1, max_length=64, description="1 to 64 characters")]
SourceId = Annotated[SourceName, Meta(description="1 to 64 characters, without / and control characters")]
_STEP: Final = r"[^\W_]+([-_.][^\W_]+)*"
TerritoryPath = Annotated[
    str, Meta(pattern=rf"^({_STEP}(/{_STEP})*)?$", description="words joined by /, such as kz/almaty/medeu, or empty")
]
Role = Literal["dispatcher", "crew", "observer", "shift_lead"]

MASK: Final = "***"
SECRETS: Final = frozenset({"token", "token_sha256", "webhook_secret", "mail_password", "sms_password"})
"""Keys whose values are never shown."""


class Problem(msgspec.Struct, frozen=True):
    """A rule that is broken: the key to blame, its value, and what is allowed."""

    key: str
    value: object
    allowed: str


class Centre(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose centre this is."""

    name: Name = "centre"
    region: Annotated[
        str, Meta(pattern=r"^[A-Z]{2}$", description="a country of ISO 3166-1 in two capitals, for example KZ")
    ] = "KZ"
    """Whose numbering plan reads a telephone number without a country code."""
    territory: TerritoryPath = ""
    """The node of the vertical the centre answers for: the territory of an incident whose place is unknown."""
    categories: Annotated[str, Meta(description="a TOML file with a table of categories, or empty")] = ""
    """The centre's own table of categories; empty for the one shipped, `core/categories.toml`."""
    scenarios: Annotated[str, Meta(description="a folder of TOML files, one scenario a category, or empty")] = ""
    """The centre's own scenarios; empty for those shipped, `core/scenarios/`."""
    people: Annotated[str, Meta(description="a TOML file with the people who are told, or empty")] = ""
    """Who is told what the engine decides that somebody must know (`ops/examples/people.toml`); read again when it changes."""
    time_zone: Name = "Asia/Almaty"
    """IANA name of the zone whose local times its roster has."""


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the centre's state is kept."""

    dsn: Annotated[
        str, Meta(pattern=r"^(postgres(ql)?://\S+)?$", description="postgresql://USER:PASSWORD@HOST:PORT/NAME, or empty")
    ] = ""
    """Any PostgreSQL from 14 on; empty for the embedded one."""
    data_dir: Annotated[str, Meta(min_length=1, description="a folder")] = "jedel-data"
    """Folder of the embedded PostgreSQL, made when absent; unused with a `dsn`."""

    def __repr__(self) -> str:
        return f"Database(dsn={mask_dsn(self.dsn)!r}, data_dir={self.data_dir!r})"


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where peers connect. With a certificate the first three listeners speak TLS."""

    ingest_tcp: Address = "127.0.0.1:7111"
    ingest_ws: Address = "127.0.0.1:7112"
    dispatch: Address = "127.0.0.1:7113"
    health: Address = "127.0.0.1:7114"
    """Where `/livez`, `/readyz` and `/metrics` are answered, without TLS; by a standby too."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty for no TLS."""
    tls_key: str = ""
    """PEM file of its private key."""


class SourceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source that may push events. `id = "*"` lets its token speak for any source that has no entry of its own."""

    id: SourceId
    token: Token = ""
    token_sha256: Digest = ""

    def digest(self) -> str:
        """SHA-256 of its token in hexadecimal: all that is ever compared."""
        return self.token_sha256 or token_digest(self.token)

    def __repr__(self) -> str:
        return f"SourceEntry(id={self.id!r})"


class ClientEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person or a crew's terminal that may connect to the dispatch protocol."""

    operator: Name
    role: Role
    territory: TerritoryPath = ""
    """What it may see: this node and everything below; empty for all."""
    crew: Annotated[str, Meta(max_length=64, description="a crew's call sign of at most 64 characters")] = ""
    """The crew it acts for; required in role `crew`."""
    token: Token = ""
    token_sha256: Digest = ""

    def digest(self) -> str:
        """SHA-256 of its token in hexadecimal: all that is ever compared."""
        return self.token_sha256 or token_digest(self.token)

    def __repr__(self) -> str:
        return f"ClientEntry(operator={self.operator!r}, role={self.role!r}, territory={self.territory!r}, crew={self.crew!r})"


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the centre waits before it escalates, for all scenarios alike; 0 leaves it to each of them."""

    accept_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """A crew accepts."""
    no_crew_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """A crew is found."""
    on_scene_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    """The crew is on scene."""
    review_s: Annotated[float, Meta(ge=0, le=604_800)] = 0.0
    """An incident that nothing else watches is looked at again."""
    pace: Annotated[float, Meta(ge=0.01, le=100_000)] = 1.0
    """Seconds of the scenarios that pass in one of the clock: above 1 where recorded days run faster than life."""


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which crew goes."""

    policy: Literal["nearest_free", "nearest_waiting", "relieving"] = "relieving"
    """A need that is new gets the nearest free crew. A crew that frees goes to the oldest need of the most urgent priority
    (`nearest_free`), or to the nearest of its eight oldest (`nearest_waiting`). With `relieving`, besides, one for which
    nothing waits takes over from a crew that is still far away."""


class Correlate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When two events are one happening, as far as it is not said of each category in their table."""

    repeat_window_s: Annotated[int, Meta(ge=10, le=604_800)] = 7200
    """A number that calls again within it calls about the same thing."""
    device_window_s: Annotated[int, Meta(ge=10, le=604_800)] = 1800
    """A device that speaks again within it means the same thing."""
    repeat_quiet_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """A sensor that repeats itself within it adds no line to its incident's log."""


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far around an incident its context looks for earlier ones."""

    near_m: Annotated[float, Meta(ge=1, le=2000)] = 250.0
    """Earlier incidents within it are nearby."""
    near_days: Annotated[int, Meta(ge=1, le=366)] = 30
    road_m: Annotated[float, Meta(ge=1, le=2000)] = 500.0
    """Road accidents on the same street within it are on the same stretch of road."""
    road_days: Annotated[int, Meta(ge=1, le=3660)] = 365
    road_categories: Annotated[
        str,
        Meta(pattern=r"^[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*){0,15}$", description="codes of categories with commas between them"),
    ] = "accident"
    """The categories that are road accidents."""


class Positions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How crews' positions are kept."""

    keep_interval_s: Annotated[int, Meta(ge=1, le=3600)] = 10
    """At most one position of a crew is stored in each such interval; the live one is always the newest."""
    stale_s: Annotated[float, Meta(ge=0, le=86_400)] = 120.0
    """A crew on duty that has not been heard for so long is sent only where no other can go; 0: positions do not age."""
    lost_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0
    """After so long the shift lead is told; not less than `stale_s`."""
    jump_mps: Annotated[float, Meta(ge=0, le=10_000)] = 100.0
    """A crew is not believed to have gone farther than a kilometre faster than this; 0: every position is believed."""


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long days are kept, and when those that are over are dropped."""

    prune_at: Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$", description="a time of day as 03:30, or empty")] = (
        "03:30"
    )
    """When the active process drops them every night, by `centre.time_zone`; empty leaves it to `jedel prune`,
    which must then be run every day: it vacuums as well."""

    event_days: Annotated[int, Meta(ge=1, le=36_500)] = 30
    """Events and rejected events; those of an incident that is still kept for being open stay with it."""
    incident_days: Annotated[int, Meta(ge=1, le=36_500)] = 1095
    """Incidents with their log, assignments, commands and notices, counted from its last change; and crews' states."""
    position_days: Annotated[int, Meta(ge=1, le=36_500)] = 30
    """Crews' positions."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on peers that a centre may want wider or narrower; `core.limits` says why each is what it is."""

    frame_max_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024**2)] = limits.FRAME_MAX_BYTES
    hello_timeout_s: Annotated[float, Meta(ge=0.1, le=300)] = limits.HELLO_TIMEOUT_S
    idle_timeout_s: Annotated[float, Meta(ge=1, le=3600)] = limits.IDLE_TIMEOUT_S
    connections_max: Annotated[int, Meta(ge=1, le=100_000)] = limits.CONNECTIONS_MAX
    half_open_max: Annotated[int, Meta(ge=1, le=100_000)] = limits.HALF_OPEN_MAX
    window_events: Annotated[int, Meta(ge=1, le=1_000_000)] = limits.WINDOW_EVENTS
    window_bytes: Annotated[int, Meta(ge=64 * 1024, le=1024**3)] = limits.WINDOW_BYTES
    events_per_s: Annotated[float, Meta(ge=0, le=10_000_000)] = 0.0
    """Lasting rate of one source; 0 for no bound but its window."""
    inlet_bytes: Annotated[int, Meta(ge=1024**2, le=64 * 1024**3)] = limits.INLET_BYTES
    batch_events: Annotated[int, Meta(ge=1, le=1_000_000)] = limits.BATCH_EVENTS
    """Events one batch takes; an urgent one counts as `core.limits.URGENT_WEIGHT` of them."""
    clients_max: Annotated[int, Meta(ge=1, le=100_000)] = limits.CLIENTS_MAX
    client_buffer_bytes: Annotated[int, Meta(ge=64 * 1024, le=1024**3)] = limits.CLIENT_BUFFER_BYTES


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The servers that messages to people are handed to; a channel without its server tells nobody, and says so."""

    webhook_secret: Annotated[str, Meta(max_length=256, description="text of at most 256 characters")] = ""
    """Signs every webhook (HMAC-SHA256); shared with the receivers."""
    mail_server: ServerAddress = ""
    mail_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_user: Annotated[str, Meta(max_length=256, description="text of at most 256 characters")] = ""
    """Empty for a server that asks for no login."""
    mail_password: Annotated[str, Meta(max_length=256, description="text of at most 256 characters")] = ""
    mail_from: Annotated[str, Meta(pattern=r"^([^\s@<>,;\"]+@[^\s@<>,;\"]+)?$", description="a mail address, or empty")] = ""
    sms_server: ServerAddress = ""
    """The SMSC, by SMPP 3.4."""
    sms_system_id: Annotated[str, Meta(pattern=r"^[!-~]{0,15}$", description="at most 15 letters and digits (SMPP)")] = ""
    sms_password: Annotated[str, Meta(pattern=r"^[ -~]{0,8}$", description="at most 8 characters (SMPP)")] = ""
    sms_system_type: Annotated[str, Meta(pattern=r"^[!-~]{0,12}$", description="at most 12 letters and digits (SMPP)")] = ""
    sms_from: Annotated[
        str,
        Meta(pattern=r"^(\+?\d{1,15}|[A-Za-z0-9 .-]{1,11})?$", description="a number, or at most 11 Latin letters and digits"),
    ] = ""
    """Who an SMS comes from, as the operator allows it."""
    timeout_s: Annotated[float, Meta(ge=1, le=30)] = limits.SEND_TIMEOUT_S
    """One try of one message."""

    def __repr__(self) -> str:
        return f"Channels(mail_server={self.mail_server!r}, sms_server={self.sms_server!r})"


class Traces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where spans go (OpenTelemetry); needs the extra `traces`. Traces that events bring are kept with incidents without it."""

    endpoint: Annotated[
        str, Meta(pattern=r"^(https?://\S+)?$", description="a URL, for example http://127.0.0.1:4318/v1/traces, or empty")
    ] = ""
    """The collector, by OTLP over HTTP; empty for none."""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of the events that bring no trace, how many are recorded; of the others whoever sent them decides."""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the process says about itself on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is console on a terminal and JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    centre: Centre = Centre()
    database: Database = Database()
    listen: Listen = Listen()
    terms: Terms = Terms()
    assign: Assign = Assign()
    correlate: Correlate = Correlate()
    context: Context = Context()
    positions: Positions = Positions()
    storage: Storage = Storage()
    limits: Limits = Limits()
    channels: Channels = Channels()
    traces: Traces = Traces()
    log: Log = Log()
    sources: tuple[SourceEntry, ...] = ()
    clients: tuple[ClientEntry, ...] = ()


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an `Address`, an IPv6 host without its brackets."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def token_digest(token: str) -> str:
    """SHA-256 of a token in hexadecimal, as `token_sha256` holds it (`printf %s TOKEN | sha256sum`)."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def mask_dsn(dsn: str) -> str:
    """The DSN with its password masked, whether it stands before the `@` or in the query."""
    head, at, tail = dsn.rpartition("@")
    scheme, separator, user = head.partition("://")
    if at and ":" in user:
        head = f"{scheme}{separator}{user.partition(':')[0]}:{MASK}"
    before, query_mark, query = f"{head}{at}{tail}".partition("?")
    masked = [f"password={MASK}" if pair.startswith("password=") else pair for pair in query.split("&")]
    return f"{before}{query_mark}{'&'.join(masked)}"


def problems(config: Config) -> Iterator[Problem]:
    """Every rule that a type cannot say: of a value that has to be looked up, and of several together."""
    try:
        zone_of(config.centre.time_zone)
    except LocalTimeError as error:
        yield Problem("centre.time_zone", config.centre.time_zone, str(error))
    listen = config.listen
    taken: dict[str, str] = {}
    for key in ("ingest_tcp", "ingest_ws", "dispatch", "health"):
        address: str = getattr(listen, key)
        port = split_address(address)[1]
        if port > 65_535:
            yield Problem(f"listen.{key}", address, "a port is at most 65535")
        # Port 0 is any free one, so it may stand twice.
        if port and address in taken:
            yield Problem(f"listen.{key}", address, f"{taken[address]} has this address already")
        taken[address] = key
    if bool(listen.tls_certificate) != bool(listen.tls_key):
        given, other = ("tls_certificate", "tls_key") if listen.tls_certificate else ("tls_key", "tls_certificate")
        yield Problem(f"listen.{given}", getattr(listen, given), f"needs {other} beside it")
    if config.positions.lost_s < config.positions.stale_s:
        yield Problem("positions.lost_s", config.positions.lost_s, "must not be less than stale_s")
    yield from _channel_problems(config.channels)
    yield from _entry_problems("sources", config.sources)
    yield from _entry_problems("clients", config.clients)
    yield from _shared_token_problems(config.clients)
    ids: set[str] = set()
    for number, source in enumerate(config.sources):
        if source.id in ids:
            yield Problem(f"sources[{number}].id", source.id, "has an entry already")
        ids.add(source.id)
    for number, client in enumerate(config.clients):
        if (client.role == "crew") != bool(client.crew):
            allowed = (
                "role crew needs the crew it acts for" if client.role == "crew" else f"role {client.role} acts for no crew"
            )
            yield Problem(f"clients[{number}].crew", client.crew, allowed)


def _channel_problems(channels: Channels) -> Iterator[Problem]:
    for key, needed in (
        ("mail_server", "mail_from"),
        ("mail_user", "mail_password"),
        ("sms_server", "sms_system_id"),
        ("sms_server", "sms_from"),
    ):
        if getattr(channels, key) and not getattr(channels, needed):
            yield Problem(f"channels.{key}", getattr(channels, key), f"needs {needed} beside it")
    for key in ("mail_server", "sms_server"):
        address: str = getattr(channels, key)
        if address and split_address(address)[1] > 65_535:
            yield Problem(f"channels.{key}", address, "a port is at most 65535")


def _entry_problems(key: str, entries: Sequence[SourceEntry | ClientEntry]) -> Iterator[Problem]:
    for number, entry in enumerate(entries):
        if bool(entry.token) == bool(entry.token_sha256):
            yield Problem(f"{key}[{number}]", entry, "needs one of token and token_sha256")


def _shared_token_problems(clients: Sequence[ClientEntry]) -> Iterator[Problem]:
    """A client is known by its token alone, so no two may have the same."""
    owners: dict[str, str] = {}
    for number, client in enumerate(clients):
        digest = client.digest()
        if digest in owners:
            yield Problem(
                f"clients[{number}]", client, f"{owners[digest]} has this token; every client needs a token of its own"
            )
        owners.setdefault(digest, client.operator)
