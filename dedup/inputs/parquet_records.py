"""Parquet to pages, a batch of rows at a time, and of each only the columns that are wanted.

The footer stands at the end, so a file that cannot seek (standard input, a compressed Parquet file)
goes through a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Any

from dedup.errors import InputError
from dedup.inputs.lines import STEP
from dedup.inputs.model import UnreadPage
from dedup.inputs.records import Records
from dedup.inputs.unpack import Stream, Unpacked
from dedup.model import Page

BATCH_BYTES = 4_000_000
"""Unpacked bytes of a batch of rows, about; a row at least."""

BATCH_ROWS = 1000

SPOOLED_RATIO = 100
"""A compressed Parquet file is itself compressed, so what unpacks to more than so many times its
size is a bomb."""


def read_parquet(file: Any, records: Records) -> Iterator[Page | UnreadPage]:
    """The pages of a Parquet file; `NAME#N` is row N.

    Args:
        file: that can seek.
        records: makes pages.
    """
    number = 0
    try:
        parquet = _parquet()
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except InputError as error:
        yield UnreadPage(records.name, InputError(f"{records.name!r}: {error}"))
        return
    try:
        with parquet.ParquetFile(
            file, buffer_size=STEP, pre_buffer=False, page_checksum_verification=True
        ) as table:
            wanted = _columns(table.schema_arrow, records)
            rows = max(1, table.metadata.num_rows)
            packed = sum(
                table.metadata.row_group(at).total_byte_size
                for at in range(table.metadata.num_row_groups)
            )
            size = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(1, packed)))
            for batch in table.iter_batches(size, columns=wanted, use_threads=False):
                for record in _records(batch):
                    number += 1
                    yield records.page(record, number)
    except InputError as error:
        yield UnreadPage(records.name, error)
    except (pa.ArrowException, OSError, ValueError) as error:
        after = f" after row {number:,}" if number else ""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield UnreadPage(
            records.name,
            InputError(
                f"{records.name!r} is a damaged Parquet file{after} ({reason}): fetch it again"
            ),
        )


def spooled(stream: Stream, unpacked: Unpacked, *, packed: bool) -> IO[bytes]:
    """A temporary file with the stream's bytes; the caller closes it.

    Args:
        stream: unpacked.
        unpacked: below it.
        packed: it was compressed, and may be a bomb.

    Raises:
        InputError: it is damaged, a bomb, or there is no room.
    """
    name = unpacked.name
    file = TemporaryFile()  # noqa: SIM115 - the caller's
    written = 0
    try:
        while part := stream.read(STEP):
            written += len(part)
            if packed and written > SPOOLED_RATIO * max(unpacked.packed_bytes, STEP):
                raise InputError(  # noqa: TRY301 - closed below, as for every other error
                    f"{name!r} unpacks to more than {SPOOLED_RATIO} times its size: unpack it"
                    " yourself if you trust it"
                )
            file.write(part)
        file.seek(0)
        if unpacked.damage:  # the footer is at the end
            raise unpacked.damage
    except OSError as error:
        file.close()
        raise InputError(
            f"{name!r} needs a temporary file, and cannot have it ({error.strerror}): set TMPDIR to"
            " a place with more room"
        ) from error
    except InputError:
        file.close()
        raise
    return file


def _parquet() -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("Parquet needs a library: pip install 'dedup[parquet]'") from error
    return parquet


def _columns(schema: Any, records: Records) -> list[str]:
    """The wanted columns, those in structures by their paths."""
    there: list[str] = []

    def add(fields: Any, before: str) -> None:
        for field in fields:
            there.append(before + field.name)
            if field.type.num_fields and str(field.type).startswith("struct"):
                add(
                    [field.type.field(at) for at in range(field.type.num_fields)],
                    f"{before}{field.name}.",
                )

    add(schema, "")
    return records.columns(there)


def _records(batch: Any) -> Iterator[Any]:
    """Rows as dictionaries; text that is no UTF-8 comes as bytes."""
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def _values(column: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.binary()).to_pylist()
    return values
