"""A delivery's life: what follows from each end of a try, and pauses that grow, differ and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.delivery import MOVES, PASSING, DeliveryFault, DeliveryState, after_fault, back_off_us, frees_next, message_id
from core.telling import Channel

URGENT, QUIET = limits.SMS_TWICE_PRIORITY, limits.SMS_TWICE_PRIORITY + 1
PASS_BY_THEMSELVES = [fault for fault in DeliveryFault if fault in PASSING]
FINAL = [fault for fault in DeliveryFault if fault not in PASSING and fault is not DeliveryFault.IN_DOUBT]


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("fault", list(DeliveryFault))
@pytest.mark.parametrize("tries", [1, limits.TRIES_MAX])
def test_after_fault_gives_a_state_that_may_follow_sending(channel: Channel, fault: DeliveryFault, tries: int) -> None:
    for priority in range(1, 10):
        assert after_fault(fault, channel, priority, tries) in MOVES[DeliveryState.SENDING]


@pytest.mark.parametrize("fault", PASS_BY_THEMSELVES)
def test_after_fault_tries_again_when_it_may_pass_and_gives_up_at_the_bound(fault: DeliveryFault) -> None:
    assert after_fault(fault, Channel.SMS, QUIET, limits.TRIES_MAX - 1) is DeliveryState.WAITING
    assert after_fault(fault, Channel.SMS, QUIET, limits.TRIES_MAX) is DeliveryState.FAILED


@pytest.mark.parametrize(
    ("channel", "priority", "state"),
    [
        (Channel.WEBHOOK, QUIET, DeliveryState.WAITING),
        (Channel.MAIL, QUIET, DeliveryState.WAITING),
        (Channel.SMS, URGENT, DeliveryState.WAITING),
        (Channel.SMS, QUIET, DeliveryState.UNKNOWN),
    ],
)
def test_after_fault_repeats_what_is_in_doubt_where_that_does_no_harm(
    channel: Channel, priority: int, state: DeliveryState
) -> None:
    assert after_fault(DeliveryFault.IN_DOUBT, channel, priority, 1) is state


@pytest.mark.parametrize("fault", FINAL)
def test_after_fault_fails_at_once_when_another_try_would_not_help(fault: DeliveryFault) -> None:
    assert after_fault(fault, Channel.WEBHOOK, 1, 1) is DeliveryState.FAILED


@pytest.mark.parametrize(
    ("state", "tries", "frees"),
    [
        (DeliveryState.WAITING, limits.TRIES_BEFORE_NEXT - 1, False),
        (DeliveryState.WAITING, limits.TRIES_BEFORE_NEXT, True),
        (DeliveryState.FAILED, 1, True),
        (DeliveryState.UNKNOWN, 1, True),
        (DeliveryState.SENT, 1, False),
        (DeliveryState.EXPIRED, 1, False),
    ],
)
def test_frees_next_when_the_channel_before_does_not_go_through(state: DeliveryState, tries: int, frees: bool) -> None:
    assert frees_next(state, tries) is frees


@given(st.integers(1, 10_000), st.text(max_size=40))
def test_back_off_is_between_the_half_and_the_whole_of_the_doubled_pause(tries: int, seed: str) -> None:
    whole = min(limits.BACK_OFF_MAX_US, limits.BACK_OFF_FIRST_US * 2 ** (tries - 1))
    assert whole // 2 <= back_off_us(tries, seed) <= whole
    assert back_off_us(tries, seed) == back_off_us(tries, seed)


def test_back_off_differs_between_messages_so_that_they_do_not_come_together() -> None:
    assert len({back_off_us(3, str(seed)) for seed in range(100)}) > 90


def test_all_tries_together_take_between_one_and_two_hours() -> None:
    whole_s = sum(back_off_us(tries, "a") for tries in range(1, limits.TRIES_MAX)) / 1e6
    assert 3600 <= whole_s <= 7200


def test_message_id_is_one_for_each_telling_person_and_channel() -> None:
    ids = {
        message_id(key, person, channel)
        for key in ("a", "ab")
        for person in ("b", "")
        for channel in (Channel.SMS, Channel.MAIL)
    }
    assert len(ids) == 8
    assert message_id("a", "b", Channel.SMS) == message_id("a", "b", Channel.SMS)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)


def test_every_state_has_its_moves_and_what_was_sent_stays_sent() -> None:
    assert set(MOVES) == set(DeliveryState)
    assert MOVES[DeliveryState.SENT] == frozenset()
