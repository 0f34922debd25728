"""Lines of TOML: every value of any text, the traps of strings, and headers that name tables of arrays."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.toml_lines import Path, line_map


def paths_of(value: object, path: Path = ()) -> set[Path]:
    found = {path}
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= paths_of(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths_of(inner, (*path, number))
    return found


def value_at(tree: object, path: Path) -> object:
    for step in path:
        tree = tree[step]  # type: ignore[index]  # a tree of dicts and lists, walked by its own paths
    return tree


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1", ("a",), 1),
        ("\n\n# note\n  a = 1\n", ("a",), 4),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
        ("[t]\nx = 1\n[t.u]\ny = 2\n", ("t",), 1),
        ("[t]\nx = 1\n[t.u]\ny = 2\n", ("t", "u", "y"), 4),
        ("[t.u]\ny = 2\n", ("t",), 1),
        ("[[r]]\nx = 1\n[[r]]\nx = 2\n", ("r",), 1),
        ("[[r]]\nx = 1\n[[r]]\nx = 2\n", ("r", 1), 3),
        ("[[r]]\nx = 1\n[[r]]\nx = 2\n", ("r", 1, "x"), 4),
        ("[[r]]\n[[r.s]]\n[[r.s]]\nz = 1\n[[r]]\n[[r.s]]\nz = 2\n", ("r", 0, "s", 1, "z"), 4),
        ("[[r]]\n[[r.s]]\n[[r.s]]\nz = 1\n[[r]]\n[[r.s]]\nz = 2\n", ("r", 1, "s", 0, "z"), 7),
        ("[[r]]\n[r.t]\nz = 1\n", ("r", 0, "t", "z"), 3),
        ("a.b . 'c d' = 1\n", ("a", "b", "c d"), 1),
        ('"k\\u0041#" = 1\n', ("kA#",), 1),
        ("l = [\n  1, # one ]\n\n  2,\n]\nafter = 3\n", ("l", 1), 4),
        ("l = [\n  1, # one ]\n\n  2,\n]\nafter = 3\n", ("after",), 6),
        ("l = [{ a = 1 },\n { a = [2,\n 3] }]\n", ("l", 1, "a", 1), 3),
        ("e = []\nf = {}\ng = [ [], [ ] ]\n", ("g", 1), 3),
        ('s = """a\n"b" ]\n"""\nt = 1\n', ("t",), 4),
        ('s = """a\n\\"""\n"""""\nt = 1\n', ("t",), 4),
        ("s = '''\n''\\'''\nt = 1\n", ("t",), 3),
        ('s = ["#\\"]", \'"\']\nt = 1\n', ("t",), 2),
        ("d = 1979-05-27 07:32:00 # late\nt = 1\n", ("d",), 1),
        ("d = [1979-05-27 07:32:00,\n true]\n", ("d", 1), 2),
        ("", (), 1),
    ],
)
def test_line_map_when_text_is(text: str, path: Path, line: int) -> None:
    assert paths_of(tomllib.loads(text)) == set(line_map(text))
    assert line_map(text)[path] == line


# A document is drawn as text whose every scalar holds a number of its own: where that number stands is the oracle.
KEYS = st.sampled_from(["a", "b", "c-d", "e_1", "7", "өрт", "x.y", 'q"', "#", "a b", "]"])
GAPS = st.sampled_from(["", " ", "\n", " # note, ] } \" '\n", "\n\n  "])


class Scribe:
    """Writes a document; `marks` are the numbers given to scalars so far."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.marks = 0

    def key(self, name: str) -> str:
        if name.replace("-", "").replace("_", "").isalnum() and name.isascii() and self.draw(st.booleans()):
            return name
        if self.draw(st.booleans()):
            return f"'{name}'"
        return '"' + name.replace('"', '\\"') + '"'

    def scalar(self) -> str:
        self.marks += 1
        mark = f"{self.marks + 1000}"
        return self.draw(
            st.sampled_from(
                [
                    mark,
                    f"{mark}.5",
                    f'"m{mark} # ] }} , \\" \\\\"',
                    f"'m{mark} \" [ {{ = '",
                    f'"""m{mark}\n = [\n\\""" ""x"""""',
                    f"'''m{mark}\n'' \" ]\n'''",
                    f"{mark}-05-27 07:32:00",
                ]
            )
        )

    def value(self, depth: int) -> str:
        kind: str = self.draw(st.sampled_from(["scalar", "array", "inline"])) if depth else "scalar"
        if kind == "scalar":
            return self.scalar()
        if kind == "array":
            items = [self.draw(GAPS) + self.value(depth - 1) + self.draw(GAPS) for _ in range(self.draw(st.integers(0, 3)))]
            trailing = self.draw(st.sampled_from(["", ","])) if items else ""
            return "[" + ",".join(items) + trailing + self.draw(GAPS) + "]"
        names = self.draw(st.lists(KEYS, max_size=3, unique=True))
        return "{" + ",".join(f" {self.key(name)} = {self.value(depth - 1)} " for name in names) + "}"

    def pairs(self) -> str:
        text = ""
        for name in self.draw(st.lists(KEYS, max_size=4, unique=True)):
            inner = self.draw(st.lists(KEYS, max_size=2))
            dotted = self.draw(st.sampled_from([".", " . "])).join(self.key(part) for part in (name, *inner))
            note = self.draw(st.sampled_from(["", " # note", "\t"]))
            text += f"{self.draw(st.sampled_from(['', '  ']))}{dotted} = {self.value(2)}{note}\n"
            text += self.draw(st.sampled_from(["", "\n", "# a = [\n"]))
        return text

    def document(self) -> str:
        text = self.pairs()
        for number in range(self.draw(st.integers(0, 4))):
            # Names of tables with a number of their own never clash with a key, so that the text is valid.
            name = f"table{number}"
            if self.draw(st.booleans()):
                text += f"[{name}]\n" + self.pairs()
                if self.draw(st.booleans()):
                    text += f"[ {name} . sub{number} ] # sub\n" + self.pairs()
            else:
                for _ in range(self.draw(st.integers(1, 3))):
                    text += f"[[{name}]]\n" + self.pairs()
                    for _ in range(self.draw(st.integers(0, 2))):
                        text += f"[[{name}.sub]]\n" + self.pairs()
                    if self.draw(st.booleans()):
                        text += f"[{name}.one]\n" + self.pairs()
        return text


def mark_of(value: object) -> str | None:
    """The number that a scalar was given."""
    if isinstance(value, dict | list):
        return None
    return next(word for word in str(value).replace("m", " ").replace("-", " ").replace(".", " ").split() if len(word) == 4)


@given(st.data())
def test_line_map_when_text_is_any_toml_names_every_value_at_its_line(data: st.DataObject) -> None:
    text = Scribe(data).document()
    tree = tomllib.loads(text)
    lines = line_map(text)
    assert set(lines) == paths_of(tree)
    where = text.split("\n")
    for path, line in lines.items():
        mark = mark_of(value_at(tree, path))
        if mark is not None:
            assert mark in where[line - 1]
            assert sum(mark in row for row in where) == 1
        elif path:
            # What holds others begins no later than they do, and no earlier than what holds it, dotted tables apart.
            assert all(line <= inner for other, inner in lines.items() if other[: len(path)] == path)
