"""Cuts an OSM PBF file into runs of whole blobs, so that an import can say how far it is and memory stays bounded.

Place in the flow: `routing.osm` reads each run with libosmium, which by itself tells nothing about its progress. Rules: a PBF
is blobs, each a 4-byte big-endian length, a `BlobHeader` (field 1 type, field 3 size) and the blob; the first is `OSMHeader`
and is put before every run, which makes a run a PBF of its own. Other formats pass whole. Source: OSM wiki, PBF Format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import osmium

from routing.map_data import MapError

HEADER_MAX_BYTES: Final = 64 * 1024
BLOB_MAX_BYTES: Final = 32 * 1024 * 1024
"""Both bounds are the format's own."""


def chunks(path: Path, chunk_bytes: int) -> Iterator[tuple[osmium.io.FileBuffer | str, float]]:
    """Runs of at least `chunk_bytes`, each with the share of the file that is read when it has been dealt with.

    Raises:
        MapError: the file is not a PBF though it is named one, or it is cut short.
    """
    if path.suffix != ".pbf":
        yield str(path), 1.0
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _blob(file, path)
        if header is None or header[0] != b"OSMHeader":
            raise MapError(f"{path}: not an OSM PBF file")
        run = bytearray(header[1])
        blob = _blob(file, path)
        while blob is not None:
            run += blob[1]
            blob = _blob(file, path)
            if len(run) >= chunk_bytes or blob is None:
                yield osmium.io.FileBuffer(bytes(run), "pbf"), file.tell() / size
                run = bytearray(header[1])


def _blob(file: BinaryIO, path: Path) -> tuple[bytes, bytes] | None:
    """The next blob's type and its bytes with all headers; None at the end of the file."""
    prefix = file.read(4)
    if not prefix:
        return None
    length = int.from_bytes(prefix, "big")
    if len(prefix) < 4 or not 0 < length <= HEADER_MAX_BYTES:
        raise MapError(f"{path}: not an OSM PBF file, or damaged at byte {file.tell() - len(prefix)}")
    header = file.read(length)
    kind, size = _header_fields(header)
    if size > BLOB_MAX_BYTES:
        raise MapError(f"{path}: damaged: a blob of {size} bytes at byte {file.tell()}")
    body = file.read(size)
    if len(header) < length or len(body) < size:
        raise MapError(f"{path}: cut short at byte {file.tell()}")
    return kind, prefix + header + body


def _header_fields(header: bytes) -> tuple[bytes, int]:
    """`type` and `datasize` of a BlobHeader; empty and 0 where it has none."""
    kind, size, at = b"", 0, 0
    while at < len(header):
        tag, at = _varint(header, at)
        value, at = _varint(header, at)
        if tag & 7 == 2:
            if tag >> 3 == 1:
                kind = header[at : at + value]
            at += value
        elif tag >> 3 == 3:
            size = value
    return kind, size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 or shift > 56:
            break
        shift += 7
    return value, at
