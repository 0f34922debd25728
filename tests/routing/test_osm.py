"""The import of OSM extracts, on files made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from routing.map_data import DEGREE, MapError
from routing.osm import import_osm
from tests.routing.osm_files import OsmFile, broken_town, town


def test_import_reads_streets_in_all_languages_when_ways_bear_several_names(tmp_path: Path) -> None:
    map_data = import_osm(town().write(tmp_path / "town.osm.pbf"))
    names = [set(street) for street in map_data.street_names]
    assert {"проспект Абая", "Абай даңғылы", "Abay Avenue", "пр. Абая"} in names  # two ways, one street
    assert {"ул. Абая"} in names  # the village's own
    assert ["ул. Арычная"] in map_data.street_old_names
    assert map_data.statistics() == {"streets": 6, "houses": 12, "corners": 2, "places": 10, "boundaries": 2, "roads": 8}
    assert map_data.skipped == {
        "street name without a word": 1,  # `проезд`
        "house without a street": 1,
        "road apart from the others": 3,  # it too, the lane that ends before Сейфуллина, and the village's street
    }


def test_import_places_houses_when_tagged_on_nodes_ways_and_relations(tmp_path: Path) -> None:
    map_data = import_osm(town().write(tmp_path / "town.osm.pbf"))
    houses = {
        (map_data.street_names[street][0], number): point
        for street, number, point in zip(
            map_data.house_street.tolist(), map_data.house_number, (map_data.house_points / DEGREE).tolist(), strict=True
        )
    }
    street = next(names[0] for names in map_data.street_names if "Абай даңғылы" in names)
    assert houses[street, "12"] == pytest.approx([43.2503, 76.906], abs=1e-6)
    assert houses[street, "15"] == pytest.approx([43.2497, 76.9071], abs=1e-6)
    assert houses[street, "17 корп. 2"] == pytest.approx([43.2492, 76.9092], abs=1e-6)
    assert houses["ул. Сейфуллина", "77"] == pytest.approx([43.2302, 76.9203], abs=1e-6)
    assert {number for name, number in houses if name == "мкр. Самал-2"} == {"58", "60"}


def test_import_finds_corner_when_ways_share_a_node(tmp_path: Path) -> None:
    map_data = import_osm(town().write(tmp_path / "town.osm.pbf"))
    corners = {
        frozenset(map_data.street_names[street][0] for street in pair): point
        for pair, point in zip(map_data.corner_streets.tolist(), (map_data.corner_points / DEGREE).tolist(), strict=True)
    }
    abay = next(names[0] for names in map_data.street_names if "Абай даңғылы" in names)
    assert corners[frozenset({abay, "ул. Сейфуллина"})] == pytest.approx([43.25, 76.92], abs=1e-6)
    assert corners[frozenset({"улица 8 Марта", "ул. Сейфуллина"})] == pytest.approx([43.26, 76.92], abs=1e-6)


def test_import_builds_boundary_with_its_hole_when_relation_has_several_ways(tmp_path: Path) -> None:
    boundaries = import_osm(town().write(tmp_path / "town.osm.pbf")).boundaries
    city = next(boundary for boundary in boundaries if boundary.admin_level == 4)
    assert city.names == {"": "Алматы", "en": "Almaty", "kk": "Алматы"}
    shape = shapely.from_wkb(city.wkb)
    assert shape.area == pytest.approx(0.1 * 0.15 - 0.005**2)
    assert shape.contains(shapely.Point(76.99, 43.29))
    assert not shape.contains(shapely.Point(76.8625, 43.2125))


def test_import_counts_and_goes_on_when_things_are_broken(tmp_path: Path) -> None:
    whole = import_osm(town().write(tmp_path / "town.osm.pbf"))
    map_data = import_osm(broken_town().write(tmp_path / "broken.osm.pbf"))
    assert map_data.statistics() == {**whole.statistics(), "places": whole.statistics()["places"] + 3}
    assert map_data.skipped == {
        **whole.skipped,
        "way without its nodes": 1,
        "boundary not closed": 1,
        "boundary cut by the extract": 1,
        "relation without its ways": 2,
        "boundary without area": 1,
    }


@pytest.mark.parametrize("ending", [".osm.pbf", ".osm", ".osm.bz2"])
def test_import_is_the_same_when_the_format_differs(tmp_path: Path, ending: str) -> None:
    expected = import_osm(town().write(tmp_path / "expected.osm.pbf"))
    map_data = import_osm(town().write(tmp_path / f"town{ending}"))
    assert map_data.street_names == expected.street_names
    assert np.array_equal(map_data.house_points, expected.house_points)
    assert map_data.boundaries == expected.boundaries


def test_import_is_the_same_when_file_is_read_blob_by_blob(tmp_path: Path) -> None:
    path = town().write(tmp_path / "town.osm.pbf")
    assert import_osm(path, chunk_bytes=1).to_bytes() == import_osm(path).to_bytes()


def test_import_tells_its_progress_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[float] = []
    import_osm(town().write(tmp_path / "town.osm.pbf"), told.append)
    assert told == sorted(told)
    assert told[0] >= 0.0
    assert told[-1] == 1.0


@pytest.mark.parametrize("name", ["town.osm.pbf", "town.osm"])
def test_import_refuses_file_when_it_is_not_osm(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"This is no map, only words. " * 40)
    with pytest.raises(MapError, match=name):
        import_osm(path)


def test_import_refuses_file_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="no such file"):
        import_osm(tmp_path / "nowhere.osm.pbf")


def test_import_refuses_file_when_nothing_in_it_is_named(tmp_path: Path) -> None:
    file = OsmFile()
    file.node(43.0, 76.0)
    with pytest.raises(MapError, match="no streets"):
        import_osm(file.write(tmp_path / "empty.osm.pbf"))


@pytest.mark.parametrize("kept", [3, 30, 200, 0.5, -1])
def test_import_refuses_pbf_when_it_is_cut_short(tmp_path: Path, kept: float) -> None:
    whole = town().write(tmp_path / "town.osm.pbf").read_bytes()
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else int(kept)])
    with pytest.raises(MapError, match=r"cut\.osm\.pbf"):
        import_osm(cut)
