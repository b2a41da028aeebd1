"""Files as they are, and as they should not be: read row by row, or refused in one sentence."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from aggregates.refused import Refused
from services.importing.maps import Csv, Xes
from services.importing.sources import Limits, Original, SourceRow, rows_of

COMMA = Csv(encoding="utf-8", delimiter=",", quote='"', header=True, columns=())
XES = '<log xmlns="http://www.xes-standard.org/">{}</log>'
TRACE = '<trace><string key="concept:name" value="1"/>{}</trace>'
EVENT = '<event><string key="concept:name" value="opened"/></event>'


def rows(content: bytes, form: Xes | Csv = COMMA, limits: Limits | None = None) -> list[SourceRow]:
    return list(rows_of(Original(io.BytesIO(content), "file"), form, limits or Limits()))


def fields(content: str | bytes, form: Xes | Csv = COMMA) -> list[dict[str, str]]:
    return [row.fields for row in rows(content.encode() if isinstance(content, str) else content, form)]


def said(content: str | bytes, form: Xes | Csv = COMMA, limits: Limits | None = None) -> str:
    with pytest.raises(Refused) as refusal:
        rows(content.encode() if isinstance(content, str) else content, form, limits)
    return str(refusal.value)


def test_the_hash_is_that_of_the_bytes_as_given_packed_or_not() -> None:
    for content in (b"a,b\n1,2\n", gzip.compress(b"a,b\n1,2\n"), b"a", b""):
        original = Original(io.BytesIO(content), "file")
        with io.BufferedReader(original) as whole:
            whole.read()
        assert original.hash == "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_packed_file_says_the_same_as_an_unpacked_one() -> None:
    content = b"a,b\n1,2\n3,4\n"
    assert rows(gzip.compress(content)) == rows(content)
    parts = gzip.compress(content[:6]) + gzip.compress(content[6:])
    assert rows(parts) == rows(content)


# ---- CSV


def test_a_row_knows_its_line_even_if_values_before_it_hold_line_breaks() -> None:
    read = rows(b'a,b\r\n1,"two\r\nlines"\r\n\r\n2,x')
    assert [(row.line, row.fields) for row in read] == [(2, {"a": "1", "b": "two\r\nlines"}), (5, {"a": "2", "b": "x"})]


def test_a_row_may_lack_columns_but_not_have_more_than_the_header() -> None:
    short, long = rows(b"a,b\n1\n1,2,3\n")
    assert (short.fields, short.flaw) == ({"a": "1"}, None)
    assert str(long.flaw) == "It has 3 values for 2 columns."


def test_delimiters_and_quotes_are_as_the_map_says() -> None:
    assert fields("a;b\n'x;y';z\n", Csv(encoding="utf-8", delimiter=";", quote="'", header=True, columns=())) == [
        {"a": "x;y", "b": "z"}
    ]
    assert fields('a,b\n5" pipe,z\n', Csv(encoding="utf-8", delimiter=",", quote="", header=True, columns=())) == [
        {"a": '5" pipe', "b": "z"}
    ]


def test_columns_may_be_named_by_the_map() -> None:
    named = ("x", "y")
    without = Csv(encoding="utf-8", delimiter=",", quote='"', header=False, columns=named)
    instead = Csv(encoding="utf-8", delimiter=",", quote='"', header=True, columns=named)
    assert fields("1,2\n", without) == fields("a,a\n1,2\n", instead) == [{"x": "1", "y": "2"}]
    assert said("a,a\n1,2\n") == "file has two columns called a: name all columns in the map, under `columns`."


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8-sig", "utf-16", "big5"])
def test_chinese_is_read_in_the_encoding_of_the_map(encoding: str) -> None:
    content = "編號,客户\n一,華光\n".replace("客户", "客戶").encode(encoding)
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    assert fields(content, Csv(encoding=name, delimiter=",", quote='"', header=True, columns=())) == [
        {"編號": "一", "客戶": "華光"}
    ]


def test_a_wrong_encoding_is_named_with_its_line_and_what_to_do() -> None:
    content = b"a,b\n" + b"1,2\n" * 40_000 + "1,华光\n".encode("gbk")
    assert said(content) == (
        "Line 40002 of file is not utf-8: say in the map which `encoding` the file has, for example gb18030."
    )


def test_half_a_character_at_the_end_is_a_wrong_encoding_too() -> None:
    assert said("a\n华".encode()[:-1]).startswith("Line 2 of file is not utf-8")


def test_utf_16_without_its_mark_is_refused() -> None:
    wide = Csv(encoding="utf-16", delimiter=",", quote='"', header=True, columns=())
    assert said("a,b\n", wide) == "file does not begin like utf-16: say in the map which `encoding` it has."


def test_nul_bytes_are_no_text() -> None:
    assert said(b"a,b\n1,\x002\n") == "Line 2 of file holds a NUL byte: it is no text in utf-8."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "file is empty."),
        (b'a,b\n1,"open', "Line 2 of file is no proper CSV: unexpected end of data."),
        (b'a,b\n1,"x"y\n', "Line 2 of file is no proper CSV: ',' expected after '\"'."),
        (b"a,b\r1,2\r", "Line 1 of file is no proper CSV: new-line character seen in unquoted field"),
    ],
)
def test_what_is_no_csv_is_refused(content: bytes, sentence: str) -> None:
    assert said(content).startswith(sentence)


def test_a_line_without_end_is_refused() -> None:
    limits = Limits(row=1000)
    assert said("a\n" + "x" * 1001, limits=limits) == "Line 2 of file is longer than 1000 characters."
    assert rows(b"a\n" + b"x" * 999, limits=limits)[0].fields == {"a": "x" * 999}


def test_a_missing_quotation_mark_does_not_swallow_the_file() -> None:
    sentence = said('a,b\n1,2\n3,"open\n' + "4,5\n" * 500, limits=Limits(row=1000))
    assert sentence.startswith("The row that begins in line 3 of file has no end within 1000 characters")


# ---- packed


def test_a_file_cut_in_the_middle_of_its_packing_is_refused() -> None:
    assert said(gzip.compress(b"a,b\n1,2\n")[:-6]) == "file is packed, and its end is missing: fetch it again."


def test_a_file_damaged_in_its_packing_is_refused() -> None:
    packed = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    packed[20] ^= 0xFF
    assert said(bytes(packed)).startswith("file cannot be unpacked: ")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused() -> None:
    bomb = gzip.compress(b"a\n" + b"1\n" * 2_000_000)
    assert said(bomb, limits=Limits(file=1 << 20)) == "file is bigger than 1048576 bytes: split it."


# ---- XES


def test_an_event_is_a_row_with_the_attributes_of_its_trace() -> None:
    trace = TRACE.format('<int key="age" value="3"/>' + EVENT + EVENT)
    assert (
        fields(XES.format("\n" + trace), Xes())
        == [{"case:concept:name": "1", "case:age": "3", "concept:name": "opened"}] * 2
    )
    assert [row.line for row in rows(XES.format("\n\n" + trace).encode(), Xes())] == [3, 3]


def test_a_trace_does_not_inherit_from_the_one_before() -> None:
    second = "<trace>" + EVENT + "</trace>"
    assert fields(XES.format(TRACE.format(EVENT) + second), Xes())[1] == {"concept:name": "opened"}


def test_attributes_of_every_type_and_depth_are_read() -> None:
    event = """<event>
        <string key="s" value="a &lt; b"><string key="why" value="because"/></string>
        <date key="d" value="2025-03-03T09:00:00.000+08:00"/><int key="i" value="1"/><float key="f" value="1.5"/>
        <boolean key="b" value="true"/><id key="n" value="u-1"/>
        <list key="l"><values><string key="x" value="1"/><string key="x" value="2"/></values></list>
        <container key="c"><int key="in" value="7"/></container>
    </event>"""
    assert fields(XES.format(f"<trace>{event}</trace>"), Xes()) == [
        {
            "s": "a < b",
            "s/why": "because",
            "d": "2025-03-03T09:00:00.000+08:00",
            "i": "1",
            "f": "1.5",
            "b": "true",
            "n": "u-1",
            "l/x": "1",
            "l/x#2": "2",
            "c/in": "7",
        }
    ]


def test_what_is_said_of_the_log_as_a_whole_is_in_no_row() -> None:
    head = (
        '<extension name="Concept" prefix="concept" uri="x"/><string key="origin" value="csv"/>'
        '<global scope="event"><string key="concept:name" value="?"/></global>'
        '<classifier name="c" keys="concept:name"/>'
    )
    assert fields(XES.format(head + TRACE.format(EVENT)), Xes()) == [
        {"case:concept:name": "1", "concept:name": "opened"}
    ]


def test_an_event_outside_of_any_trace_is_a_row_without_a_case() -> None:
    assert fields(XES.format(EVENT), Xes()) == [{"concept:name": "opened"}]


def test_a_prefix_for_the_namespace_changes_nothing() -> None:
    prefixed = '<x:log xmlns:x="http://www.xes-standard.org/"><x:trace><x:event><x:int key="i" value="1"/></x:event>'
    assert fields(prefixed + "</x:trace></x:log>", Xes()) == [{"i": "1"}]


def test_xes_may_be_in_an_encoding_that_the_map_names() -> None:
    content = ('<?xml version="1.0" encoding="gbk"?>' + XES.format(TRACE.format(EVENT))).replace("opened", "受理")
    assert fields(content.encode("gbk"), Xes(encoding="gbk"))[0]["concept:name"] == "受理"
    assert said(content.encode("gbk"), Xes()) == (
        "file has an encoding that XML readers do not know: name it in the map, under `encoding`."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "Line 1 of file is not XML: no element found."),
        ("ticket,when\n1,2\n", "Line 1 of file is not XML: syntax error."),
        (XES.format(TRACE.format(EVENT))[:-40], "file ends in line 1, before its XML does."),
        (XES.format("<trace>\n</log>"), "Line 2 of file is not XML: mismatched tag."),
        ("<html><body/></html>", "Line 1 of file is not XES: nobody expects <html> there."),
        (XES.format("<trace><odd/></trace>"), "Line 1 of file is not XES: nobody expects <odd> there."),
        (
            XES.format('<trace><int key="x"/></trace>'),
            "Line 1 of file is not XES: an attribute needs a key and a value.",
        ),
        (
            XES.format("<trace>" + EVENT + '<int key="x" value="1"/></trace>'),
            "Line 1 of file: the attributes of a trace must stand before its events.",
        ),
        (
            '<!DOCTYPE log [<!ENTITY x "y">]>' + XES.format(TRACE.format(EVENT)),
            "file holds a DOCTYPE, which XES never needs and which could do harm: take it out.",
        ),
        (XES.format("<trace>" + '<list key="l">' * 99), "file is nested deeper than 32 levels."),
    ],
)
def test_what_is_no_xes_is_refused(content: str, sentence: str) -> None:
    assert said(content, Xes()) == sentence


@pytest.mark.parametrize(
    "endless",
    [
        '<trace><string key="k" value="' + "x" * 300_000,
        "<trace><event>" + '<string key="k" value="x"/>' * 20_000,
        "<trace>" + '<string key="k" value="x"/>' * 20_000,
        "<!-- " + "x" * 300_000,
    ],
)
def test_a_value_or_row_without_end_is_refused(endless: str) -> None:
    sentence = said('<log xmlns="http://www.xes-standard.org/">' + endless, Xes(), Limits(row=10_000))
    assert sentence == "Line 1 of file: one row or value is longer than 10000 characters."


# ---- memory

CHILD = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from aggregates.refused import Refused
from services.importing.importer import stage
from services.importing.sources import Limits
from services.importing.staging import Staging
from tests.services.importing.given import MAP, the_map

plan, staging = the_map(MAP.replace('"csv"', sys.argv[1]), Path(sys.argv[2])), Staging()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    stage("-", plan, staging, datetime.now(UTC), Limits())
except Refused as refused:
    print(refused)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def endless_line(pipe: IO[bytes]) -> None:
    pipe.write(b"ticket,when,what,who,customer\n")
    while True:
        pipe.write(b"x" * 65536)


def endless_quotation(pipe: IO[bytes]) -> None:
    pipe.write(b'ticket,when,what,who,customer\n1,"')
    while True:
        pipe.write(b"x\n" * 30000)


def endless_value(pipe: IO[bytes]) -> None:
    pipe.write(b'<log><trace><string key="k" value="')
    while True:
        pipe.write(b"x" * 65536)


def packed_line(pipe: IO[bytes]) -> None:
    packer = zlib.compressobj(wbits=31)  # 16 more than of the plain form: with the head of gzip
    while True:
        pipe.write(packer.compress(b"x" * 1_000_000))


@pytest.mark.parametrize(
    ("kind", "pour"),
    [("csv", endless_line), ("csv", endless_quotation), ("xes", endless_value), ("csv", packed_line)],
)
def test_an_endless_pipe_is_refused_and_memory_stays_small(
    kind: str, pour: Callable[[IO[bytes]], None], tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, f'"{kind}"', str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=False,
        bufsize=0,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin as pipe, pytest.raises(BrokenPipeError):
        pour(pipe)
    sentence, megabytes = child.stdout.read().decode().splitlines()
    child.stdout.close()
    assert child.wait() == 0
    assert "stdin" in sentence
    assert int(megabytes) < 24
