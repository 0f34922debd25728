"""The certificate's words in Kazakh, Russian and English: what citizens, courts and inspectors read.

One table a kind of word, each with all three languages side by side, so that a missing translation is a missing column. The
keys are the vocabulary's own values (`core.vocabulary`, `core.facts`): a word of the log without a row here is a failing test.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

Language = Literal["kk", "ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Phrase(NamedTuple):
    """One meaning in three languages."""

    kk: str
    ru: str
    en: str

    def in_language(self, language: Language) -> str:
        """The phrase in one of them."""
        chosen: str = getattr(self, language)
        return chosen


LABELS: Final[dict[str, Phrase]] = {
    "title": Phrase("Оқиғаның өңделуі туралы анықтама", "Справка об отработке происшествия", "Certificate of work"),
    "incident": Phrase("Оқиға №", "Происшествие №", "Incident No"),
    "centre": Phrase("Орталық", "Центр", "Centre"),
    "category": Phrase("Санат", "Категория", "Category"),
    "priority": Phrase("Басымдық", "Приоритет", "Priority"),
    "state": Phrase("Күйі", "Состояние", "State"),
    "territory": Phrase("Аумақ", "Территория", "Territory"),
    "owner": Phrase("Жауапты", "Ответственный", "Owner"),
    "address": Phrase("Мекенжай", "Адрес", "Address"),
    "coordinates": Phrase("Координаттар", "Координаты", "Coordinates"),
    "opened": Phrase("Ашылды", "Открыто", "Opened"),
    "closed": Phrase("Жабылды", "Закрыто", "Closed"),
    "result": Phrase("Нәтиже", "Результат", "Result"),
    "trace": Phrase("Трассировка (W3C)", "Трассировка (W3C)", "Trace (W3C)"),
    "tellings": Phrase("Хабарламалар", "Сообщения", "What told of it"),
    "crews": Phrase("Жасақтар", "Наряды", "Crews"),
    "terms": Phrase("Мерзімдер", "Сроки", "Terms"),
    "course": Phrase("Оқиғаның барысы", "Ход отработки", "Course"),
    "when": Phrase("Уақыты", "Время", "When"),
    "source": Phrase("Дереккөз", "Источник", "Source"),
    "caller": Phrase("Өтініш иесі", "Заявитель", "Caller"),
    "phone": Phrase("Телефон", "Телефон", "Telephone"),
    "said": Phrase("Айтылғаны", "Сообщено", "Said"),
    "crew": Phrase("Жасақ", "Наряд", "Crew"),
    "capability": Phrase("Мақсаты", "Назначение", "Sent as"),
    "offered": Phrase("Тағайындалды", "Назначен", "Assigned"),
    "accepted": Phrase("Қабылдады", "Принял", "Accepted"),
    "en_route": Phrase("Жолға шықты", "Выехал", "En route"),
    "on_scene": Phrase("Орнына жетті", "Прибыл", "On scene"),
    "ended": Phrase("Аяқталды", "Завершил", "Ended"),
    "distance": Phrase("Қашықтық, м", "Расстояние, м", "Distance, m"),
    "travel": Phrase("Жолда, мин", "В пути, мин", "By road, min"),
    "term": Phrase("Мерзім", "Срок", "Term"),
    "began": Phrase("Басталды", "Начат", "Began"),
    "due": Phrase("Аяқталу мерзімі", "Истекает", "Due"),
    "end": Phrase("Орындалуы", "Исполнение", "Outcome"),
    "who": Phrase("Кім", "Кто", "Who"),
    "what": Phrase("Не болды", "Что произошло", "What happened"),
    "why": Phrase("Негізі", "Основание", "Ground"),
    "page": Phrase("бет", "стр.", "page"),
    "digest": Phrase("Оқиға журналының SHA-256 бақылау қосындысы", "Контрольная сумма журнала происшествия SHA-256",
                     "SHA-256 of the incident's log"),
    "unknown": Phrase("белгісіз", "неизвестно", "unknown"),
}  # fmt: skip

STATES: Final[dict[str, Phrase]] = {
    "opened": Phrase("ашылды", "открыто", "opened"),
    "queued": Phrase("жасақ күтуде", "ожидает наряда", "waits for a crew"),
    "assigned": Phrase("жасақ тағайындалды", "назначен наряд", "a crew is assigned"),
    "en_route": Phrase("жасақ жолда", "наряд в пути", "a crew is en route"),
    "on_scene": Phrase("жасақ орнында", "наряд на месте", "a crew is on scene"),
    "cleared": Phrase("жасақтар босады", "наряды освободились", "the crews have cleared"),
    "closed": Phrase("жабылды", "закрыто", "closed"),
    "merged": Phrase("біріктірілді", "объединено", "merged"),
}

TERMS: Final[dict[str, Phrase]] = {
    "accept": Phrase("тапсырманы қабылдау", "принятие задания", "accepting the assignment"),
    "crew": Phrase("жасақ табу", "подбор наряда", "finding a crew"),
    "on_scene": Phrase("орнына жету", "прибытие на место", "arriving on scene"),
    "review": Phrase("оқиғаны қайта қарау", "пересмотр происшествия", "reviewing the incident"),
    "wave": Phrase("сценарийдің келесі жасақтары", "следующие наряды по сценарию", "the scenario's next crews"),
}

STEPS: Final[dict[str, Phrase]] = {
    "told": Phrase("хабарланды: {told}", "уведомлён: {told}", "told: {told}"),
    "quiet": Phrase("жуырда хабарланған", "уже уведомлён недавно", "told a short while ago"),
    "next_crew": Phrase("келесі жасақ іздестірілуде", "подбирается следующий наряд", "another crew is looked for"),
    "level_above": Phrase("жоғары деңгейден көмек сұралды", "запрошена помощь вышестоящего уровня", "the level above is asked"),
    "wave": Phrase("келесі жасақтар сұралды", "запрошены следующие наряды", "the next crews are asked for"),
}
"""What was done at a moment of an escalation, by `core.facts.StepDone`."""

ENDS: Final[dict[str, Phrase]] = {
    "kept": Phrase("сақталды", "соблюдён", "kept"),
    "missed": Phrase("өтіп кетті", "нарушен", "missed"),
    "void": Phrase("күшін жойды", "отпал", "void"),
    "running": Phrase("жүріп жатыр", "идёт", "running"),
}

MOVES: Final[dict[str, Phrase]] = {
    "offered": Phrase("{crew} жасағына ұсынылды", "предложено наряду {crew}", "offered to crew {crew}"),
    "accepted": Phrase("{crew} жасағы қабылдады", "наряд {crew} принял задание", "crew {crew} has accepted"),
    "en_route": Phrase("{crew} жасағы жолға шықты", "наряд {crew} выехал", "crew {crew} is en route"),
    "on_scene": Phrase("{crew} жасағы орнына жетті", "наряд {crew} прибыл на место", "crew {crew} is on scene"),
    "cleared": Phrase("{crew} жасағы жұмысын аяқтады", "наряд {crew} завершил работу", "crew {crew} has cleared"),
    "declined": Phrase("{crew} жасағы бас тартты", "наряд {crew} отказался", "crew {crew} has declined"),
    "expired": Phrase("{crew} жасағы мерзімінде қабылдамады", "наряд {crew} не принял задание в срок",
                      "crew {crew} did not accept in time"),
    "withdrawn": Phrase("{crew} жасағы кері шақырылды", "наряд {crew} отозван", "crew {crew} was withdrawn"),
    "held": Phrase("{crew} жасағы уақытша басқа тапсырмаға ауысты", "наряд {crew} временно занят другим заданием",
                   "crew {crew} turns to another assignment first"),
    "turned_to": Phrase("{crew} жасағы осы тапсырмаға оралды", "наряд {crew} приступил к этому заданию",
                        "crew {crew} turns to this assignment"),
    "relieves": Phrase("{crew} жасағын алмастырады", "сменяет наряд {crew}", "relieves crew {crew}"),
    "served_by": Phrase("{crew} жасағы кері шақырылды: орнына {other} жасағы жұмыс істейді",
                        "наряд {crew} отозван: вместо него работает наряд {other}",
                        "crew {crew} was withdrawn: crew {other} serves in its place"),
}  # fmt: skip
"""What a crew's task came to, by `core.vocabulary.AssignmentState`; and that it turned to another task, or to this one; whom it
relieves, and who serves in its place."""

FACTS: Final[dict[str, Phrase]] = {
    "opened": Phrase(
        "оқиға ашылды: {category}, басымдығы {priority}",
        "открыто происшествие: {category}, приоритет {priority}",
        "opened as {category}, priority {priority}",
    ),
    "event_joined": Phrase("{event} хабарламасы қосылды", "присоединено сообщение {event}", "{event} joined"),
    "recategorised": Phrase(
        "санаты өзгерді: {category}, басымдығы {priority}",
        "изменена категория: {category}, приоритет {priority}",
        "recategorised as {category}, priority {priority}",
    ),
    "priority_set": Phrase(
        "басымдығы {priority} болып бекітілді", "установлен приоритет {priority}", "priority set to {priority}"
    ),
    "queued": Phrase(
        "бос жасақ жоқ ({capability}), кезекке қойылды",
        "нет свободного наряда ({capability}), поставлено в очередь",
        "no crew is free ({capability}): queued",
    ),
    "crew_assigned": Phrase(
        "{crew} жасағы тағайындалды ({capability}), {distance} м: {reason}",
        "назначен наряд {crew} ({capability}), {distance} м: {reason}",
        "crew {crew} assigned ({capability}), {distance} m: {reason}",
    ),
    "term_fired": Phrase("мерзім өтті: {term}; {done}", "истёк срок: {term}; {done}", "term passed: {term}; {done}"),
    "arrival_seen": Phrase(
        "орналасуы бойынша {crew} жасағы орнында ({distance} м)",
        "по координатам наряд {crew} на месте ({distance} м)",
        "by its positions crew {crew} is there ({distance} m)",
    ),
    "arrival_left": Phrase(
        "орналасуы бойынша {crew} жасағы орнынан кетті",
        "по координатам наряд {crew} уехал с места",
        "by its positions crew {crew} has left again",
    ),
    "needs_raised": Phrase("қосымша жасақтар қажет: {needs}", "нужны ещё наряды: {needs}", "more crews are wanted: {needs}"),
    "terms_carried": Phrase(
        "{crew} жасағы үшін мерзімдер бұрынғыдай жалғасады",
        "для наряда {crew} сроки продолжаются, как шли",
        "for crew {crew} the terms run on as they did before",
    ),
    "acknowledged": Phrase("жауапкершілікке алды: {terms}", "принято под контроль: {terms}", "acknowledged: {terms}"),
    "person_told": Phrase("хабарланды: {told} ({when})", "уведомлён: {told} ({when})", "told: {told} ({when})"),
    "owner_set": Phrase("жауапты: {owner}", "ответственный: {owner}", "answers from now on: {owner}"),
    "noted": Phrase("жазба: {words}", "запись: {words}", "note: {words}"),
    "absorbed": Phrase("№ {other} оқиғасы қосылды", "присоединено происшествие № {other}", "incident {other} merged in"),
    "merged_into": Phrase(
        "№ {into} оқиғасына біріктірілді", "объединено с происшествием № {into}", "merged into incident {into}"
    ),
    "events_left": Phrase(
        "хабарламалар № {to} оқиғасына бөлінді: {events}",
        "сообщения выделены в происшествие № {to}: {events}",
        "events split off to incident {to}: {events}",
    ),
    "closed": Phrase("оқиға жабылды: {result}", "происшествие закрыто: {result}", "closed: {result}"),
}
"""What happened, by a fact's tag; a crew's moves are `MOVES`."""

REASONS: Final[dict[str, Phrase]] = {
    "nearest_capable": Phrase("ең жақын жарамды жасақ", "ближайший подходящий наряд", "the nearest capable crew"),
    "fastest_by_road": Phrase("жолмен ең тез жететін жасақ", "наряд, который доедет быстрее всех",
                              "the fastest crew by road"),
    "best_for_all": Phrase("барлық оқиғалар үшін ең тиімді таңдау", "лучший выбор для всех происшествий вместе",
                           "the best choice for all incidents together"),
    "cover_kept": Phrase("ауданды жасақсыз қалдырмау үшін таңдалды", "выбран, чтобы не оголять район",
                         "chosen so that no district is stripped"),
    "diverted": Phrase("шұғылдығы төмен оқиғадан бұрылды", "снят с менее срочного происшествия",
                       "called away from something less urgent"),
    "relief": Phrase("босап, жолдағы жасақтан ертерек жетеді", "освободился и прибудет раньше наряда, который в пути",
                     "has freed, and is there before the crew that is on its way"),
    "no_crew": Phrase("бос жасақ жоқ", "нет свободного наряда", "no crew is free"),
    "last_known_position": Phrase("соңғы белгілі орны бойынша ең жақыны", "ближайший по последнему известному местоположению",
                                  "the nearest by its last known position"),
    "ordered": Phrase("диспетчер тағайындады", "назначен диспетчером", "named by a dispatcher"),
    "off_duty": Phrase("кезекшілікте емес", "не на дежурстве", "off duty"),
    "not_free": Phrase("бос емес", "занят", "not free"),
    "other_territory": Phrase("басқа аумаққа қызмет көрсетеді", "обслуживает другую территорию", "serves another territory"),
    "excluded": Phrase("осы оқиғадан бас тартқан немесе кері шақырылған", "уже отказался от этого происшествия или отозван",
                       "has declined this incident or was withdrawn from it"),
    "taken": Phrase("басқа оқиғаға барады", "направлен на другое происшествие", "goes to another incident"),
    "stale_position": Phrase("орны көптен бері белгісіз", "местоположение давно не обновлялось", "its position is old"),
    "slower_by_road": Phrase("жолмен кешірек жетер еді", "доехал бы позже", "would be there later by road"),
}  # fmt: skip
"""Why a crew was chosen, or a nearer one was not, by `core.vocabulary.AssignReason`."""

ACTORS: Final[dict[str, Phrase]] = {
    "engine": Phrase("жүйе", "система", "the system"),
    "source": Phrase("дереккөз", "источник", "source"),
    "crew": Phrase("жасақ", "наряд", "crew"),
    "operator": Phrase("диспетчер", "диспетчер", "dispatcher"),
    "shift_lead": Phrase("ауысым басшысы", "начальник смены", "shift lead"),
    "duty_officer": Phrase("жауапты кезекші", "ответственный дежурный", "duty officer"),
    "level_above": Phrase("жоғары деңгей", "вышестоящий уровень", "the level above"),
    "person": Phrase("қызметкер", "сотрудник", "person"),
}

CAUSES: Final[dict[str, Phrase]] = {
    "need": Phrase("жасақ қажет", "нужен наряд", "a crew is needed"),
    "retried": Phrase("жасақтар қайта сұралды", "наряды запрошены повторно", "crews are asked again"),
    "crew_freed": Phrase("жасақ босады", "освободился наряд", "a crew has become free"),
    "no_crew": Phrase("бос жасақ жоқ", "нет свободного наряда", "no crew is free"),
    "position": Phrase("жасақтың координаттары", "координаты наряда", "the crew's positions"),
    "relief": Phrase("жасақтардың алмасуы", "смена наряда другим", "one crew relieves another"),
    "by_hand": Phrase("жасақты қызметкер жібереді", "наряд направляет сотрудник", "a person sends the crew"),
    "no_place": Phrase("орны белгісіз", "место неизвестно", "the place is not known"),
}
"""Why the centre itself did something (`core.assign`); other causes name an event, a command or a term."""
