"""The words an address is made of, in Kazakh, Russian and English: street types, kinds of institution, markers.

Place in the flow: part of **locate**; `routing.address` looks every word of an address up here after folding it. Entries are
written as people write them and folded once at import, so a Latin or Kazakh spelling needs its own entry only where folding
does not already make it the same. Source: OCC-1 (address in words), spelling of Kazakhstan's address register and of OSM.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class WordClass(IntEnum):
    """What part a word plays in an address."""

    NAME = 0
    """Part of a proper name."""
    NUMBER = 1
    TYPE = 2
    """Street type: `street`, `avenue`…; part of the name only where the name is otherwise a mere number."""
    KIND = 3
    """Kind of institution: `@school`, `@police`…; part of the name."""
    HOUSE = 4
    """The number beside it is the house's."""
    BLOCK = 5
    """The number after it is the block's, building's or letter's of the house."""
    FLAT = 6
    """It and the number beside it say nothing about the place."""
    CORNER = 7
    """Two streets meet here."""
    AND = 8
    STOP = 9
    """Says nothing."""
    SLASH = 10
    DASH = 11
    COMMA = 12
    OPEN = 13
    CLOSE = 14


STREET_TYPES: Final[dict[str, str]] = {
    "street": "ул улица улице улицы улицу уица көш көше көшесі көшесінде көшесінің ulitsa ul street str st kosh koshe koshesi",
    "avenue": "пр прс просп проспект проспекте проспекта проспекту пр-т пр-кт пр-кту даңғыл даңғылы даңғылында даң дан "
    "avenue ave av prospekt prosp pr-t dangyly dangyl danghyly",
    "microdistrict": "мкр мкрн мкр-н мк-рн мкн м-н микрорайон микрорайоне микрорайона ықшамауданы ықшамаудан ықшам "
    "мөлтекауданы мөлтекаудан мөлтек шағынауданы шағын microdistrict mkr mkrn mkn md",
    "boulevard": "б-р бул бульвар бульвары бульваре boulevard blvd bulvar bulvary",
    "lane": "пер переулок переулке тұйық тұйығы тұйыққөше lane pereulok per ln",
    "passage": "пр-д проезд проезде өткел өткелі passage proezd",
    "dead_end": "тупик туп",
    "highway": "ш шоссе тракт трасса тасжол тасжолы автодорога highway hwy shosse trakt",
    "road": "дорога дороге дор road rd doroga",
    "line": "линия линии линий line liniya",
    "square": "пл площадь площади алаң алаңы square sq ploshchad",
    "quarter": "кв-л квартал орам quarter kvartal",
    "complex": "жк жм",
}
"""Canonical type → its spellings."""

PLACE_KINDS: Final[dict[str, str]] = {
    "@school": "школа школе школы сш мектеп мектебі мектебінде school shkola mektep гимназия гимназии лицей",
    "@kindergarten": "детсад садик ясли-сад бөбекжай балабақша балабақшасы kindergarten",
    "@hospital": "больница больнице больницы госпиталь аурухана ауруханасы ауруханасында hospital bolnitsa",
    "@clinic": "поликлиника поликлиннике поликлинника поликлинике поликлиники емхана емханасы емханасында clinic polyclinic",
    "@maternity": "роддом родильный",
    "@police": "полиция полиции полицейский милиция милиции рувд увд ровд руп оп опп гуп полициясы police politsiya",
    "@fire": "пожарная пожарной пожарка пожарки пч өрт firestation",
    "@pharmacy": "аптека аптеке дәріхана дәріханасы pharmacy apteka",
    "@university": "университет университете университеті институт university",
    "@theatre": "театр театре театры theatre theater",
    "@cinema": "кинотеатр кинотеатре cinema",
    "@market": "базар базары базаре рынок рынке bazaar bazar market",
    "@mosque": "мечеть мечети мешіт мешіті mosque",
    "@hotel": "гостиница гостинице отель отеле hotel",
    "@bank": "банк банке банкі bank",
    "@mall": "трц трк тц тд молл mall",
    "@park": "парк парке саябақ саябағы park",
    "@stadium": "стадион стадионе stadium",
    "@station": "вокзал вокзале вокзалы станция станциясы station vokzal",
    "@airport": "аэропорт аэропорте әуежай әуежайы airport",
    "@fuel": "азс заправка",
    "@cafe": "кафе cafe",
    "@restaurant": "ресторан ресторане restaurant",
}
"""Canonical kind → the words callers use for it."""

KIND_PHRASES: Final[dict[str, str]] = {
    "@maternity": r"род(?:ильн\w+)?[. ]+дом\w*",
    "@kindergarten": r"дет(?:ск\w+)?[. ]+сад\w*|д/с",
    "@fire": r"пожарн\w+ (?:част|станци|депо)\w*|өрт сөндіру(?: бөлімі| станциясы)?|fire station",
    "@police": r"(?:участ\w+|отдел\w*|управлени\w+|пункт\w*) (?:полиции|милиции)|полиция (?:бөлімі|бөлімшесі|басқармасы)"
    r"|police (?:station|department)",
}
"""Kinds said in more than one word, as patterns over lower-case text."""

KIND_OF_TAG: Final[dict[str, str]] = {
    "school": "@school",
    "kindergarten": "@kindergarten",
    "hospital": "@hospital",
    "clinic": "@clinic",
    "doctors": "@clinic",
    "police": "@police",
    "fire_station": "@fire",
    "pharmacy": "@pharmacy",
    "university": "@university",
    "college": "@university",
    "theatre": "@theatre",
    "cinema": "@cinema",
    "marketplace": "@market",
    "hotel": "@hotel",
    "bank": "@bank",
    "mall": "@mall",
    "park": "@park",
    "stadium": "@stadium",
    "station": "@station",
    "aerodrome": "@airport",
    "fuel": "@fuel",
    "cafe": "@cafe",
    "restaurant": "@restaurant",
}
"""OSM's tag value → canonical kind, so that a school tagged only `№ 120` is found as `школа 120`."""

KIND_LABELS: Final[dict[str, str]] = {
    "police": "Полиция",
    "hospital": "Больница",
    "clinic": "Поликлиника",
    "fire_station": "Пожарная часть",
}
"""What a nameless institution is called. Only those that matter to a dispatcher are kept without a name."""

MARKERS: Final[dict[WordClass, str]] = {
    WordClass.HOUSE: "д дом доме дома үй үйі үйінде уй house зд здание dom uy no num",
    WordClass.BLOCK: "корп корпус корпуса к блок стр строение литер лит секция korpus korp block bldg",
    WordClass.FLAT: "кв квартира квартире пәтер пәт apt flat оф офис office комн комната подъезд под кіреберіс эт этаж этаже "
    "қабат floor kv kvartira",
    WordClass.CORNER: "угол уг углу пересечение пересечении пересеч перекресток перекрестке қиылысы қиылысында қиылыс бұрышы "
    "бұрышында corner crossing intersection ugol",
    WordClass.AND: "и мен пен бен және and i",
    WordClass.STOP: "г гор город города городе қала қаласы қ city gorod село с ауыл аул ауылы пос посёлок поселок кент "
    "р-н район района районе аудан ауданы district обл область облысы region им имени атындағы атын на в во по у возле "
    "около рядом за от из до near the of at in to by адрес мекенжай мекенжайы рк казахстан қазақстан kazakhstan индекс n номер",
}
