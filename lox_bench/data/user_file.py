"""Rows from a file of the user's, whatever form it has: the one reader for all of them.

JSON lines, a JSON array, CSV or TSV, parquet; each perhaps gzipped, UTF-8 with or without a byte
order mark. The content decides, not the name. Values of a CSV stay the text they are: ``007`` is
no seven, a date no timestamp. What was found is said in one phrase, for people to read.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lox_bench.data.jsonl import LONGEST_LINE, parse_jsonl
from lox_bench.errors import DataError
from lox_bench.strict_json import parse_json

MOST_BYTES: Final = 2 * 1024**3  # of a file, unpacked
_GZIP, _PARQUET, _ZIP, _UTF8 = b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS: Final = {",": "CSV", "\t": "TSV", ";": "CSV with semicolons"}
_TABLES: Final = (".csv", ".tsv", ".tab")


@dataclass(frozen=True, slots=True)
class UserFile:
    """The rows of a file, the form they were in (``CSV``, ``gzipped JSON array``), and its text.

    ``text`` is the file's own for JSON lines, so that a hash of it is the file's; else empty.
    """

    rows: Sequence[Mapping[str, Any]]
    form: str
    text: str = ""


def read_user_file(path: Path, *, what: str) -> UserFile:
    """Read any file of rows.

    Args:
        path: the file.
        what: what a message calls it: ``data file``, ``prompt set``.

    Raises:
        DataError: it cannot be read, is of no such form, or a row is broken (the line is named).
    """
    where = f"{what} {path}"
    raw, packed = _bytes(path, where)
    if raw.startswith(_PARQUET):
        return UserFile(_parquet(raw, where), "parquet")
    text = _decoded(raw, where)
    rows, form = _parsed(text, path, where)
    own = text if form == "JSON lines" else ""
    return UserFile(rows, f"gzipped {form}" if packed else form, own)


def read_user_text(path: Path, *, what: str) -> str:
    """The text of a file: unpacked if it is gzipped, without a byte order mark.

    Raises:
        DataError: it cannot be read, or is no UTF-8 text.
    """
    where = f"{what} {path}"
    return _decoded(_bytes(path, where)[0], where)


def parse_table(text: str, *, where: str) -> tuple[list[dict[str, str]], str]:
    """Rows of a CSV with a header, every value text; and which separator it has.

    Raises:
        DataError: a row is longer or shorter than the header (its line is named), a column has no
            name or comes twice, a cell is longer than a million characters, there are no rows.
    """
    csv.field_size_limit(LONGEST_LINE)
    separator = _separator(text)
    lines = csv.reader(io.StringIO(text.lstrip("\n"), newline=""), delimiter=separator, strict=True)
    rows = list(_table_rows(lines, where))
    if not rows:
        raise DataError(f"{where} holds no rows")
    return rows, _SEPARATORS[separator]


def _bytes(path: Path, where: str) -> tuple[bytes, bool]:
    """The content, unpacked if it was gzipped; and whether it was."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{where} is larger than {MOST_BYTES >> 30} GiB")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror})") from error
    if raw.startswith(_ZIP):
        raise DataError(f"{where} is a zip archive; unpack it and name the file inside")
    if not raw.startswith(_GZIP):
        return raw, False
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            unpacked = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} is a broken gzip file ({error})") from error
    if len(unpacked) > MOST_BYTES:
        raise DataError(f"{where} is larger than {MOST_BYTES >> 30} GiB, unpacked")
    return unpacked, True


def _decoded(raw: bytes, where: str) -> str:
    if raw.startswith(_UTF16):
        raise DataError(f"{where} is UTF-16; UTF-8 was wanted (save it as such)")
    try:
        text = raw.removeprefix(_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{where}, line {line}: not UTF-8 text ({error.reason})") from error
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise DataError(f"{where}, line {line}: a NUL character; text was wanted")
    return text.replace("\r\n", "\n")


def _parsed(text: str, path: Path, where: str) -> tuple[list[dict[str, Any]], str]:
    start = text.lstrip()[:1]
    name = path.name.removesuffix(".gz").lower()
    if start == "[" and (array := _array(text, where)) is not None:
        return array, "JSON array"
    if start == "{" and text.lstrip().split("\n", 1)[0].strip() == "{":
        raise DataError(
            f"{where} is one JSON object over several lines; a list of objects was wanted, or one "
            "object a line"
        )
    if start not in {"{", "["} and name.endswith(_TABLES):
        return parse_table(text, where=where)
    return parse_jsonl(text, where=where), "JSON lines"


def _array(text: str, where: str) -> list[dict[str, Any]] | None:
    """The objects of a JSON array; ``None`` if the text is several documents."""
    first = text.lstrip().split("\n", 1)
    if len(first) > 1 and first[1].strip() and first[0].rstrip().endswith("]"):
        return None  # a list a line: the reader of lines says what it wants
    items = parse_json(text, where=where)
    items = [{"messages": item} if _is_dialogue(item) else item for item in items]
    wrong = next((i for i, item in enumerate(items, 1) if not isinstance(item, dict)), 0)
    if wrong:
        raise DataError(f"{where}, item {wrong}: a JSON object was wanted")
    if not items:
        raise DataError(f"{where} holds no rows")
    return list(items)


def _is_dialogue(item: Any) -> bool:
    """Whether an item is the turns of a dialogue themselves, as Qi et al.'s identity shift has."""
    return (
        isinstance(item, list)
        and bool(item)
        and all(isinstance(turn, dict) and {"role", "content"} <= {*turn} for turn in item)
    )


def _separator(text: str) -> str:
    head = text.lstrip("\n").split("\n", 1)[0]
    return max(_SEPARATORS, key=head.count)


def _table_rows(lines: Any, where: str) -> Iterator[dict[str, str]]:
    try:
        head: list[str] = next(lines, [])
        _check_head(head, where)
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                raise DataError(
                    f"{where}, line {lines.line_num}: {len(cells)} cells under {len(head)} "
                    f"columns ({', '.join(head)[:80]})"
                )
            yield dict(zip(head, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{where}, line {lines.line_num}: {error}") from error


def _check_head(head: Sequence[str], where: str) -> None:
    if not head:
        raise DataError(f"{where} holds no rows")
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise DataError(f"{where}: the column {twice!r} comes twice")


def _parquet(raw: bytes, where: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        rows = parquet.read_table(pa.BufferReader(raw)).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{where} is a broken parquet file ({error})") from error
    if not rows:
        raise DataError(f"{where} holds no rows")
    return list(rows)
