"""The command `jedel`.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration. An error is one readable line on standard error, or one for each
fault of a configuration. Its commands stand in `ops.commands`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, MissingArgumentError

from ops.commands import (
    certificate,
    configuration,
    context,
    demonstration,
    doctor,
    duty,
    handover,
    observing,
    outbox,
    patrolling,
    places,
    policies,
    registers,
    replaying,
    roster,
    scenarios,
    service,
    sizing,
    storage,
    trying,
)
from ops.layers import ConfigError

app = App(
    name="jedel",
    help="The incident-routing core of an emergency centre: calls and sensor events in, the right crew out, nothing lost.",
    version=lambda: version("jedel"),
)
app.command(service.serve)
app.command(demonstration.demo)
app.command(replaying.replay)
app.command(policies.compare_policies)
app.command(trying.push)
app.command(trying.watch)
app.command(trying.order)
app.command(registers.subscribers)
app.command(registers.devices)
app.command(patrolling.patrol)
app.command(places.map_app)
app.command(places.territory_app)
app.command(places.find_address, name="address")
for command in (duty.show, duty.compare, duty.who, handover.handover, handover.act):
    roster.app.command(command)
app.command(roster.app)
app.command(certificate.certificate)
app.command(outbox.app)
app.command(context.context)
app.command(observing.dashboard)
app.command(storage.verify)
app.command(storage.prune)
app.command(scenarios.app)
app.command(configuration.app)
app.command(sizing.size_city, name="size")
app.command(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line, the process's own if None, and returns the exit status."""
    try:
        result = app(arguments, result_action="return_value", exit_on_error=False, print_error=False)
    except MissingArgumentError as error:
        _complain(_missing(error))
        return 2
    except CycloptsError as error:
        _complain(" ".join(str(error).split()))
        return 2
    except ConfigError as error:
        _complain(*error.lines)
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone (`jedel config show | head`): nothing is wrong, and nothing can be said.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from ops.commands.failures import readable

        text = readable(error)
        if text is None:
            raise
        _complain(text)
        return 1
    return result if isinstance(result, int) else 0


def _missing(error: MissingArgumentError) -> str:
    """What was not given at all; what was given without its value or misspelt, as cyclopts says it."""
    if error.argument is None or error.keyword is not None or error.argument.tokens or error.unused_tokens:
        return " ".join(str(error).split())
    command = " ".join(("jedel", *(error.command_chain or ())))
    return f"{error.argument.name} is missing: {command} --help says what it is"


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"jedel: {line}", file=sys.stderr)
