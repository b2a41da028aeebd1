"""By what way people are reached: one word for each channel, however it is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from aggregates.text import Code

CALLED: Mapping[str, str] = {
    "email": "e-mail",
    "电子邮件": "e-mail",
    "邮件": "e-mail",
    "邮箱": "e-mail",
    "telephone": "phone",
    "tel": "phone",
    "call": "phone",
    "电话": "phone",
    "手机": "phone",
    "mobile": "phone",
    "text": "sms",
    "textmessage": "sms",
    "短信": "sms",
    "微信": "wechat",
    "letter": "post",
    "信函": "post",
    "拜访": "visit",
    "上门": "visit",
    "展会": "fair",
    "tradefair": "fair",
}
"""Other words for the same, in one piece and small."""

KNOWN: Mapping[str, str] = {**{name.replace("-", ""): name for name in CALLED.values()}, **CALLED}


def channel_of(said: Code) -> Code:
    """The channel that is meant: Phone, PHONE and 电话 are one, as are e-mail, E mail and email.

    One that is not known here is called as it is said, in small letters, its words joined by hyphens.
    """
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", said) if unicodedata.category(letter) != "Cf")
    words = re.findall(r"[^\W_]+", seen.casefold())
    return Code(KNOWN.get("".join(words), "-".join(words)))


def channel_or_any(said: Code | None) -> Code | None:
    """The same where nothing stands for any channel."""
    return None if said is None else channel_of(said)
