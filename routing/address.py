"""Reads addresses in words: folding of letters, classes of words, house numbers, the ways a text can be split.

Place in the flow: part of **locate**. A text becomes `Word`s; words become `Reading`s (a name and perhaps a house number); a
reading's `key` is equal for all spellings of one name that folding covers, so that most addresses are found by one dictionary
look-up. The map's own names are read by the same code, which is what makes the keys meet.

Folding, in order: lower case; Kazakh letters to their Russian look-alikes (ә ғ қ ң ө ұ ү һ і → а г к н о у у х и); Cyrillic
and every usual Latin transliteration to one Latin skeleton (ж = zh = j = дж, ш = sh = щ, й = ы = и = y = i, я = ya); doubled
letters once (Сейфуллин = Сейфулин); case endings of Russian off (Абая, Абаю, Абай; Сатпаева, Сатпаев). A key holds the words
sorted, so word order does not matter. Source: OCC-1.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from routing.address_words import KIND_PHRASES, MARKERS, PLACE_KINDS, STREET_TYPES, WordClass

_MEMORY_WORDS: Final = 65_536
"""Words whose folding is remembered; all are forgotten when there are more."""

_LETTERS: Final = str.maketrans(
    {
        **dict(zip("абвгдезийклмнопрстуфхцыэ", "abvgdeziiklmnoprstufhcie", strict=True)),
        **dict(zip("әғқңөұүһі", "agknouuhi", strict=True)),
        **dict(zip("äöüğñşıáéíóúqwýū", "aougnšiaeioukviu", strict=True)),
    }
    | {"ё": "e", "ж": "j", "ч": "č", "ш": "š", "щ": "š", "ъ": "", "ь": "", "ю": "iu", "я": "ia", "ç": "č"}
    | {"'": "", "`": "", "’": "", "ʼ": "", "x": "ks"}
)
_DIGRAPHS: Final = re.compile("shch|dzh|zh|kh|sh|ch|ts|tz|gh|ye|yo|jo|ph|ck|дж")
_DIGRAPH_AS: Final = {
    "shch": "š", "dzh": "j", "zh": "j", "kh": "h", "sh": "š", "ch": "č", "ts": "c", "tz": "c", "gh": "g",
    "ye": "e", "yo": "e", "jo": "jo", "ph": "f", "ck": "k", "дж": "j",
}  # fmt: skip
_DOUBLED: Final = re.compile(r"(.)\1+")
_PHRASES: Final = [(re.compile(phrase), kind) for kind, phrase in KIND_PHRASES.items()]
_TOKEN: Final = re.compile(
    "".join(rf"\b(?:{phrase})\b|" for phrase in KIND_PHRASES.values())
    + r"(?:пр-к?ту?|пр-д|б-р|мкр-н|мк-рн|м-н|р-н|кв-л|ясли-сад|pr-t)(?![^\W_])"  # abbreviations with a hyphen of their own
    r"|\d+-?(?:ый|ой|й|ая|я|го|му|ші|шы|інші|ыншы|st|nd|rd|th)(?![^\W_])"  # ordinals
    r"|\d+-(?:ya|y|iy|oy|aya|go)(?![^\W_])"
    r"|\d+[кk]\d+"  # 12к2
    r"|\d+[^\W\d_](?![^\W\d_])"  # 12а
    r"|\d+|[^\W\d_]+(?:['’ʼ`][^\W\d_]+)*"
    r"|[/\\&+,;()–—-]"
)
_SIGNS: Final = {
    "/": WordClass.SLASH, "\\": WordClass.SLASH, "&": WordClass.AND, "+": WordClass.AND, ",": WordClass.COMMA,
    ";": WordClass.COMMA, "-": WordClass.DASH, "–": WordClass.DASH, "—": WordClass.DASH,
    "(": WordClass.OPEN, ")": WordClass.CLOSE,
}  # fmt: skip
_NAME, _NUMBER, _TYPE, _KIND = WordClass.NAME, WordClass.NUMBER, WordClass.TYPE, WordClass.KIND
"""Named here because `name_reading` asks for them of every word in every reading."""
_HOUSE_LETTERS: Final = frozenset("абвгдежзиклмнопрстуabcdefghkmnp")


class Word(NamedTuple):
    """One word of an address: its class and its folded value (a sign's value is `""`)."""

    cls: WordClass
    value: str


class Reading(NamedTuple):
    """One way to understand words: a name, with its street type, and a house number."""

    names: tuple[str, ...]
    """Folded words of the name, in the order written, kinds (`@school`) among them."""
    numbers: tuple[str, ...]
    """Numbers that belong to the name."""
    type: str
    """Street type, `""` where none is said."""
    house: str
    """House number, canonical, `""` for none."""

    @property
    def key(self) -> str:
        """Equal for two readings of one name, whatever the spelling and the order of words; `""` when there is no name.

        The street type belongs to it only where the name has no word of its own (`5 мкр`, `20 линия`).
        """
        if self.names:
            return " ".join(sorted(self.names + self.numbers))
        return " ".join((*sorted(self.numbers), "~" + self.type)) if self.type and self.numbers else ""


def fold(word: str) -> str:
    """The word's Latin skeleton: equal for Kazakh, Russian and Latin spellings of one sound. Expects lower case."""
    if "i" in word and not word.isascii():
        word = word.replace("i", "и")  # a Latin i typed for the Kazakh і inside a Cyrillic word
    skeleton = _DIGRAPHS.sub(_digraph, word).translate(_LETTERS).replace("y", "i")
    return _DOUBLED.sub(r"\1", skeleton)


def stem(skeleton: str) -> str:
    """The skeleton without a Russian case ending: equal for Абая, Абаю, Абай; Сатпаева, Сатпаев; Садовая, Садовой.

    Both the map's names and the caller's words pass here, so a stem need not be the dictionary's, only the same.
    """
    length = len(skeleton)
    if length >= 6:
        for ending in ("ogo", "omu", "uiu"):
            if skeleton.endswith(ending):
                return skeleton[:-3] + "ai"
    if length >= 5 and skeleton.endswith("oi"):
        return skeleton[:-2] + "ai"
    if length >= 4 and skeleton[-1] == "i" and skeleton[-2] not in "aeiou":
        return skeleton[:-1] + "ai"  # Тихий, as Тихая
    if length >= 5 and skeleton.endswith(("ia", "iu")) and skeleton[-3] in "aeiou":
        return skeleton[:-1]
    if length >= 6 and skeleton.endswith(("ia", "iu")):
        return skeleton[:-2]
    if length >= 5 and skeleton[-1] in "aeu" and skeleton[-2] not in "aeiou":
        return skeleton[:-1]
    return skeleton


def _digraph(found: re.Match[str]) -> str:
    return _DIGRAPH_AS[found.group()]


def _classes() -> dict[str, Word]:
    """Every listed word, as written in lower case and folded → its class and value."""
    known: dict[str, Word] = {}
    for cls, table in ((WordClass.TYPE, STREET_TYPES), (WordClass.KIND, PLACE_KINDS)):
        for canonical, spellings in table.items():
            for spelling in spellings.split():
                known.setdefault(spelling, Word(cls, canonical))
    for marker, spellings in MARKERS.items():
        for spelling in spellings.split():
            known.setdefault(spelling, Word(marker, fold(spelling)))
    for spelling in list(known):
        # A folded form is kept only where it cannot be a short name by accident.
        folded = fold(spelling)
        if len(folded) >= 3:
            known.setdefault(folded, known[spelling])
    return known


_KNOWN: Final = _classes()
_TYPE_WORDS: Final = {stem(word): known for word, known in _KNOWN.items() if known.cls is WordClass.TYPE and len(word) >= 6}
KIND_WORDS: Final[dict[str, str]] = {
    stem(fold(word)): word_.value for word, word_ in _KNOWN.items() if word_.cls is WordClass.KIND
}
"""Stems of the words for kinds of institution, so that a mistyped one can be recognised too."""
_memory: dict[str, Word] = {}


def _read_token(token: str) -> Word:
    sign = _SIGNS.get(token)
    if sign is not None:
        return Word(sign, "")
    if token[0].isdecimal():
        digits = re.match(r"\d+", token)
        assert digits is not None
        number, rest = str(int(digits.group())), token[digits.end() :]
        if len(rest) > 1 and rest[1:].isdecimal():
            return Word(WordClass.NUMBER, f"{number}/{int(rest[1:])}")
        return Word(WordClass.NUMBER, number + (fold(rest) if rest in _HOUSE_LETTERS else ""))
    known = _KNOWN.get(token)
    if known is not None:
        return known
    for phrase, kind in _PHRASES:
        if phrase.fullmatch(token):
            return Word(WordClass.KIND, kind)
    folded = fold(token)
    known = _KNOWN.get(folded) if len(folded) >= 3 else None
    if known is not None:
        return known
    return Word(WordClass.NAME, stem(folded)) if folded else Word(WordClass.STOP, "")


def read_words(text: str) -> list[Word]:
    """The words and signs of a text, classed and folded. Never raises; what is neither letter, digit nor sign is left out."""
    memory = _memory
    words = []
    for token in _TOKEN.findall(text.lower()):
        word = memory.get(token)
        if word is None:
            if len(memory) >= _MEMORY_WORDS:
                memory.clear()
            word = memory[token] = _read_token(token)
        words.append(word)
    return words


class Number(NamedTuple):
    """A number that may be a house's: its canonical form and the words `[start, end)` it takes."""

    key: str
    start: int
    end: int


def numbers(words: list[Word]) -> list[Number]:
    """All numbers in order, each with the letter, the part after a slash, and the block that belong to it."""
    found = []
    at = 0
    length = len(words)
    while at < length:
        if words[at].cls is not WordClass.NUMBER:
            at += 1
            continue
        start, key = at, words[at].value
        at += 1
        if at < length and key[-1].isdecimal() and _is_letter(words, at):
            key += words[at].value
            at += 1
        if at + 1 < length and words[at].cls is WordClass.COMMA and words[at + 1].cls is WordClass.BLOCK:
            at += 1  # `дом 12, корпус 2`
        if at + 1 < length and words[at].cls in (WordClass.SLASH, WordClass.BLOCK):
            after = words[at + 1]
            if after.cls is WordClass.NUMBER or (words[at].cls is WordClass.BLOCK and len(after.value) == 1):
                key = f"{key}/{after.value}" if after.cls is WordClass.NUMBER else key + after.value
                at += 2
        found.append(Number(key, start, at))
    return found


def _is_letter(words: list[Word], at: int) -> bool:
    """Whether a single letter standing apart after a number is the house's (`54 А`, `52 "Б"`)."""
    word = words[at]
    if len(word.value) != 1:
        return False
    if word.cls is WordClass.NAME:
        return True
    return word.cls in (WordClass.STOP, WordClass.BLOCK) and (at + 1 == len(words) or words[at + 1].cls is WordClass.COMMA)


def house_numbers(text: str) -> list[str]:
    """Canonical house numbers of a map's `addr:housenumber` (`52 "Б"` → `52b`; `12;14` → both); empty where it has none."""
    words = read_words(text)
    return [number.key for number in numbers(words)]


def name_reading(words: list[Word]) -> Reading:
    """The reading of words that are a name and nothing else; all numbers belong to the name."""
    names = []
    of_name = []
    street_type = ""
    for cls, value in words:
        if cls is _NAME or cls is _KIND:
            names.append(value)
        elif cls is _NUMBER:
            of_name.append(value)
        elif cls is _TYPE and not street_type:
            street_type = value
    return Reading(tuple(names), tuple(of_name), street_type, "")


def with_types_corrected(words: list[Word], known: Container[str]) -> list[Word]:
    """The words, those that are no name on the map and one letter away from a street type's (`проспек`) taken for it.

    Args:
        known: stems that are names.
    """
    corrected = []
    for word in words:
        if word.cls is WordClass.NAME and len(word.value) >= 5 and word.value not in known:
            near = extractOne(word.value, _TYPE_WORDS.keys(), scorer=OSA.distance, score_cutoff=1)
            if near is not None:
                word = _TYPE_WORDS[near[0]]
        corrected.append(word)
    return corrected


def without_flat(words: list[Word]) -> list[Word]:
    """The words without flat, entrance and floor, with the number on the side where it stands (`кв. 5`, `5-пәтер`)."""
    if not any(word.cls is WordClass.FLAT for word in words):
        return words
    kept: list[Word] = []
    left = sum(word.cls is WordClass.NUMBER for word in words)
    skip = False
    for at, word in enumerate(words):
        if skip and word.cls is WordClass.NUMBER:
            skip = False
            left -= 1
            continue
        skip = False
        if word.cls is not WordClass.FLAT:
            kept.append(word)
        elif at + 1 < len(words) and words[at + 1].cls is WordClass.NUMBER:
            skip = True
        else:
            while kept and kept[-1].cls is WordClass.DASH:
                kept.pop()
            # A number before the word is the flat's only where another one is left for the house.
            if kept and kept[-1].cls is WordClass.NUMBER and left > 1:
                kept.pop()
                left -= 1
    return kept


def readings(words: list[Word]) -> Iterator[Reading]:
    """The ways to split words into a name and a house number, likeliest first.

    A number marked as a house's (`дом 12`, `12-үй`) is one. Otherwise all numbers may belong to the name (`8 Марта`,
    `Самал-2`), or the last is the house's (`Абая 12`), or the last with its flat (`Абая 12-34`), or the first (`12 Abay Ave`).
    """
    words = without_flat(words)
    runs = numbers(words)
    if not runs:
        yield name_reading(words)
        return
    for at, word in enumerate(words):
        if word.cls is WordClass.HOUSE:
            beside = next((run for run in runs if run.start == at + 1), None) or next(
                (run for run in runs if run.end == at or (run.end == at - 1 and words[at - 1].cls is WordClass.DASH)), None
            )
            if beside is not None:
                yield _with_house(words, beside)
                yield name_reading(words)  # `Дом 2` may be what the map calls a building
                return
    last, first = runs[-1], runs[0]
    yield name_reading(words)
    yield _with_house(words, last)
    if len(runs) > 1:
        previous = runs[-2]
        if previous.end == last.start - 1 and words[previous.end].cls is WordClass.DASH:
            yield _with_house(words[: previous.start] + words[last.end :], None, previous.key)
        if words[previous.end].cls is WordClass.COMMA and first.start:
            yield _with_house(words[: first.start], None, first.key)  # `87, 89`
        yield _with_house(words, first)
    slash = last.key.find("/")
    if slash > 0:
        with_number = [*words[: last.start], Word(WordClass.NUMBER, last.key[:slash])]
        yield name_reading(with_number)._replace(house=last.key[slash + 1 :])


def _with_house(words: list[Word], run: Number | None, key: str = "") -> Reading:
    if run is not None:
        key = run.key
        words = words[: run.start] + words[run.end :]
    return name_reading(words)._replace(house=key)


_PARTS: Final = re.compile(r"[;()]")


def spellings(name: str) -> list[str]:
    """The names a map's one field holds: `Толе Би (Tole Bi)` and `ул. Джандосова;ул.Джандосова` hold two each."""
    parts = [part.strip() for part in _PARTS.split(name)]
    return [part for part in parts if part] or [name]
