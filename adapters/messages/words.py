"""The words of every message in Kazakh, Russian and English: what dispatchers, shift leads and duty officers read (CITY-5).

One row for each `core.telling.Happened`: a subject, a text, and a short form for SMS. The fields in braces are those that
`core.telling.VALUES` names, with `incident` and `territory`, which every telling has. A test holds that no row, language or
field is missing, and counts the short forms' letters.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.certificate.words import Phrase
from core.patrol import PatrolFault
from core.telling import Happened
from core.vocabulary import Mode, Part


class Words(NamedTuple):
    """What is said of one kind of happening."""

    subject: Phrase
    text: Phrase
    short: Phrase
    """As few letters as will do: 70 of Cyrillic are one SMS."""


WORDS: Final[dict[Happened, Words]] = {
    Happened.TASK_GIVEN: Words(
        Phrase("{crew} жасағына тапсырма берілді", "Наряду {crew} дано задание", "Crew {crew} was given a task"),
        Phrase(
            "{crew} жасағы № {incident} оқиғаға жіберілді: {category}. Мекенжайы: {address}.",
            "Наряд {crew} направлен на происшествие № {incident}: {category}. Адрес: {address}.",
            "Crew {crew} was sent to incident {incident}: {category}. Address: {address}.",
        ),
        Phrase("№{incident} {crew}: {address}", "№{incident} {crew}: {address}", "#{incident} {crew}: {address}"),
    ),
    Happened.INCIDENT_OPENED: Words(
        Phrase("Жаңа оқиға: {category}", "Новое происшествие: {category}", "New incident: {category}"),
        Phrase(
            "№ {incident} оқиға ашылды: {category}. Мекенжайы: {address}. Аумағы: {territory}.",
            "Открыто происшествие № {incident}: {category}. Адрес: {address}. Территория: {territory}.",
            "Incident {incident} was opened: {category}. Address: {address}. Territory: {territory}.",
        ),
        Phrase("№{incident} {category}: {address}", "№{incident} {category}: {address}", "#{incident} {category}: {address}"),
    ),
    Happened.ON_SCENE: Words(
        Phrase("{crew} жасағы орнына жетті", "Наряд {crew} прибыл на место", "Crew {crew} is on scene"),
        Phrase(
            "{crew} жасағы № {incident} оқиға орнына жетті: {category}. Мекенжайы: {address}.",
            "Наряд {crew} прибыл на происшествие № {incident}: {category}. Адрес: {address}.",
            "Crew {crew} has arrived at incident {incident}: {category}. Address: {address}.",
        ),
        Phrase("№{incident} {crew} жетті: {address}", "№{incident} {crew} прибыл: {address}",
               "#{incident} {crew} arrived: {address}"),
    ),
    Happened.INCIDENT_CLOSED: Words(
        Phrase("Оқиға жабылды: {category}", "Происшествие закрыто: {category}", "Incident closed: {category}"),
        Phrase(
            "№ {incident} оқиға жабылды ({category}). Нәтижесі: {result}.",
            "Происшествие № {incident} закрыто ({category}). Результат: {result}.",
            "Incident {incident} was closed ({category}). Result: {result}.",
        ),
        Phrase("№{incident} жабылды: {result}", "№{incident} закрыто: {result}", "#{incident} closed: {result}"),
    ),
    Happened.ACCEPT_PASSED: Words(
        Phrase(
            "{crew} жасағы тапсырманы қабылдамады", "Наряд {crew} не принял задание", "Crew {crew} has not accepted its task"
        ),
        Phrase(
            "{crew} жасағы № {incident} оқиғаны мерзімінде қабылдамады: {category}. Мекенжайы: {address}. "
            "Шешіміңіз қажет.",
            "Наряд {crew} не принял в срок происшествие № {incident}: {category}. Адрес: {address}. "
            "Требуется ваше решение.",
            "Crew {crew} has not accepted incident {incident} in time: {category}. Address: {address}. "
            "Your decision is needed.",
        ),
        Phrase("№{incident} {crew} қабылдамады: {address}", "№{incident} {crew} не принял: {address}",
               "#{incident} {crew} not accepted: {address}"),
    ),
    Happened.NO_CREW: Words(
        Phrase("Бос жасақ жоқ: {category}", "Нет свободного наряда: {category}", "No crew is free: {category}"),
        Phrase(
            "№ {incident} оқиғаға жасақ табылмады ({capability}): {category}. Мекенжайы: {address}. Шешіміңіз қажет.",
            "Для происшествия № {incident} не найден наряд ({capability}): {category}. Адрес: {address}. "
            "Требуется ваше решение.",
            "No crew was found for incident {incident} ({capability}): {category}. Address: {address}. "
            "Your decision is needed.",
        ),
        Phrase("№{incident} жасақ жоқ: {address}", "№{incident} нет наряда: {address}", "#{incident} no crew: {address}"),
    ),
    Happened.NOT_ON_SCENE: Words(
        Phrase("{crew} жасағы орнына жетпеді", "Наряд {crew} не прибыл", "Crew {crew} has not arrived"),
        Phrase(
            "{crew} жасағы № {incident} оқиға орнына мерзімінде жетпеді: {category}. Мекенжайы: {address}.",
            "Наряд {crew} не прибыл в срок на происшествие № {incident}: {category}. Адрес: {address}.",
            "Crew {crew} has not arrived in time at incident {incident}: {category}. Address: {address}.",
        ),
        Phrase("№{incident} {crew} жетпеді: {address}", "№{incident} {crew} не прибыл: {address}",
               "#{incident} {crew} not arrived: {address}"),
    ),
    Happened.REVIEW: Words(
        Phrase("Оқиғаны қайта қарау: {category}", "Пересмотр происшествия: {category}", "Incident to be reviewed: {category}"),
        Phrase(
            "№ {incident} оқиға ({category}) {waited_min} минуттан бері ашық. Оны қайта қараңыз.",
            "Происшествие № {incident} ({category}) открыто уже {waited_min} мин. Пересмотрите его.",
            "Incident {incident} ({category}) has been open for {waited_min} minutes. Please look at it again.",
        ),
        Phrase("№{incident} {waited_min} мин ашық", "№{incident} открыто {waited_min} мин",
               "#{incident} open {waited_min} min"),
    ),
    Happened.MODE_CHANGED: Words(
        Phrase("Орталықтың режимі өзгерді: {mode}", "Режим центра изменён: {mode}", "The centre's mode is now {mode}"),
        Phrase(
            "Орталық {mode} режиміне көшті. Себебі: {reason}. Аумағы: {territory}.",
            "Центр переведён в режим {mode}. Причина: {reason}. Территория: {territory}.",
            "The centre has gone over to mode {mode}. Reason: {reason}. Territory: {territory}.",
        ),
        Phrase("Режим {mode}: {reason}", "Режим {mode}: {reason}", "Mode {mode}: {reason}"),
    ),
    Happened.PATROL_FINDING: Words(
        Phrase("{crew} патрулі: {finding}", "Патруль {crew}: {finding}", "Patrol {crew}: {finding}"),
        Phrase(
            "{crew} патрулі бойынша: {finding}. Орны: {place}. Аумағы: {territory}.",
            "По патрулю {crew}: {finding}. Место: {place}. Территория: {territory}.",
            "About patrol {crew}: {finding}. Place: {place}. Territory: {territory}.",
        ),
        Phrase("{crew} {finding}: {place}", "{crew} {finding}: {place}", "{crew} {finding}: {place}"),
    ),
    Happened.SIGNAL_LOST: Words(
        Phrase("{crew}: байланыс жоқ", "{crew}: нет связи", "{crew}: signal lost"),
        Phrase(
            "{crew} {minutes} минуттан бері байланысқа шықпайды. Аумағы: {territory}.",
            "{crew} не выходит на связь уже {minutes} мин. Территория: {territory}.",
            "{crew} has not been heard of for {minutes} minutes. Territory: {territory}.",
        ),
        Phrase("{crew}: {minutes} мин байланыс жоқ", "{crew}: нет связи {minutes} мин", "{crew}: no signal for {minutes} min"),
    ),
    Happened.DUTY_NOT_BEGUN: Words(
        Phrase("{crew} кезекшілікке шықпады", "{crew}: не заступил на дежурство", "{crew} has not come on duty"),
        Phrase(
            "{crew} кезекшілігі {minutes} минут бұрын басталған, бірақ жасақ шықпады. Аумағы: {territory}.",
            "{crew}: дежурство началось {minutes} мин назад, наряд не заступил. Территория: {territory}.",
            "The duty of {crew} began {minutes} minutes ago, and the crew has not come. Territory: {territory}.",
        ),
        Phrase("{crew}: {minutes} мин кезекшілікте жоқ", "{crew}: не заступил, {minutes} мин",
               "{crew}: not on duty for {minutes} min"),
    ),
    Happened.TWO_POSITIONS: Words(
        Phrase("{crew}: екі құрылғы", "{crew}: два устройства", "{crew}: two devices"),
        Phrase(
            "{crew} шақыру белгісімен екі құрылғы орналасуын хабарлайды. Аумағы: {territory}.",
            "Под позывным {crew} координаты передают два устройства. Территория: {territory}.",
            "Two devices report positions as crew {crew}. Territory: {territory}.",
        ),
        Phrase("{crew}: екі құрылғы хабарлайды", "{crew}: передают два устройства", "{crew}: two devices report"),
    ),
    Happened.SHIFT_HANDOVER: Words(
        Phrase("Ауысым тапсырылды: {takes}", "Смена передана: {takes}", "Shift handed over to {takes}"),
        Phrase(
            "{gives} ауысымды тапсырды, {takes} қабылдады. Ашық оқиғалар: {open}. Аумағы: {territory}.",
            "{gives} сдал(а) смену, принимает {takes}. Открытых происшествий: {open}. Территория: {territory}.",
            "{gives} has handed the shift over to {takes}. Open incidents: {open}. Territory: {territory}.",
        ),
        Phrase("{gives} → {takes}, ашық {open}", "{gives} → {takes}, открыто {open}", "{gives} to {takes}, open {open}"),
    ),
    Happened.INCIDENT_LEFT_OUT: Words(
        Phrase("№ {incident} оқиғаны өзіңіз қадағалаңыз: {part}", "Следите сами за происшествием № {incident}: {part}",
               "Watch incident {incident} yourself: {part}"),
        Phrase(
            "Бағдарлама қатесінен № {incident} оқиға үшін өшірілді: {part}. Оны өзіңіз қадағалаңыз, жүйе әкімшісіне "
            "хабарлаңыз. Аумағы: {territory}.",
            "Из-за сбоя программы для происшествия № {incident} отключено: {part}. Следите за ним сами и сообщите "
            "администратору системы. Территория: {territory}.",
            "After a fault of the program this is off for incident {incident}: {part}. Watch it yourself and tell the "
            "administrator. Territory: {territory}.",
        ),
        Phrase("№{incident} өшірілді: {part}, өзіңіз қараңыз", "№{incident} отключено: {part}, следите сами",
               "#{incident} is off: {part}; watch it yourself"),
    ),
    Happened.PART_LEFT_OUT: Words(
        Phrase("Орталық мынасыз жұмыс істейді: {part}", "Центр работает без части функций: {part}",
               "The centre works without: {part}"),
        Phrase(
            "Бағдарлама қатесінен өшірілді: {part}. Қоңыраулар қабылданып, жасақтар жіберілуде. Бұл жұмысты өзіңіз "
            "қадағалаңыз, жүйе әкімшісіне хабарлаңыз. Аумағы: {territory}.",
            "Из-за сбоя программы отключено: {part}. Вызовы принимаются, наряды направляются. Следите за этим сами и сообщите "
            "администратору системы. Территория: {territory}.",
            "After a fault of the program this is off: {part}. Calls are served and crews are sent. Watch over it yourself and "
            "tell the administrator. Territory: {territory}.",
        ),
        Phrase("Қате, өшірілді: {part}", "Сбой, отключено: {part}", "Fault, now off: {part}"),
    ),
    Happened.NEWS_REFUSED: Words(
        Phrase("Жаңасы қабылданбады: {part}", "Новое не принято: {part}", "What is new is not taken: {part}"),
        Phrase(
            "Бағдарлама қатесінен жаңасы қабылданбады, бұрынғысы қолданыста: {part}. Жүйе әкімшісіне хабарлаңыз. "
            "Аумағы: {territory}.",
            "Из-за сбоя программы новое не принято, действует прежнее: {part}. Сообщите администратору системы. "
            "Территория: {territory}.",
            "After a fault of the program what is new was not taken, and what was before stays: {part}. "
            "Tell the administrator. Territory: {territory}.",
        ),
        Phrase("Жаңасы өтпеді: {part}", "Новое не принято: {part}", "Not taken: {part}"),
    ),
    Happened.TEST: Words(
        Phrase("Сынақ хабарлама", "Проверка связи", "Test message"),
        Phrase(
            "Бұл сынақ хабарлама ({person}). Ешқандай әрекет қажет емес.",
            "Это проверка связи ({person}). Никаких действий не требуется.",
            "This is a test message ({person}). Nothing need be done.",
        ),
        Phrase("Сынақ хабарлама: {person}", "Проверка связи: {person}", "Test message: {person}"),
    ),
}  # fmt: skip

MODES: Final = {
    Mode.DAILY.value: Phrase("күнделікті", "повседневный", "daily"),
    Mode.HEIGHTENED.value: Phrase("жоғары дайындық", "повышенной готовности", "heightened readiness"),
    Mode.EMERGENCY.value: Phrase("төтенше жағдай", "чрезвычайной ситуации", "emergency"),
}
"""The legal modes of a centre, by `core.vocabulary.Mode`."""
FINDINGS: Final = {
    PatrolFault.NOT_STARTED.value: Phrase("маршрутқа шықпады", "не вышел на маршрут", "has not started"),
    PatrolFault.OFF_ROUTE.value: Phrase("маршруттан кетті", "ушёл с маршрута", "has left its route"),
    PatrolFault.STANDING.value: Phrase("бір орында тұр", "стоит на месте", "stands in one place"),
    PatrolFault.CHECKPOINT_MISSED.value: Phrase("нүктеге келмеді", "не был в точке", "missed a checkpoint"),
}
"""What a patrol is found to do, by `core.patrol.PatrolFault`."""
PARTS: Final = {
    Part.TERMS.value: Phrase("мерзімдерді бақылау", "контроль сроков", "its terms"),
    Part.CREWS.value: Phrase("жасақ іздеу", "подбор нарядов", "finding crews"),
    Part.TOGETHER.value: Phrase("жасақтарды бірге бөлу", "совместное распределение", "sharing crews out together"),
    Part.RELIEF.value: Phrase("жақынырақ жасақпен ауыстыру", "замена более близким нарядом", "relief by a nearer crew"),
    Part.SIGNALS.value: Phrase("жасақтар байланысын бақылау", "контроль связи нарядов", "watch over crews' signals"),
    Part.ROSTER.value: Phrase("бекеттік ведомость", "постовая ведомость", "the roster"),
    Part.PATROLS.value: Phrase("патруль бақылауы", "контроль патрулей", "watch over patrols"),
    Part.SCENARIOS.value: Phrase("сценарийлер", "сценарии", "scenarios"),
}
"""What the centre can do without, by `core.vocabulary.Part`."""
UNSAID: Final = "—"
"""Stands for a value that the telling lacks."""
EVERYWHERE: Final = Phrase("бүкіл орталық", "весь центр", "the whole centre")
"""The territory `""`."""
EXPLANATION: Final = Phrase(
    "Басымдығы {priority}. {centre} орталығының автоматты хабарламасы; жауап берудің қажеті жоқ.",
    "Приоритет {priority}. Автоматическое сообщение центра {centre}; отвечать не нужно.",
    "Priority {priority}. An automatic message of the centre {centre}; please do not answer it.",
)
"""Below every text."""
