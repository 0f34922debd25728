"""The roster's words in Kazakh, Russian and English: what duty officers and shift leads read.

Keys are the vocabulary's own values; a value without a row here is a failing test.
"""

from __future__ import annotations

from typing import Final

from adapters.certificate.words import STATES, TERMS, Language, Phrase

__all__ = ["ASSIGNMENTS", "CREW_STATES", "DEVIATIONS", "LABELS", "STATES", "TERMS", "Language", "Phrase"]

LABELS: Final[dict[str, Phrase]] = {
    "roster": Phrase("Бекеттік ведомость", "Постовая ведомость", "Post roster"),
    "plan": Phrase("жоспар", "план", "plan"),
    "fact": Phrase("іс жүзінде", "факт", "fact"),
    "nobody": Phrase("ешкім жоспарланбаған", "никто не запланирован", "nobody is planned"),
    "unplanned": Phrase("Жоспардан тыс қызметте", "На службе вне плана", "On duty without a plan"),
    "unheard": Phrase("мәлімет жоқ", "нет данных", "never heard of"),
    "since": Phrase("{time} бастап", "с {time}", "since {time}"),
    "incident": Phrase("№ {number} оқиға", "происшествие № {number}", "incident {number}"),
    "everywhere": Phrase("барлық аумақ", "вся территория", "everywhere"),
    "no_post": Phrase("бекетсіз", "без поста", "no post"),
    "no_deviation": Phrase("Жоспар орындалды", "План соблюдён", "As planned"),
    "minutes": Phrase("{count} мин", "{count} мин", "{count} min"),
    "planned_for": Phrase("жоспар {span}", "план {span}", "planned {span}"),
    "changes": Phrase("Ведомостегі өзгерістер", "Изменения ведомости", "Changes of the roster"),
    "import": Phrase("енгізілді", "загружено", "imported"),
    "change": Phrase("өзгертілді", "изменено", "changed"),
    "withdrawn": Phrase("алып тасталды", "снято", "withdrawn"),
    "nothing": Phrase("ештеңе жоқ", "нет", "none"),
    "act": Phrase("Ауысымды қабылдау-тапсыру актісі", "Акт приёма-передачи смены", "Act of handover"),
    "territory": Phrase("Аумақ", "Территория", "Territory"),
    "handed_over": Phrase("Тапсырды", "Сдал", "Handed over by"),
    "taken_over": Phrase("Қабылдады", "Принял", "Taken over by"),
    "open_incidents": Phrase("Ашық оқиғалар", "Открытые происшествия", "Open incidents"),
    "priority": Phrase("басымдық {number}", "приоритет {number}", "priority {number}"),
    "owner": Phrase("жауапты: {name}", "ответственный: {name}", "owner: {name}"),
    "no_owner": Phrase("жауаптысы жоқ", "без ответственного", "no owner"),
    "until": Phrase("{time} дейін", "до {time}", "until {time}"),
    "overdue": Phrase("мерзімі өтті: {time}", "просрочено: {time}", "overdue since {time}"),
    "crews_out": Phrase("Қызметтегі жасақтар", "Наряды в работе", "Crews out"),
    "shift_until": Phrase("ауысым {time} дейін", "смена до {time}", "shift until {time}"),
    "no_shift": Phrase("ауысымы жоспарланбаған", "вне смены", "no shift planned"),
    "notices": Phrase("Расталмаған хабарламалар", "Неподтверждённые уведомления", "Notices not acknowledged"),
    "shown_of": Phrase("барлығы {count}, көрсетілгені {shown}", "всего {count}, показано {shown}", "{shown} of {count} shown"),
}

CREW_STATES: Final[dict[str, Phrase]] = {
    "off_duty": Phrase("қызметте емес", "не на службе", "off duty"),
    "free": Phrase("бос", "свободен", "free"),
    "assigned": Phrase("тапсырма алды", "назначен", "assigned"),
    "en_route": Phrase("жолда", "в пути", "en route"),
    "on_scene": Phrase("орнында", "на месте", "on scene"),
    "returning": Phrase("қайтып келеді", "возвращается", "returning"),
    "busy": Phrase("бос емес", "занят", "busy"),
    "out_of_service": Phrase("жұмысқа жарамсыз", "неисправен", "out of service"),
}
"""By `core.vocabulary.CrewState`."""

ASSIGNMENTS: Final[dict[str, Phrase]] = {
    "offered": Phrase("ұсынылды", "предложено", "offered"),
    "accepted": Phrase("қабылдады", "принял", "accepted"),
    "en_route": Phrase("жолда", "в пути", "en route"),
    "on_scene": Phrase("орнында", "на месте", "on scene"),
}
"""States of an assignment that is going on."""

DEVIATIONS: Final[dict[str, Phrase]] = {
    "absent": Phrase("қызметке шықпады", "не вышел на службу", "planned and not on duty"),
    "late_start": Phrase("кеш шықты", "позднее начало", "late start"),
    "early_end": Phrase("ерте кетті", "раннее окончание", "early end"),
    "left_meanwhile": Phrase("ауысым ішінде болмады", "отсутствовал в течение смены", "off duty in the middle"),
    "not_planned": Phrase("жоспардан тыс қызметте", "на службе вне плана", "on duty and not planned"),
}
"""By `core.roster.fact.DeviationKind`."""
