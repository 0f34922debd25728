"""What a shift lead reads of a patrol's finding, in Kazakh, Russian and English (OCC-5).

A finding that has ended is the same sentence, with the reason behind it. Numbers are whole metres and minutes.
"""

from __future__ import annotations

from typing import Final, Literal

from core.instant import SECOND_US
from core.patrol import PatrolEnd, PatrolFault, PatrolFinding

Language = Literal["kk", "ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("kk", "ru", "en")

_F, _E = PatrolFault, PatrolEnd
FAULTS: Final[dict[Language, dict[PatrolFault, str]]] = {
    "kk": {
        _F.NOT_STARTED: "{crew} жасағы «{route}» бағытына шықпады",
        _F.OFF_ROUTE: "{crew} жасағы «{route}» бағытынан кетті",
        _F.STANDING: "{crew} жасағы «{route}» бағытында {minutes} мин бойы тұр",
        _F.CHECKPOINT_MISSED: "{crew} жасағы «{route}» бағытының «{checkpoint}» нүктесіне уақытында келмеді",
    },
    "ru": {
        _F.NOT_STARTED: "наряд {crew} не вышел на маршрут «{route}»",
        _F.OFF_ROUTE: "наряд {crew} ушёл с маршрута «{route}»",
        _F.STANDING: "наряд {crew} стоит на маршруте «{route}» уже {minutes} мин",
        _F.CHECKPOINT_MISSED: "наряд {crew} не был вовремя в точке «{checkpoint}» маршрута «{route}»",
    },
    "en": {
        _F.NOT_STARTED: "crew {crew} has not started on route {route}",
        _F.OFF_ROUTE: "crew {crew} has left route {route}",
        _F.STANDING: "crew {crew} has stood on route {route} for {minutes} min",
        _F.CHECKPOINT_MISSED: "crew {crew} was not at {checkpoint} of route {route} in time",
    },
}
DISTANCES: Final[dict[Language, str]] = {
    "kk": "бағытқа дейін {distance} м",
    "ru": "до маршрута {distance} м",
    "en": "{distance} m from it",
}
ENDS: Final[dict[Language, dict[PatrolEnd, str]]] = {
    "kk": {
        _E.STARTED: "бағытқа шықты",
        _E.RETURNED: "бағытқа қайтты",
        _E.MOVED: "орнынан қозғалды",
        _E.EXCUSED: "тапсырма алды",
        _E.OFF_DUTY: "кезекшіліктен шықты",
        _E.SHIFT_OVER: "ауысым аяқталды",
        _E.ROUTE_CHANGED: "бағыт өзгерді",
    },
    "ru": {
        _E.STARTED: "вышел на маршрут",
        _E.RETURNED: "вернулся на маршрут",
        _E.MOVED: "двинулся с места",
        _E.EXCUSED: "получил задание",
        _E.OFF_DUTY: "снялся с дежурства",
        _E.SHIFT_OVER: "смена окончена",
        _E.ROUTE_CHANGED: "маршрут изменён",
    },
    "en": {
        _E.STARTED: "has started",
        _E.RETURNED: "has come back",
        _E.MOVED: "has moved on",
        _E.EXCUSED: "was given an assignment",
        _E.OFF_DUTY: "has gone off duty",
        _E.SHIFT_OVER: "the shift is over",
        _E.ROUTE_CHANGED: "the route was changed",
    },
}


def sentence(finding: PatrolFinding, language: Language) -> str:
    """One line for the shift lead, without a full stop."""
    minutes = (finding.at_us - finding.since_us) // (60 * SECOND_US)
    text = FAULTS[language][finding.fault].format(
        crew=finding.crew_id, route=finding.route, minutes=minutes, checkpoint=finding.checkpoint
    )
    if finding.ended is not None:
        return f"{text}: {ENDS[language][finding.ended]}"
    if finding.fault is _F.OFF_ROUTE and finding.distance_m is not None:
        return f"{text}: {DISTANCES[language].format(distance=round(finding.distance_m))}"
    return text
