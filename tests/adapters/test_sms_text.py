"""A text as SMS: the alphabet, the lengths, and no character cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.sms_text import encode
from core import limits

GSM_LETTERS = "abcXYZ 019@£€^{}[]~|\\äñΔ"


@pytest.mark.parametrize(
    ("text", "ucs2", "lengths"),
    [
        ("", False, [0]),
        ("a" * 160, False, [160]),
        ("a" * 161, False, [153, 8]),
        ("€" * 80, False, [160]),
        ("€" * 81, False, [152, 10]),
        ("қ" * 70, True, [140]),
        ("қ" * 71, True, [134, 8]),
        ("a" * 69 + "қ", True, [140]),
        ("😀" * 35, True, [140]),
        ("😀" * 36, True, [132, 12]),
    ],
)
def test_encode_counts_as_telephones_do(text: str, ucs2: bool, lengths: list[int]) -> None:
    encoded = encode(text)
    assert encoded.ucs2 is ucs2
    assert [len(part) for part in encoded.parts] == lengths


def test_encode_writes_the_gsm_alphabet() -> None:
    assert encode("@£ a€\n[").parts == (b"\x00\x01 a\x1b\x65\n\x1b\x3c",)


def test_encode_falls_back_to_ucs2_when_a_character_is_not_in_the_gsm_alphabet() -> None:
    assert encode("`").ucs2 and encode("\x1b").ucs2 and encode("\ud800").parts == (b"\x00?",)


@given(st.text(max_size=2_000))
def test_encode_keeps_the_text_up_to_its_bound_and_cuts_no_character(text: str) -> None:
    encoded = encode(text)
    assert 1 <= len(encoded.parts) <= limits.SMS_PARTS_MAX
    if encoded.ucs2:
        shown = "".join(part.decode("utf-16-be") for part in encoded.parts)
        sound = text.encode("utf-16-be", "replace").decode("utf-16-be")
        assert shown == sound or (shown.endswith("…") and sound.startswith(shown[:-1]))


@given(st.text(GSM_LETTERS, max_size=2_000))
def test_encode_never_divides_an_escape(text: str) -> None:
    encoded = encode(text)
    assert not encoded.ucs2
    assert all(len(part) <= (160 if len(encoded.parts) == 1 else 153) for part in encoded.parts)
    assert all(not part.endswith(b"\x1b") for part in encoded.parts)


def test_encode_cuts_what_is_longer_than_its_bound_with_an_ellipsis() -> None:
    encoded = encode("қ" * 1_000)
    assert [len(part) for part in encoded.parts] == [134] * limits.SMS_PARTS_MAX
    assert encoded.parts[-1].decode("utf-16-be").endswith("қ…")
    assert encode("a" * 10_000).parts[-1].endswith(b"a...")
