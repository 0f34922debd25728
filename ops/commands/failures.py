"""Which exceptions are the world's fault, and how each reads on one line; every other one is a bug and keeps its traceback."""

from __future__ import annotations


def readable(error: Exception) -> str | None:
    """One line for a person, or None for an exception that only a bug raises."""
    # Here and not above: only a command that has failed pays for these.
    from adapters.roster.files import RosterFileError
    from core.category import CategoryError
    from core.people_file import PeopleError
    from core.roster.change import ChangeError
    from core.scenario import ScenarioError
    from ops.cad import CadError
    from ops.own_service import OwnServiceError
    from ops.push import PushError
    from protocols.dispatch.client import DispatchError
    from routing.map_data import MapError
    from storage.errors import StorageError
    from storage.register_file import RegisterFileError
    from storage.register_import import ImportRunning

    # What a nursery lets out is a group, also of one.
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    match error:
        case StorageError():
            text = f"storage: {error}"
        case ScenarioError():
            # All of them, but on the one line that a command other than `jedel scenarios check` has for an error.
            text = "; ".join(error.faults)
        case CadError() | CategoryError() | OwnServiceError() | MapError() | RegisterFileError() | ImportRunning():
            text = str(error)
        case PeopleError():
            text = error.lines[0] + (f" (and {len(error.lines) - 1} more faults)" if len(error.lines) > 1 else "")
        case RosterFileError() | ChangeError() | PushError() | DispatchError():
            text = str(error)
        case OSError() if error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        case OSError():
            text = str(error)
        case _:
            return None
    return " ".join(text.split())
