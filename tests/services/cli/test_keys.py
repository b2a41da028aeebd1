"""The wrapping key is rotated at a terminal while everybody goes on working."""

from __future__ import annotations

import json
from pathlib import Path

from tests.services.cli.terminal import Terminal


def test_after_a_rotation_everything_reads_and_writes_as_before(terminal: Terminal) -> None:
    key = terminal.yewu.home / "wrapping.key"
    before = key.read_text()
    anna = terminal.do("employees", "register", "--name", "Anna", "--quiet")
    rewrapped = terminal("keys", "rotate", "--json").document["rewrapped"]
    assert rewrapped > 0
    assert key.read_text() != before
    assert key.read_text().count("\n") == 1
    terminal.do("employees", "register", "--name", "Ben")
    assert terminal("employees", "one", anna, "--json").document["name"] == "Anna"
    assert terminal("keys", "rotate", "--json").document["rewrapped"] >= rewrapped


def test_the_tail_shows_texts_to_whoever_asks_for_them(terminal: Terminal) -> None:
    terminal.do("employees", "register", "--name", "Carla")
    told = terminal("events", "tail", "--no-follow", "--json").out.splitlines()[-1]
    assert json.loads(told)["data"]["name"].startswith("~s1P.")
    told = terminal("events", "tail", "--no-follow", "--opened", "--json").out.splitlines()[-1]
    assert json.loads(told)["data"]["name"] == "Carla"


def test_what_is_wrong_with_the_keys_is_said_in_one_sentence(terminal: Terminal, tmp_path: Path) -> None:
    terminal.environment.setenv("YEWU_WRAPPING_KEY", "short")
    assert "32 random bytes in base64" in terminal("keys", "rotate").sentence
    terminal.environment.delenv("YEWU_WRAPPING_KEY")
    terminal.environment.setenv("KEYS_URL", f"host={tmp_path} dbname=none")
    assert terminal("keys", "rotate").sentence.startswith("The keys cannot be reached (")
