"""Answers where words are and what is near a point, from an imported map: implements `core.ports.Gazetteer`.

Place in the flow: **locate**. Rules: an exact reading is a few dictionary look-ups; only when there is none are likenesses
sought; nothing below `SCORE_MIN` is answered. A house the map lacks is placed between its neighbours, else on its
street, and `accuracy_m` says how well. A name that many places bear is no exact reading of any: its score falls with their
number.
Answers depend on the map and the words alone. Source: OCC-1.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from core.ports import Match
from routing.address import Reading, Word, name_reading, numbers, read_words, readings, spellings, with_types_corrected
from routing.address_words import KIND_LABELS, KIND_OF_TAG, WordClass
from routing.map_data import DEGREE, MapData
from routing.map_index import HouseIndex, PointIndex, StreetShapes, distance_m
from routing.name_index import NameEntry, NameIndex

SCORE_MIN: Final = 68.0
CACHE_TEXTS: Final = 16_384
WORDS_MAX: Final = 40
"""Words of a text that are read; an address is far shorter."""
PLACE_ACCURACY_M: Final = 25.0
CORNER_ACCURACY_M: Final = 25.0
SAME_PLACE_M: Final = 300.0
"""Places of one name within this are one place, mapped twice."""
NO_HOUSE: Final = 0.8
"""Only the street is known of a house."""
OLD_NAME: Final = 0.98
OTHER_TYPE: Final = 0.96
NO_SHARED_NODE: Final = 0.97
"""Two streets only come near each other."""
APPROACHES_MAX: Final = 6
"""Pairs of streets whose nearest approach is computed for one text."""
FEW_OF_A_KIND: Final = 5
"""A kind with no more places than this may be named by its word alone (`аэропорт`)."""
PART_ONLY: Final = 0.92
"""Only a part of the text was understood."""
_SETTLEMENT_RADIUS_M: Final = {
    "city": 20_000.0, "town": 6_000.0, "village": 2_500.0, "hamlet": 1_000.0, "suburb": 2_000.0, "borough": 4_000.0,
    "quarter": 1_000.0, "neighbourhood": 1_000.0,
}  # fmt: skip
"""Half the extent of a settlement mapped as a point; an area has its own."""
_SEPARATORS: Final = frozenset({WordClass.AND, WordClass.CORNER, WordClass.SLASH, WordClass.DASH, WordClass.COMMA})


class MapGazetteer:
    """The gazetteer of one map. Not thread-safe (it remembers answers); one thread is all the centre has."""

    def __init__(self, map_data: MapData) -> None:
        self._map = map_data
        self._streets = len(map_data.street_names)
        self._places = map_data.place_points.tolist()
        self._shapes = StreetShapes(map_data)
        self._houses = HouseIndex(map_data)
        self._points = PointIndex(map_data)
        self._display = self._points.display
        self._corners: dict[tuple[int, int], list[int]] = {}
        for row, (first, second) in enumerate(map_data.corner_streets.tolist()):
            self._corners.setdefault((first, second), []).append(row)
        self._settlements = self._read_settlements()
        self._names = NameIndex(list(self._entries()))
        self._answers: OrderedDict[tuple[str, int], tuple[Match, ...]] = OrderedDict()

    def search(self, words: str, limit: int = 5) -> list[Match]:
        """Places for an address or a name in words, best first; empty when nothing is near enough.

        Cost: tens of microseconds for an exact reading, below a millisecond otherwise, a dictionary look-up for words
        asked again.
        """
        asked = (words, limit)
        known = self._answers.get(asked)
        if known is not None:
            self._answers.move_to_end(asked)
            return list(known)
        found = self._find(read_words(words[:400])[:WORDS_MAX])
        answer = _best(found, limit)
        if len(self._answers) >= CACHE_TEXTS:
            self._answers.popitem(last=False)
        self._answers[asked] = tuple(answer)
        return answer

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """Address nearest to each point, for a person to read; `""` where none lies within 500 m. One call a batch."""
        return self._points.describe(latitude_deg, longitude_deg)

    def _find(self, words: list[Word]) -> list[Match]:
        """All readings of the words that the map answers, exact ones before any likeness is tried."""
        found = self._exact(words)
        if found:
            return found
        if any(word.cls is WordClass.OPEN for word in words):
            words = _without_brackets(words)
            found = self._exact(words)
            if found:
                return found
        town, rest = self._without_settlement(words)
        if town is not None and rest:
            found = _preferring(self._exact(rest), self._places[town], self._radius_m(town))
            if found:
                return found
            words = rest
        found = self._alike(words)
        if not found or max(match.score for match in found) < 90.0:
            for part in _parts(words):
                found.extend(_scaled(self._exact(part) or self._alike(part), PART_ONLY))
        if town is not None:
            found = _preferring(found, self._places[town], self._radius_m(town))
        return found

    def _exact(self, words: list[Word]) -> list[Match]:
        if any(word.cls is WordClass.AND or word.cls is WordClass.CORNER for word in words):
            corners = self._exact_corners(words)
            if corners:
                return corners
        found: list[Match] = []
        for reading in readings(words):
            entries = self._names.exact(reading)
            if entries:
                found.extend(self._answer(reading, [(entry, 100.0) for entry in entries]))
                if any(match.score >= 100.0 for match in found):
                    return found
        return found or self._exact_corners(words)

    def _exact_corners(self, words: list[Word]) -> list[Match]:
        """Corners of two streets whose names are exactly the words before and after some point of the text."""
        for left, right in _halves(words, anywhere=True):
            first, second = self._names.exact(left), self._names.exact(right)
            if first and second:
                found = self._corners_of([(e, 100.0) for e in first], [(e, 100.0) for e in second], left, right)
                if found:
                    return found
        return []

    def _alike(self, words: list[Word]) -> list[Match]:
        words = with_types_corrected(words, self._names)
        found: list[Match] = []
        for left, right in _halves(words, anywhere=False):
            first, second = self._candidates(left), self._candidates(right)
            if first and second:
                found.extend(self._corners_of(first, second, left, right))
        # Where both of two streets were understood, one of them alone is the worse answer.
        share = PART_ONLY if found else 1.0
        for reading in readings(words):
            if reading.names or reading.numbers:
                found.extend(_scaled(self._answer(reading, self._candidates(reading)), share))
        return found

    def _candidates(self, reading: Reading) -> list[tuple[NameEntry, float]]:
        exact = self._names.exact(reading)
        if exact:
            return [(entry, 100.0) for entry in exact]
        return [(entry, score) for entry, score in self._names.resembling(reading) if score >= SCORE_MIN]

    def _answer(self, reading: Reading, entries: list[tuple[NameEntry, float]]) -> list[Match]:
        """Matches for names found: a house or a street for a street's, a place for a place's."""
        found: list[Match] = []
        streets: list[tuple[int, float]] = []
        places: dict[str, list[tuple[int, float]]] = {}
        for entry, score in entries:
            if entry.target >= self._streets:
                if not reading.house:
                    place = entry.target - self._streets
                    places.setdefault(entry.reading.key, []).append((place, score))
                continue
            score *= _share(reading, entry)
            houses = self._at_house(entry.target, reading.house, score) if reading.house else []
            if houses:
                found.extend(houses)
            else:
                streets.append((entry.target, score * NO_HOUSE if reading.house else score))
        if not any(match.score >= 100.0 for match in found):
            found.extend(self._street(street, score) for street, score in streets)
        found.sort(key=lambda match: (-match.score, -match.accuracy_m))
        for same_name in places.values():
            found.extend(self._places_of(same_name))
        return found

    def _at_house(self, street: int, house: str, score: float) -> list[Match]:
        name = self._display[street]
        return [
            Match(f"{name}, {number}", latitude_deg, longitude_deg, accuracy_m, score * share, "house")
            for number, latitude_deg, longitude_deg, accuracy_m, share in self._houses.place(street, house)
        ]

    def _street(self, street: int, score: float) -> Match:
        latitude_deg, longitude_deg, half_length_m = self._shapes.middle(street)
        return Match(self._display[street], latitude_deg, longitude_deg, half_length_m, score, "street")

    def _places_of(self, rows: list[tuple[int, float]]) -> list[Match]:
        """Matches for places of one name, those mapped twice taken once; each loses score to the others."""
        apart: list[tuple[int, float]] = []
        for row, score in sorted(rows, key=lambda item: -self._map.place_extent_m[item[0]]):
            here = self._places[row]
            if all(distance_m(here, self._places[other]) > SAME_PLACE_M for other, _ in apart):
                apart.append((row, score))
        share = max(0.6, 1.0 - 0.08 * (len(apart) - 1))
        return [self._place(row, score * share) for row, score in apart]

    def _place(self, row: int, score: float) -> Match:
        kind = self._map.place_kind[row]
        name = self._map.place_names[row][0] or KIND_LABELS.get(kind, kind)
        latitude, longitude = self._places[row]
        return Match(name, latitude / DEGREE, longitude / DEGREE, self._radius_m(row), score, "place")

    def _radius_m(self, place: int) -> float:
        extent = float(self._map.place_extent_m[place])
        return max(PLACE_ACCURACY_M, extent or _SETTLEMENT_RADIUS_M.get(self._map.place_kind[place], 0.0))

    def _corners_of(
        self,
        first: list[tuple[NameEntry, float]],
        second: list[tuple[NameEntry, float]],
        left: Reading,
        right: Reading,
    ) -> list[Match]:
        met: list[Match] = []
        near: list[tuple[int, int, str, float]] = []
        for one, one_score in first:
            for other, other_score in second:
                a, b = sorted((one.target, other.target))
                if a == b or b >= self._streets:
                    continue
                score = min(one_score * _share(left, one), other_score * _share(right, other))
                name = f"{self._display[one.target]} / {self._display[other.target]}"
                rows = self._corners.get((a, b))
                if rows is None:
                    near.append((a, b, name, score))
                    continue
                for row in rows:
                    latitude, longitude = self._map.corner_points[row].tolist()
                    # One corner of two streets is where they cross; of several nobody said which.
                    met.append(Match(name, latitude / DEGREE, longitude / DEGREE, CORNER_ACCURACY_M, score, "corner"))
        if met:
            return met
        for a, b, name, score in near[:APPROACHES_MAX]:
            approach = self._shapes.approach(a, b)
            if approach is not None:
                latitude_deg, longitude_deg, gap_m = approach
                met.append(
                    Match(name, latitude_deg, longitude_deg, CORNER_ACCURACY_M + gap_m, score * NO_SHARED_NODE, "corner")
                )
        return met

    def _entries(self) -> Iterator[NameEntry]:
        """Every name on the map, read."""
        for street, (names, old_names) in enumerate(zip(self._map.street_names, self._map.street_old_names, strict=True)):
            for name, old in ((n, o) for group, o in ((names, False), (old_names, True)) for n in group):
                for spelling in spellings(name):
                    yield NameEntry(name_reading(read_words(spelling)), street, old)
        of_kind = Counter(KIND_OF_TAG.get(kind, "") for kind in self._map.place_kind)
        for place, (names, kind) in enumerate(zip(self._map.place_names, self._map.place_kind, strict=True)):
            canonical = KIND_OF_TAG.get(kind, "")
            if canonical and of_kind[canonical] <= FEW_OF_A_KIND:
                yield NameEntry(Reading((canonical,), (), "", ""), self._streets + place, False)
            for name in names:
                for spelling in spellings(name or KIND_LABELS.get(kind, "")):
                    reading = name_reading(read_words(spelling))
                    if not reading.names and not canonical:
                        continue  # a building called `35` is no place a caller means by 35
                    if reading.names:
                        yield NameEntry(reading, self._streets + place, False)
                    if canonical and canonical not in reading.names:
                        yield NameEntry(reading._replace(names=(canonical, *reading.names)), self._streets + place, False)

    def _read_settlements(self) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        """Settlements by the first word of their names: all words, and the place."""
        found: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for place, kind in enumerate(self._map.place_kind):
            if kind in _SETTLEMENT_RADIUS_M:
                for name in self._map.place_names[place]:
                    for spelling in spellings(name):
                        reading = name_reading(read_words(spelling))
                        if reading.names and not reading.numbers:
                            found.setdefault(reading.names[0], []).append((reading.names, place))
        return found

    def _without_settlement(self, words: list[Word]) -> tuple[int | None, list[Word]]:
        """The settlement that the words begin or end with or set apart by commas, and the other words."""
        for at, word in enumerate(words):
            for names, place in self._settlements.get(word.value, ()) if word.cls is WordClass.NAME else ():
                kept = [(no, w) for no, w in enumerate(words[at:], at) if w.cls is not WordClass.DASH][: len(names)]
                if tuple(w.value for _, w in kept) == names:
                    end = kept[-1][0] + 1
                    rest = words[:at] + words[end:]
                    if any(w.cls is WordClass.NAME or w.cls is WordClass.KIND or w.cls is WordClass.NUMBER for w in rest):
                        return place, rest
        return None, words


def _share(reading: Reading, entry: NameEntry) -> float:
    """Share of the score left to a street by its type and by its name being an old one."""
    other_type = reading.type and entry.reading.type and reading.type != entry.reading.type
    return (OTHER_TYPE if other_type else 1.0) * (OLD_NAME if entry.old else 1.0)


def _halves(words: list[Word], *, anywhere: bool) -> Iterator[tuple[Reading, Reading]]:
    """The ways to split words into two street names: at a sign or an `и`, or between any two words."""
    words = [word for word in words if word.cls is not WordClass.STOP]
    while words and words[0].cls in _SEPARATORS:
        words = words[1:]
    while words and words[-1].cls in _SEPARATORS:
        words = words[:-1]
    if len(words) > 12:
        return
    cuts = [at for at in range(1, len(words)) if words[at].cls in _SEPARATORS]
    cuts.sort(key=lambda at: words[at].cls is WordClass.DASH)
    if anywhere:
        cuts += [at for at in range(1, len(words)) if words[at].cls not in _SEPARATORS and words[at - 1].cls not in _SEPARATORS]
    for at in cuts:
        right = words[at + 1 :] if words[at].cls in _SEPARATORS else words[at:]
        left_reading, right_reading = name_reading(words[:at]), name_reading(right)
        if left_reading.key and right_reading.key:
            yield left_reading, right_reading


def _parts(words: list[Word]) -> Iterator[list[Word]]:
    """Runs of words between commas and brackets, joined with a following run that is only a number (`Абая, 10, …`)."""
    runs: list[list[Word]] = [[]]
    for word in words:
        if word.cls in (WordClass.COMMA, WordClass.OPEN, WordClass.CLOSE, WordClass.CORNER):
            runs.append([])
        else:
            runs[-1].append(word)
    merged: list[list[Word]] = []
    for run in runs:
        if merged and run and not any(word.cls in (WordClass.NAME, WordClass.KIND, WordClass.TYPE) for word in run):
            merged[-1] += run
        elif run:
            merged.append(run)
    if len(merged) > 1:
        yield from merged[:6]
    for number in numbers(words)[:3]:
        if number.start > 0 and number.end < len(words):
            yield words[: number.end]  # `Абая 12 напротив аптеки`


def _without_brackets(words: list[Word]) -> list[Word]:
    """The words outside brackets: `пр. Достык (Ленина), 188`."""
    kept: list[Word] = []
    depth = 0
    for word in words:
        if word.cls is WordClass.OPEN:
            depth += 1
        elif word.cls is WordClass.CLOSE:
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(word)
    return kept


def _scaled(matches: list[Match], share: float) -> list[Match]:
    return [Match(m.name, m.latitude_deg, m.longitude_deg, m.accuracy_m, m.score * share, m.match) for m in matches]


def _preferring(matches: list[Match], point: list[int], radius_m: float) -> list[Match]:
    """The matches, those outside the settlement named with a lower score."""
    return [
        match
        if distance_m(point, (round(match.latitude_deg * DEGREE), round(match.longitude_deg * DEGREE))) <= radius_m * 1.5
        else _scaled([match], 0.9)[0]
        for match in matches
    ]


def _best(found: list[Match], limit: int) -> list[Match]:
    """The best matches above `SCORE_MIN`, each place once."""
    answer: list[Match] = []
    for match in sorted(found, key=lambda match: -match.score):
        if match.score < SCORE_MIN or len(answer) >= limit:
            break
        here = (round(match.latitude_deg * DEGREE), round(match.longitude_deg * DEGREE))
        if all(
            match.name != other.name
            or distance_m(here, (round(other.latitude_deg * DEGREE), round(other.longitude_deg * DEGREE))) > 100.0
            for other in answer
        ):
            answer.append(match)
    return answer
