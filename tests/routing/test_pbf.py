"""Runs of whole blobs of a PBF file."""

from __future__ import annotations

from pathlib import Path

import osmium
import pytest

from routing.map_data import MapError
from routing.pbf import HEADER_MAX_BYTES, chunks
from tests.routing.osm_files import OsmFile, town


def read(source: osmium.io.FileBuffer | str) -> list[tuple[str, int]]:
    return [(thing.type_str(), thing.id) for thing in osmium.FileProcessor(source)]


@pytest.mark.parametrize("chunk_bytes", [1, 2_000, 1 << 30])
def test_chunks_hold_everything_once_and_in_order_when_cut_anywhere(tmp_path: Path, chunk_bytes: int) -> None:
    path = town().write(tmp_path / "town.osm.pbf")
    runs = [(read(source), share) for source, share in chunks(path, chunk_bytes)]
    assert [thing for run, _ in runs for thing in run] == read(str(path))
    assert [share for _, share in runs] == sorted(share for _, share in runs)
    assert runs[-1][1] == 1.0
    assert (len(runs) > 1) == (chunk_bytes == 1)


def test_chunks_pass_other_formats_whole(tmp_path: Path) -> None:
    assert list(chunks(tmp_path / "town.osm", 1)) == [(str(tmp_path / "town.osm"), 1.0)]


def test_chunks_are_none_when_file_holds_only_its_header(tmp_path: Path) -> None:
    assert list(chunks(OsmFile().write(tmp_path / "empty.osm.pbf"), 1)) == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00\x00",
        b"\x00\x00\x00\x00rest",
        (HEADER_MAX_BYTES + 1).to_bytes(4, "big") + b"rest",
        b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18\x7f" + b"short",
        b"\x00\x00\x00\x10\x0a\x09OSMHeader\x18\xff\xff\xff\x7f" + b"a blob of a quarter gigabyte",
        b"\x00\x00\x00\x0b\x0a\x07OSMData\x18\x02" + b"ab",
    ],
)
def test_chunks_refuse_when_bytes_are_not_blobs(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "damaged.osm.pbf"
    path.write_bytes(damage)
    with pytest.raises(MapError, match=r"damaged\.osm\.pbf"):
        list(chunks(path, 1))
