"""What the process says about itself: one structured line an occasion, on standard error, and nothing personal in it.

Console text on a terminal, JSON elsewhere. Never a line an event: per batch, connection or fault only. Telephone numbers are
masked wherever they stand in a line, and the values of `PERSONAL` keys are left out, so that a log may be shipped and kept
like any other. A traceback never shows local variables: they hold what callers said. Lines of the libraries (standard
`logging`) take the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

PERSONAL: Final = frozenset({"address", "caller", "name", "plate", "subscriber", "token", "values", "words"})
"""Keys whose values are never written."""
WITHHELD: Final = "[withheld]"

_PHONE: Final = re.compile(
    r"\+\d[\d ().-]{5,18}\d"  # international spelling, with whatever people put between the digits
    r"|(?<![\w/.:-])8?\(?7\d{2}\)?[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}(?!\w)"  # national spelling, trunk 8 or none
    r"|(?<![\w/.:-])7\d{10}(?!\w)"
)


def mask_phones(text: str) -> str:
    """The text with every telephone number in it shortened to its last two digits."""
    return _PHONE.sub(lambda found: f"***{found.group()[-2:]}", text)


def withhold_personal(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """A structlog processor: masks numbers in every text of a line, and withholds `PERSONAL` keys."""
    for key, value in line.items():
        if key == "timestamp":
            continue
        line[key] = WITHHELD if key in PERSONAL else _masked(value)
    return line


def _masked(value: object) -> object:
    match value:
        case str():
            return mask_phones(value)
        case dict():
            return {key: WITHHELD if key in PERSONAL else _masked(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_masked(inner) for inner in value]
        case int() | float() | None:
            return value
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
