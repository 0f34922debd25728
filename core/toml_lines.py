"""On which line of a TOML text each value stands, so that an error in a file names the line to go to.

`tomllib` reads a text and tells of no places; a well-kept reader that does is not to be had. So this goes over a text that
`tomllib` has accepted once more, and only after its keys, brackets and commas: what a value says is of no interest here, and
nothing here decides whether a text is TOML. Source: TOML 1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]
"""The way to a value from the top of the text: keys of tables, and numbers of an array's elements from 0."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'  # up to two quotes may stand before those that close
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")
"""A number, a truth value or a time, which may have a space in it."""


def line_map(text: str) -> dict[Path, int]:
    """The line, from 1, of every table, key and array element of a text.

    A key stands where its name does, a table where it is first named, an element of an array where it begins.

    Args:
        text: TOML that `tomllib.loads` accepts. O(n).
    """
    return _Walk(text).lines


class _Walk:
    """One pass over a text, at `_at`."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self._text = text
        self._at = 0
        self._breaks = [place.start() for place in re.finditer("\n", text)]
        self._rows: dict[Path, int] = {}
        """Tables of each `[[array]]` so far."""
        table: Path = ()
        self._skip()
        while self._at < len(text):
            table = self._header() if text[self._at] == "[" else self._pair(table)
            self._skip()

    def _skip(self) -> None:
        """Over blanks, line ends and comments."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group()

    def _note(self, path: Path, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._breaks, at) + 1)

    def _header(self) -> Path:
        """`[table]` or `[[table]]`: the table that the pairs after it belong to."""
        begin = self._at
        is_row = self._text.startswith("[[", begin)
        self._at += 1 + is_row
        self._skip()
        names = self._names()
        self._skip()
        self._at += 1 + is_row
        path: Path = ()
        for place, name in enumerate(names):
            path = (*path, name)
            self._note(path, begin)
            is_last = place == len(names) - 1
            if is_row and is_last:
                self._rows[path] = self._rows.get(path, -1) + 1
            if path in self._rows:
                # A further name goes into the array's newest table.
                path = (*path, self._rows[path])
                self._note(path, begin)
        return path

    def _names(self) -> list[str]:
        """A key, dotted or not."""
        names: list[str] = []
        while (word := self._take(_KEY)) is not None:
            names.append(tomllib.loads(f"key = {word}")["key"] if word[0] in "\"'" else word)
            if self._take(_DOT) is None:
                break
        return names

    def _pair(self, table: Path) -> Path:
        """`key = value`. Returns the table it stands in."""
        begin = self._at
        path = table
        for name in self._names():
            path = (*path, name)
            self._note(path, begin)
        self._skip()
        self._at += 1  # the equals sign
        self._skip()
        self._value(path)
        return table

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case "[":
                self._listed("]", path)
            case "{":
                self._listed("}", path)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_PLAIN)

    def _listed(self, closing: str, path: Path) -> None:
        """An array's elements or an inline table's pairs, up to what closes them."""
        self._at += 1
        number = 0
        self._skip()
        while self._text[self._at] != closing:
            if closing == "]":
                self._note((*path, number), self._at)
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1
