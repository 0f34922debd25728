"""Finds names by their words: exactly by one dictionary look-up, else by words that resemble them.

Place in the flow: part of **locate**, under `routing.gazetteer`. Rules: a number never resembles another (school 17 is
not school 18); a word resembles another within an edit distance that grows with its length; candidates for a word come from
posting lists of letter pairs, so its cost grows with the words that share letters, not with the map. Source: OCC-1.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from math import log
from typing import Final, NamedTuple

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from routing.address import KIND_WORDS, Reading

WORDS_MAX: Final = 10
"""Words of a caller's text that are compared; an address has fewer."""
POSTING_MAX: Final = 4_000
"""A word that more names hold than this (`улица` in a shop's name) finds nothing alone."""
COMPARED_MAX: Final = 400
"""Words that share most letter pairs with a caller's, whose edit distance is computed."""
ALIKE_MAX: Final = 24
"""Words that one caller's word may stand for."""
ALIKE_REMEMBERED: Final = 8_192
"""Callers' words whose likenesses are remembered, some 3 MB: each is asked for in every reading of its text, and a fire's
callers misspell the same street."""
KIND_WEIGHT: Final = 0.4
UNKNOWN_WEIGHT: Final = 0.8
"""Weight of a caller's word that resembles nothing on the map."""
ENDING: Final = 0.05
"""What a likeness loses when the word's ending had to go as well."""
OTHER_NUMBER: Final = 0.85
"""Share of the score left when the name has a number that was not said."""
OTHER_KIND: Final = 0.85
"""The same when a kind was said (`театр Абая`) and the name is not of that kind."""
OTHER_TYPE: Final = 0.97
"""The same when another street type was said; people mix them up."""


class NameEntry(NamedTuple):
    """One name of a thing on the map."""

    reading: Reading
    target: int
    """What it names; the caller's own handle."""
    old: bool


class Candidate(NamedTuple):
    """A name that resembles words, 0–100."""

    entry: NameEntry
    score: float


class _Tally:
    """What of one name the caller's words have matched so far, in weights."""

    __slots__ = ("asked", "resembling", "sure")

    def __init__(self) -> None:
        self.asked = 0.0
        self.resembling = 0.0
        self.sure = False


