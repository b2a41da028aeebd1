"""One word for each way by which people are reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.business.channel import CALLED, channel_of
from aggregates.text import Code


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("E mail", "e-mail"),
        ("Text_Message", "sms"),
        ("手机", "phone"),
        ("Trade  Fair", "fair"),
        ("something New", "something-new"),
        ("直播", "直播"),
        ("We Chat", "wechat"),
        ("S-M-S", "sms"),
        ("_phone-", "phone"),
        ("ph\u200bone", "phone"),
    ],
)
def test_a_channel_is_called_by_one_name(said: str, meant: str) -> None:
    assert channel_of(Code(said)) == meant


@given(st.text() | st.sampled_from([*CALLED, *CALLED.values()]))
def test_the_name_of_a_name_is_that_name(said: str) -> None:
    once = channel_of(Code(said))
    assert channel_of(once) == once
