"""TOML into a frozen struct, with every fault of the text told at once: file, line, field, value and what is allowed.

The struct is the schema: its fields are the keys, its types say what is allowed. An unknown key is a fault with the nearest
known one suggested, for a misspelt key that is silently ignored is a step that is silently not taken. What a type cannot say
the caller adds with `TomlText.blame`, which names the line as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import inspect

from core.toml_lines import Path, line_map

T = TypeVar("T", bound=msgspec.Struct)

SHOWN_MAX: Final = 80
"""Characters of a wrong value that a fault repeats."""
_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
_BAD: Final = object()


class TomlText:
    """One file's text on its way to a struct.

    Args:
        file: how faults name the file.
        text: its content.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._faults: list[tuple[int, str]] = []
        self._lines: dict[Path, int] = {}
        self._tree: dict[str, object] | None = None
        try:
            self._tree = tomllib.loads(text)
            self._lines = line_map(text)
        except tomllib.TOMLDecodeError as error:
            place = _PLACE.search(str(error))
            line = int(place.group(1)) if place else text.count("\n") + 1
            self._faults.append((line, f"{file}:{line}: is not TOML: {error}"))

    @property
    def faults(self) -> list[str]:
        """Everything wrong so far, in the order of the lines."""
        return [fault for _, fault in sorted(self._faults, key=lambda fault: fault[0])]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it that the text has."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)

    def read(self, kind: type[T], spread: tuple[type[msgspec.Struct], ...] = ()) -> T | None:
        """The text as a struct; None where it has faults.

        Args:
            kind: a struct whose fields are scalars, structs, tuples of them, or dicts from text to structs.
            spread: structs of numbers for which one number may stand, meaning each of their fields.
        """
        if self._tree is None:
            return None
        sound = len(self._faults)
        tree = self._checked(self._tree, kind, (), spread)
        return msgspec.convert(tree, kind) if len(self._faults) == sound else None

    def blame(self, path: Path, wanted: str) -> None:
        """Notes that the value at a path breaks a rule, with what is allowed instead.

        A path into a number that stands for a whole struct blames the number, once.
        """
        value: object = self._tree
        for place, step in enumerate(path):
            if isinstance(value, dict):
                value = value.get(step, _BAD)
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step]
            elif value is not _BAD:
                path = path[:place]
                break
        self._note(
            path, f"{_dotted(path)}{'' if value is _BAD or isinstance(value, list | dict) else f' = {_shown(value)}'}: {wanted}"
        )

    def _note(self, path: Path, told: str) -> None:
        line = self.line(path)
        fault = (line, f"{self.file}:{line}: {told}")
        if fault not in self._faults:
            self._faults.append(fault)

    def _checked(self, value: object, kind: object, path: Path, spread: tuple[type[msgspec.Struct], ...]) -> object:
        """The value as `msgspec.convert` takes it, with what is wrong noted."""
        plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
            if plain in spread and isinstance(value, int | float) and not isinstance(value, bool):
                return dict.fromkeys(plain.__struct_fields__, value)
            return self._table(value, plain, path, spread)
        if get_origin(plain) is tuple:
            return self._array(value, kind, get_args(plain)[0], path, spread)
        if get_origin(plain) is dict:
            if not isinstance(value, dict):
                return self._wrong(path, "must be a table")
            name_kind, item_kind = get_args(plain)
            for name in value:
                if not _is(name, name_kind):
                    self._note((*path, name), f"{_dotted((*path, name))}: a key must be {allowed(name_kind)}")
            return {name: self._checked(item, item_kind, (*path, name), spread) for name, item in value.items()}
        return value if _is(value, kind) else self._wrong(path, f"must be {allowed(kind)}")

    def _table(self, value: object, kind: type[msgspec.Struct], path: Path, spread: tuple[type[msgspec.Struct], ...]) -> object:
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        if not isinstance(value, dict):
            names = ", ".join(fields)
            return self._wrong(path, f"must be a {'number, or a ' if kind in spread else ''}table of {names}")
        for name in value:
            if name not in fields:
                self._note((*path, name), f"{_dotted((*path, name))}: unknown key; {near(name, fields)}")
        taken: dict[str, object] = {}
        for name, field in fields.items():
            if name in value:
                taken[name] = self._checked(value[name], field.type, (*path, name), spread)
            elif field.required:
                self._note(path, f"{_dotted((*path, name))}: is missing")
        return taken

    def _array(
        self, value: object, kind: object, item_kind: object, path: Path, spread: tuple[type[msgspec.Struct], ...]
    ) -> object:
        info = inspect.type_info(kind)
        info = info.type if isinstance(info, inspect.Metadata) else info
        least, most = (info.min_length or 0, info.max_length) if isinstance(info, inspect.VarTupleType) else (0, None)
        if not isinstance(value, list):
            return self._wrong(path, "must be an array")
        if len(value) < least or (most is not None and len(value) > most):
            self._note(path, f"{_dotted(path)}: has {len(value)} entries; must have {least} to {most}")
        return [self._checked(item, item_kind, (*path, number), spread) for number, item in enumerate(value)]

    def _wrong(self, path: Path, wanted: str) -> object:
        self.blame(path, wanted)
        return _BAD


def allowed(kind: object) -> str:
    """What a scalar field's type allows, in words."""
    info = inspect.type_info(kind)
    if isinstance(info, inspect.Metadata):
        description = (info.extra_json_schema or {}).get("description")
        if description:
            return str(description)
        info = info.type
    match info:
        case inspect.IntType() | inspect.FloatType():
            noun = "a whole number" if isinstance(info, inspect.IntType) else "a number"
            return noun if info.ge is None else f"{noun} from {info.ge} to {info.le}"
        case inspect.LiteralType():
            return "one of " + ", ".join(map(str, info.values))
        case inspect.BoolType():
            return "true or false"
        case _:
            return "text"


def near(name: str, known: Iterable[str]) -> str:
    """A suggestion in place of an unknown name: the one it is most like, or all of them."""
    names = list(known)
    like = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {like[0]}?" if like else f"known: {', '.join(names)}"


def _is(value: object, kind: object) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def _dotted(path: Path) -> str:
    """A path as people write it: `accept.steps[2].to`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return text
