"""Where histories come from: XES and CSV files, packed or not, read once and row by row in bounded memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from xml.parsers import expat

from aggregates.refused import Refused
from aggregates.value import Value
from services.importing.maps import Csv, Xes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 16


class Limits(Value):
    """How big a file may be. `row`: bytes of one line, one value, one row; `file`: bytes of all, unpacked."""

    row: int = 1 << 20
    file: int = 16 << 30
    depth: int = 32


class SourceRow(NamedTuple):
    """One row as the source wrote it. `flaw`: why it cannot be taken, if that is plain already."""

    line: int
    fields: dict[str, str]
    flaw: Refused | None = None


class Original(io.RawIOBase):
    """The bytes of a file or pipe as given, hashed while they pass."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self.name = name
        self._raw, self._hash = raw, hashlib.sha256()
        self._head = raw.read(3)
        self.packed = self._head.startswith(b"\x1f\x8b")

    @property
    def hash(self) -> str:
        """`sha256:…` of what has passed so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data, self._head = self._head[: len(room)] or self._raw.read(len(room)), self._head[len(room) :]
        self._hash.update(data)
        room[: len(data)] = data
        return len(data)


def rows_of(original: Original, form: Xes | Csv, limits: Limits) -> Iterator[SourceRow]:
    """Every row in the order of the file; Refused, in one sentence, where the file cannot be read on."""
    chunks = _unpacked(original, limits)
    match form:
        case Xes():
            yield from _xes_rows(chunks, form, original.name, limits)
        case Csv():
            yield from _csv_rows(chunks, form, original.name, limits)


def _unpacked(original: Original, limits: Limits) -> Iterator[bytes]:
    given = io.BufferedReader(original, CHUNK)
    stream = gzip.GzipFile(fileobj=given, mode="rb") if original.packed else given
    room = limits.file
    try:
        while chunk := stream.read(CHUNK):
            room -= len(chunk)
            if room < 0:
                raise Refused("{file} is bigger than {limit} bytes: split it.", file=original.name, limit=limits.file)
            yield chunk
    except EOFError:
        raise Refused("{file} is packed, and its end is missing: fetch it again.", file=original.name) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Refused("{file} cannot be unpacked: {problem}.", file=original.name, problem=error) from None


class _Decoder:
    """Turns bytes into text, chunk by chunk, and knows in which line it is when that fails."""

    def __init__(self, encoding: str, file: str) -> None:
        self._encoding, self._file, self._line = encoding, file, 1
        # a byte order mark at the head of UTF-8 is no part of the first column's name
        marked = codecs.lookup(encoding).name == "utf-8"
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if marked else encoding)()

    def text(self, chunk: bytes, final: bool = False) -> str:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            if "BOM" in error.reason:  # since Python 3.13; until then it is the plain UnicodeError below
                raise self._begins_otherwise() from None
            before = error.object[: error.start].decode(self._encoding, "replace")
            raise Refused(
                "Line {line} of {file} is not {encoding}: say in the map which `encoding` the file has,"
                " for example gb18030.",
                line=self._line + before.count("\n"),
                file=self._file,
                encoding=self._encoding,
            ) from None
        except UnicodeError:
            raise self._begins_otherwise() from None
        self._line += text.count("\n")
        return text

    def _begins_otherwise(self) -> Refused:
        return Refused(
            "{file} does not begin like {encoding}: say in the map which `encoding` it has.",
            file=self._file,
            encoding=self._encoding,
        )


def _csv_rows(chunks: Iterable[bytes], form: Csv, file: str, limits: Limits) -> Iterator[SourceRow]:
    lines = _Lines(chunks, form.encoding, file, limits)
    reader = csv.reader(
        lines,
        delimiter=form.delimiter,
        quotechar=form.quote or None,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        strict=True,
    )
    columns = form.columns
    try:
        if form.header:
            header = next(filter(None, reader), [])
            columns = columns or tuple(header)
        _check_header(columns, file)
        while True:
            line = lines.begin_row()
            values = next(reader, None)
            if values is None:
                return
            if values:
                yield _csv_row(line, columns, values)
    except csv.Error as error:
        raise Refused(
            "Line {line} of {file} is no proper CSV: {problem}.", line=lines.number, file=file, problem=error
        ) from None


def _csv_row(line: int, columns: tuple[str, ...], values: list[str]) -> SourceRow:
    fields = dict(zip(columns, values, strict=False))
    if len(values) <= len(columns):
        return SourceRow(line, fields)
    more = Refused("It has {here} values for {columns} columns.", here=len(values), columns=len(columns))
    return SourceRow(line, fields, more)


def _check_header(columns: tuple[str, ...], file: str) -> None:
    if not columns:
        raise Refused("{file} is empty.", file=file)
    for column in columns:
        if columns.count(column) > 1:
            raise Refused(
                "{file} has two columns called {column}: name all columns in the map, under `columns`.",
                file=file,
                column=column,
            )


class _Lines(Iterator[str]):
    """The lines of a text, each with its end. `number` is that of the last one given."""

    def __init__(self, chunks: Iterable[bytes], encoding: str, file: str, limits: Limits) -> None:
        self._chunks, self._decoder = iter(chunks), _Decoder(encoding, file)
        self._encoding, self._file, self._limit = encoding, file, limits.row
        self._ready: Iterator[str] = iter(())
        self._rest, self.number, self._begun, self._room = "", 0, 1, limits.row

    def begin_row(self) -> int:
        """The line in which the next row begins; until it is called again all lines belong to that row."""
        self._begun, self._room = self.number + 1, self._limit
        return self._begun

    def __next__(self) -> str:
        line = next(self._ready, None)
        while line is None:
            self._fetch()
            line = next(self._ready, None)
        self.number += 1
        self._room -= len(line)
        if self._room < 0:
            raise Refused(
                "The row that begins in line {line} of {file} has no end within {limit} characters:"
                " is a quotation mark missing?",
                line=self._begun,
                file=self._file,
                limit=self._limit,
            )
        if "\0" in line:
            raise Refused(
                "Line {line} of {file} holds a NUL byte: it is no text in {encoding}.",
                line=self.number,
                file=self._file,
                encoding=self._encoding,
            )
        return line

    def _fetch(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            last = self._rest + self._decoder.text(b"", final=True)
            if not last:
                raise StopIteration
            self._ready, self._rest = iter([last]), ""
            return
        *whole, self._rest = (self._rest + self._decoder.text(chunk)).split("\n")
        if len(self._rest) > self._limit:
            raise Refused(
                "Line {line} of {file} is longer than {limit} characters.",
                line=self.number + len(whole) + 1,
                file=self._file,
                limit=self._limit,
            )
        self._ready = iter([line + "\n" for line in whole])


ATTRIBUTES = frozenset({"string", "date", "int", "float", "boolean", "id", "list", "container"})
NOT_IN_ROWS = frozenset({"extension", "global", "classifier"})


def _xes_rows(chunks: Iterable[bytes], form: Xes, file: str, limits: Limits) -> Iterator[SourceRow]:
    listener = _XesListener(file, limits)
    decoder = _Decoder(form.encoding, file) if form.encoding else None
    for chunk in chunks:
        listener.hear(decoder.text(chunk) if decoder else chunk)
        yield from listener.finished()
    listener.hear(b"", final=True)


class _XesListener:
    """Listens to an XML parser and makes a row of every event, with its trace's attributes under `case:`.

    An attribute inside another is called `outer/inner`; a second one of the same name in one row gets `#2`.
    """

    def __init__(self, file: str, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._heard = 0
        self._open: list[str] = []
        self._names: list[str] = []
        self._rows: list[SourceRow] = []
        self._trace: dict[str, str] = {}
        self._event: dict[str, str] | None = None
        self._line = 0
        self._seen_event = False
        self._room = limits.row

    def hear(self, chunk: bytes | str, final: bool = False) -> None:
        """Take the next piece of the file."""
        try:
            self._parser.Parse(chunk, final)
        except expat.ExpatError as error:
            raise self._broken(error) from None
        except (ValueError, LookupError):  # it knows few encodings by itself
            raise Refused(
                "{file} has an encoding that XML readers do not know: name it in the map, under `encoding`.",
                file=self._file,
            ) from None
        self._heard += len(chunk.encode()) if isinstance(chunk, str) else len(chunk)
        if self._heard - self._parser.CurrentByteIndex > self._limits.row + CHUNK:
            raise self._too_long()

    def finished(self) -> list[SourceRow]:
        """The rows that are complete and were not yet asked for."""
        rows, self._rows = self._rows, []
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        above = self._open[-1] if self._open else None
        self._open.append(tag)
        if above in NOT_IN_ROWS:
            self._open[-1] = str(above)
        elif tag in ATTRIBUTES and above is not None:
            self._attribute(tag, attributes)
        elif tag == "event" and above in ("trace", "log"):
            self._event, self._line, self._room = {}, self._parser.CurrentLineNumber, self._limits.row
        elif tag == "trace" and above == "log":
            self._trace, self._seen_event, self._room = {}, False, self._limits.row
        elif not (
            (tag == "log" and above is None)
            or (tag in NOT_IN_ROWS and above == "log")
            or (tag == "values" and above == "list")
        ):
            raise Refused(
                "Line {line} of {file} is not XES: nobody expects <{tag}> there.",
                line=self._parser.CurrentLineNumber,
                file=self._file,
                tag=tag,
            )
        if len(self._open) > self._limits.depth:
            raise Refused("{file} is nested deeper than {limit} levels.", file=self._file, limit=self._limits.depth)

    def _attribute(self, tag: str, attributes: dict[str, str]) -> None:
        key, value = attributes.get("key"), attributes.get("value")
        if key is None or (value is None and tag not in ("list", "container")):
            raise Refused(
                "Line {line} of {file} is not XES: an attribute needs a key and a value.",
                line=self._parser.CurrentLineNumber,
                file=self._file,
            )
        name = f"{self._names[-1]}/{key}" if self._names else key
        self._names.append(name)
        self._room -= len(name) + len(value or "")
        if self._room < 0:
            raise self._too_long()
        if value is not None:
            self._keep(name, value)

    def _keep(self, name: str, value: str) -> None:
        if self._event is not None:
            fields = self._event
        elif "trace" not in self._open:
            return
        elif self._seen_event:
            raise Refused(
                "Line {line} of {file}: the attributes of a trace must stand before its events.",
                line=self._parser.CurrentLineNumber,
                file=self._file,
            )
        else:
            fields, name = self._trace, f"case:{name}"
        free, number = name, 1
        while free in fields:
            number += 1
            free = f"{name}#{number}"
        fields[free] = value

    def _end(self, _name: str) -> None:
        tag = self._open.pop()
        if tag in ATTRIBUTES:
            self._names.pop()
        elif tag == "event":
            self._rows.append(SourceRow(self._line, self._trace | (self._event or {})))
            self._event, self._seen_event = None, True
        elif tag == "trace":
            self._trace = {}

    def _refuse_doctype(self, *_: Any) -> None:
        raise Refused(
            "{file} holds a DOCTYPE, which XES never needs and which could do harm: take it out.", file=self._file
        )

    def _too_long(self) -> Refused:
        return Refused(
            "Line {line} of {file}: one row or value is longer than {limit} characters.",
            line=self._parser.CurrentLineNumber,
            file=self._file,
            limit=self._limits.row,
        )

    def _broken(self, error: expat.ExpatError) -> Refused:
        problem = expat.ErrorString(error.code)
        if self._open and problem in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN):
            return Refused("{file} ends in line {line}, before its XML does.", file=self._file, line=error.lineno)
        return Refused(
            "Line {line} of {file} is not XML: {problem}.", line=error.lineno, file=self._file, problem=problem
        )
