"""The Merkle tree: the examples of RFC 6962's authors, and a slow tree that is obviously right."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.merkle import EMPTY, Tree, leaf, node, root_of

LEAVES = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"\x50\x51\x52\x53\x54\x55\x56\x57",
          b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The test vectors of Certificate Transparency."""

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROW = {
    "position": 7,
    "stream_id": "complaint-1",
    "version": 1,
    "type_": "ComplaintReceived",
    "schema": 1,
    "event_id": UUID(int=1),
    "recorded_at": MONDAY,
    "effective_at": MONDAY,
    "actor_id": "employee-anna",
    "command_id": UUID(int=2),
    "data": b"{}",
    "meta": b"{}",
    "tags": ["complaint-1", "customer-1"],
}
OTHERWISE = {
    "position": 8,
    "stream_id": "complaint-2",
    "version": 2,
    "type_": "ComplaintClosed",
    "schema": 2,
    "event_id": UUID(int=3),
    "recorded_at": MONDAY.replace(microsecond=1),
    "effective_at": MONDAY.replace(microsecond=1),
    "actor_id": "employee-ben",
    "command_id": UUID(int=4),
    "data": b"[]",
    "meta": b"[]",
    "tags": ["complaint-1"],
}


def slow_root(leaves: list[bytes]) -> bytes:
    """As RFC 6962, 2.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node(slow_root(leaves[:half]), slow_root(leaves[half:]))


def test_the_examples_of_certificate_transparency() -> None:
    hashes = [sha256(b"\0" + each).digest() for each in LEAVES]
    assert [root_of(hashes[:n]).hex() for n in range(1, 9)] == ROOTS
    assert root_of([]) == EMPTY


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70), st.integers(0, 70))
def test_a_tree_may_be_put_down_and_taken_up_again_anywhere(leaves: list[bytes], pause: int) -> None:
    tree = Tree()
    for number, each in enumerate(leaves):
        if number == pause:
            tree = Tree(tree.size, tree.peaks)
        tree.add(each)
    assert tree.root() == slow_root(leaves)


def test_peaks_that_belong_to_no_tree_of_that_size_are_refused() -> None:
    with pytest.raises(ValueError, match="has 2 peaks, not 1"):
        Tree(3, [b""])


@pytest.mark.parametrize("column", ROW)
def test_no_column_of_a_row_can_change_without_its_leaf(column: str) -> None:
    assert leaf(**ROW) != leaf(**ROW | {column: OTHERWISE[column]})  # type: ignore[arg-type]


def test_what_leaves_one_column_for_the_next_changes_the_leaf() -> None:
    assert leaf(**ROW | {"data": b"{}1", "meta": b"2"}) != leaf(**ROW | {"data": b"{}", "meta": b"12"})  # type: ignore[arg-type]
