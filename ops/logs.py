"""What the process says about itself: one structured line an occasion, on standard error, and nothing personal in it.

Console text on a terminal, JSON elsewhere. Never a line an event: per batch, connection or fault only. Telephone numbers are
masked wherever they stand in a line, in any spelling, and the values of `PERSONAL` keys are left out, so that a log may be
shipped and kept like any other. A traceback never shows local variables: they hold what callers said. Lines of the libraries
(standard `logging`) take the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import msgspec
import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

PERSONAL: Final = frozenset(
    {
        *("address", "caller", "name", "person", "plate", "subject", "subscriber", "token", "values", "words"),
        *("evidence", "fix", "given", "cell", "latitude_deg", "longitude_deg", "place"),
        *("payload", "raw", "receipt", "recipient"),
    }
)
"""Keys whose values are never written: who called, what was said, and where somebody is."""
PHONES: Final = frozenset({"phone", "phones", "e164"})
"""Keys whose values are telephone numbers, however short: of them the last two digits are written."""
WITHHELD: Final = "[withheld]"

# What people and programs put between the digits of a number: blanks and dashes of any width, dots, brackets, marks of writing
# direction that come along when a contact is copied, and any of them as `repr`, JSON or a URL writes it.
_BETWEEN: Final = (
    r"(?:[\s().\-\u2010-\u2015\u2212\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
    r"|\\{1,4}(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[tnr])?|%[2-9A-Fa-f][0-9A-Fa-f]|&nbsp;|&\#\d{2,4};){0,8}"
)
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_KEPT: Final = "|".join(
    (
        r"(?<![\w.-])[^\W\d_][\w.-]{0,63}/\d+(?!\d)",  # SOURCE/SEQ: the thread that a call is followed by
        r"(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])",  # a command's id
        r"(?<!\w)(?=\d*[a-f])(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})(?!\w)",  # of a trace, a message, a file
        r"(?<![\d+-])(?:19|20)\d\d-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?![ .-]?\d)",
        rf"(?<![\d.+-])(?:{_OCTET}\.){{3}}{_OCTET}(?![.\d]|[ -]\d)",
        r"(?<![\d.+-])\d+(?:\.\d+)? ?(?:ns|us|µs|ms|bytes|kB|MB|GB|KiB|MiB|GiB)(?!\w)",
    )
)
_PHONE: Final = re.compile(
    rf"(?P<kept>{_KEPT})"
    rf"|(?:\+|%2B|\b00){_BETWEEN}\d(?:{_BETWEEN}\d){{5,16}}"  # international: short ones too
    r"|\d{9,}"
    rf"|\(?\d(?:{_BETWEEN}\d){{6,16}}"
    r"|\d{2,3}-\d{2}-\d{2}(?!\d)",  # inside a city
    re.IGNORECASE,
)
_BARE_MAX: Final = 8
"""Digits in one piece that may be a count; from nine on they may be a number without its country."""


def mask_phones(text: str) -> str:
    """The text with every telephone number in it shortened to its last two digits, in whatever spelling.

    What looks like one is taken for one, so that other long numbers are masked too; instants, addresses of machines, ids of
    events, commands and traces, and amounts with a unit are kept.
    """
    return _PHONE.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    text = found.group()
    if found["kept"] is not None or (text.isdigit() and len(text) <= _BARE_MAX):
        return text
    return f"***{''.join(letter for letter in text if letter.isdigit())[-2:]}"


def withhold_personal(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """A structlog processor: masks numbers in every text of a line, and withholds `PERSONAL` keys."""
    for key, value in line.items():
        # The instant is ours.
        if key != "timestamp":
            line[key] = _shown(key, value)
    return line


def _shown(key: object, value: object) -> object:
    if key in PERSONAL:
        return WITHHELD
    if key in PHONES:
        digits = "".join(letter for letter in str(value) if letter.isdigit())
        return f"***{digits[-2:]}" if digits else ""
    return _masked(value)


def _masked(value: object) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return mask_phones(value)
        case dict():
            return {mask_phones(str(key)): _shown(key, inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case BaseException():
            return mask_phones(f"{type(value).__name__}: {value}")
        case msgspec.Struct():
            # An event's words and places are as personal here as in a line of their own.
            return {field: _shown(field, getattr(value, field)) for field in value.__struct_fields__}
        case bytes() | bytearray():
            return mask_phones(value.decode("utf-8", "backslashreplace"))
        case _:
            return mask_phones(repr(value))


def configure(
    form: Literal["auto", "console", "json"] = "auto",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
) -> None:
    """Sets the process's logging up. Called once, by the command line.

    Args:
        form: `auto` is console on a terminal and JSON elsewhere.
        level: lines below it are dropped before they cost anything.
        stream: where to, standard error if None.
    """
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    render: Processor
    if console:
        render = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    else:
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        # A traceback becomes text here, before numbers are masked: an exception may quote what a caller said.
        structlog.processors.format_exc_info,
    ]
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[*shared, withhold_personal, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, withhold_personal, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak at INFO about their own affairs (the embedded server's start, every retry); a centre's log is not theirs.
    root.setLevel(max(threshold, logging.WARNING))
