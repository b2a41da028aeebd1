"""Head and body of an answer leave in one piece, in their order, and nothing is kept back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from services.http.joined import WORTH_JOINING, Joining
from tests.services.running import Yewu


class Wire:
    """What a transport was given, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def sent(write: Callable[[Joining], None], *, and_a_turn_later: bool = True) -> list[bytes]:
    """The pieces that leave, at once or when the loop has come round."""
    wire: Any = Wire()

    async def run() -> list[bytes]:
        write(Joining(wire, asyncio.get_running_loop()))
        if and_a_turn_later:
            await asyncio.sleep(0)
        return list(wire.pieces)

    return asyncio.run(run())


def test_head_and_body_are_one_piece() -> None:
    def answer(wire: Joining) -> None:
        for piece in (b"head", b"body", b"head of the next", b"its body"):
            wire.write(piece)

    assert sent(answer, and_a_turn_later=False) == [b"headbody", b"head of the nextits body"]


def test_what_nothing_follows_leaves_when_the_loop_comes_round() -> None:
    assert sent(lambda wire: wire.write(b"head"), and_a_turn_later=False) == []
    assert sent(lambda wire: wire.write(b"head")) == [b"head"]


def test_what_is_long_is_not_kept() -> None:
    long = b"x" * (WORTH_JOINING + 1)
    assert sent(lambda wire: wire.write(long), and_a_turn_later=False) == [long]


def test_nothing_is_lost_when_the_connection_is_closed() -> None:
    def answer(wire: Joining) -> None:
        wire.write(b"head")
        wire.close()
        assert wire.is_closing()

    assert sent(answer) == [b"head"]


def test_an_answer_comes_in_one_piece_over_a_socket(yewu: Yewu) -> None:
    host, port = yewu.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(b"GET /live HTTP/1.1\r\nHost: yewu\r\n\r\n")
            head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert f"content-length: {len(body)}".encode() in head
            assert body
