"""What is told of crews as it becomes durable: each loss once, withdrawn when the crew is heard or nobody listens for it."""

from __future__ import annotations

from core.crew import OFF, decode_crew
from core.decisions import Decisions
from core.telling import Happened
from core.vocabulary import Occasion, Signal
from tests.simulation.log_checker import Violation


class CrewChecker:
    """Crews as their committed views tell them, whatever lives and dies between."""

    def __init__(self) -> None:
        self.told = 0
        """Losses told of."""
        self.withdrawn = 0
        self._lost: dict[str, bool] = {}
        """Crew → whether its loss was told of and it has not been heard since."""

    def take(self, decisions: Decisions) -> None:
        """Takes one committed batch. Raises `Violation`."""
        lost = {one.crew for one in decisions.notices if one.term == Occasion.SIGNAL_LOST.value}
        sent = [one.key.split("/")[1] for one in decisions.tellings if one.template is Happened.SIGNAL_LOST]
        if sorted(lost) != sorted(sent):
            raise Violation(6, f"{lost} are not heard any more, the outbox has {sent}")
        ended = {one.prefix.split("/")[1] for one in decisions.acknowledged if one.prefix.startswith("crew/")}
        for crew_id in sent:
            if self._lost.get(crew_id):
                raise Violation(6, f"that crew {crew_id} is lost is told twice")
            self._lost[crew_id] = True
            self.told += 1
        for change in decisions.crews:
            crew = decode_crew(change.view)
            is_over = crew.signal is not Signal.LOST or crew.state in OFF
            if is_over and self._lost.get(crew.crew_id):
                if crew.crew_id not in ended:
                    raise Violation(6, f"crew {crew.crew_id} is {crew.signal.value}, and that it is lost is told still")
                self.withdrawn += 1
            if is_over:
                self._lost[crew.crew_id] = False
        logged = sum(one.fact == Occasion.TELLING_WITHDRAWN.value for one in decisions.centre_log)
        withdrawn = sum(one.prefix.startswith("crew") for one in decisions.acknowledged)
        if logged != withdrawn:
            raise Violation(6, f"{withdrawn} tellings of crews are withdrawn, the centre's log has {logged}")