class NameIndex:
    """Names by key and by resemblance. Immutable once built; building is O(total letters)."""

    def __init__(self, entries: list[NameEntry]) -> None:
        """Indexes the names; an entry whose reading has no key is left out."""
        self._entries: list[NameEntry] = []
        self._exact: dict[str, list[NameEntry]] = defaultdict(list)
        self._postings: dict[str, list[int]] = defaultdict(list)
        seen: set[tuple[str, int, str]] = set()
        for entry in entries:
            key = entry.reading.key
            if not key or (key, entry.target, entry.reading.type) in seen:
                continue
            seen.add((key, entry.target, entry.reading.type))
            self._add(key, entry)
            if len(entry.reading.names) > 1:
                # `Толеби`, `Жибекжолы`: two words said as one.
                joined = entry._replace(reading=entry.reading._replace(names=("".join(entry.reading.names),)))
                self._add(joined.reading.key, joined)
        self._exact.default_factory = None
        self._postings.default_factory = None
        self._weights = self._weigh()
        self._build_pairs()
        self._alike = lru_cache(maxsize=ALIKE_REMEMBERED)(self._find_alike)

    def __contains__(self, stem: object) -> bool:
        """Whether a stem is a word of some name."""
        return stem in self._postings

    def __len__(self) -> int:
        return len(self._entries)

    def exact(self, reading: Reading) -> list[NameEntry]:
        """The names with the reading's key; O(1)."""
        return self._exact.get(reading.key, [])

    def resembling(self, reading: Reading, limit: int = 12) -> list[Candidate]:
        """The names that resemble a reading's, best first, at most `limit`; none where nothing does."""
        tallies: dict[int, _Tally] = defaultdict(_Tally)
        asked_total = 0.0
        names = reading.names[:WORDS_MAX]
        for word in self._joined(names):
            alike = self._alike(word)
            if not alike:
                asked_total += UNKNOWN_WEIGHT if len(word) > 1 else 0.1
                continue
            weight = max(self._weights[other] for other, _ in alike)
            asked_total += weight
            best: dict[int, tuple[float, str]] = {}
            for other, likeness in alike:
                postings = self._postings[other]
                if len(postings) > POSTING_MAX and len(names) > 1:
                    continue
                for entry_no in postings:
                    if entry_no not in best or best[entry_no][0] < likeness:
                        best[entry_no] = (likeness, other)
            for entry_no, (likeness, other) in best.items():
                tally = tallies[entry_no]
                tally.asked += weight
                tally.resembling += weight * likeness
                tally.sure = tally.sure or other[0] != "@"
        wanted = set(reading.numbers)
        asked_total += len(wanted)
        for number in wanted:
            for entry_no in self._postings.get(number, ()):
                tally = tallies[entry_no]
                tally.asked += 1.0
                tally.resembling += 1.0
                tally.sure = tally.sure or (tally.asked > 1.0)
        found = [
            Candidate(self._entries[entry_no], score)
            for entry_no, tally in tallies.items()
            if tally.sure and (score := self._score(self._entries[entry_no].reading, reading, wanted, tally, asked_total)) > 0.0
        ]
        found.sort(key=lambda candidate: (-candidate.score, candidate.entry.target))
        return found[:limit]

    def _score(self, name: Reading, asked: Reading, wanted: set[str], tally: _Tally, asked_total: float) -> float:
        """How well a name answers, 0–100: mostly how like the words are, partly how much of both sides is covered."""
        if not wanted.issubset(name.numbers) or len(asked.numbers) > len(name.numbers):
            return 0.0
        own = sum(self._weights[word] for word in name.names) + len(name.numbers)
        covered_asked = tally.asked / asked_total
        if covered_asked < 0.34:
            return 0.0
        covered_own = min(1.0, tally.asked / own) if own else 0.0
        score = 100.0 * tally.resembling / tally.asked * (0.5 + 0.5 * (0.6 * covered_asked + 0.4 * covered_own))
        if len(name.numbers) > len(wanted):
            score *= OTHER_NUMBER
        if any(word[0] == "@" and word not in name.names for word in asked.names):
            score *= OTHER_KIND
        if name.type and asked.type and name.type != asked.type:
            score *= OTHER_TYPE
        return score

    def _add(self, key: str, entry: NameEntry) -> None:
        entry_no = len(self._entries)
        self._entries.append(entry)
        self._exact[key].append(entry)
        for word in {*entry.reading.names, *entry.reading.numbers}:
            self._postings[word].append(entry_no)

    def _weigh(self) -> dict[str, float]:
        """How much each word says: little when many names hold it (`батыра`), very little for an initial."""
        total = log(len(self._entries) + 2)
        weights = {}
        for word, postings in self._postings.items():
            if word[0] == "@":
                weights[word] = KIND_WEIGHT
            elif len(word) == 1 and not word.isdecimal():
                weights[word] = 0.1
            else:
                weights[word] = max(0.25, 1.0 - log(len(postings)) / total)
        return weights

    def _build_pairs(self) -> None:
        """Posting lists of letter pairs over all words, and over the words for kinds that names have."""
        spelled = {word: word for word in self._postings if word[0] != "@" and not word[0].isdecimal()}
        spelled.update({word: kind for word, kind in KIND_WORDS.items() if kind in self._postings})
        self._words = list(spelled)
        self._meanings = list(spelled.values())
        self._lengths = np.array([len(word) for word in self._words], np.int32)
        pairs: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self._words):
            marked = f"^{word}$"
            for pair in {marked[at : at + 2] for at in range(len(marked) - 1)}:
                pairs[pair].append(number)
        self._pairs = {pair: np.array(numbers, np.int32) for pair, numbers in pairs.items()}

    def _joined(self, names: tuple[str, ...]) -> list[str]:
        """The words, two that are one on the map (`Бай турсынова`) joined."""
        words: list[str] = []
        for word in names:
            if words and word not in self._postings and words[-1] + word in self._postings:
                words[-1] += word
            else:
                words.append(word)
        return words

    def _find_alike(self, word: str) -> list[tuple[str, float]]:
        """Words of the map that a word resembles, with likeness 0–1; itself alone when the map has it."""
        if word in self._postings:
            return [(word, 1.0)]
        alike = self._within(word)
        if word[-1] in "aeiou":
            # The mistake has hidden the case ending from the stem (`Титвоа`).
            for meaning, likeness in self._within(word[:-1]).items():
                alike[meaning] = max(alike.get(meaning, 0.0), likeness - ENDING)
        return list(alike.items())

    def _within(self, word: str) -> dict[str, float]:
        """Words of the map within the edit distance that the word's length allows."""
        length = len(word)
        edits = 0 if length < 4 else 1 if length < 7 else 2 if length < 11 else 3
        if edits == 0:
            return {}
        marked = f"^{word}$"
        pairs = {marked[at : at + 2] for at in range(length + 1)}
        lists = [self._pairs[pair] for pair in pairs if pair in self._pairs]
        if not lists:
            return {}
        shared = np.bincount(np.concatenate(lists), minlength=len(self._words))
        # An edit spoils two letter pairs, a transposition three.
        enough = max(1, len(pairs) - max(3, 2 * edits))
        near = np.flatnonzero((shared >= enough) & (np.abs(self._lengths - length) <= edits))
        if len(near) > COMPARED_MAX:
            near = near[np.argpartition(shared[near], -COMPARED_MAX)[-COMPARED_MAX:]]
        numbers = near.tolist()
        words = self._words
        alike: dict[str, float] = {}
        compared = extract(
            word, [words[number] for number in numbers], scorer=OSA.distance, score_cutoff=edits, limit=ALIKE_MAX
        )
        for other, distance, at in compared:
            meaning = self._meanings[numbers[at]]
            alike[meaning] = max(alike.get(meaning, 0.0), 1.0 - distance / max(length, len(other)))
        return alike
