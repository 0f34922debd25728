from __future__ import annotations

import numpy as np

from loadtest.policy_trial.city_days import CityDays


def test_world_when_the_load_doubles_has_the_same_calls_sooner() -> None:
    city = CityDays(1, streets=32, crews=40)
    one, two = city.world("patrol", 3, 1.0, 480.0, 4.0), city.world("patrol", 3, 2.0, 480.0, 4.0)
    count = len(one.calls.at_s)
    assert 0 < count < len(two.calls.at_s)
    np.testing.assert_array_equal(one.calls.latitude_deg, two.calls.latitude_deg[:count])
    np.testing.assert_array_equal(one.calls.work_s, two.calls.work_s[:count])
    np.testing.assert_allclose(one.calls.at_s, 2 * two.calls.at_s[:count], atol=1e-3)


def test_world_when_patrols_keep_to_their_district_has_zones() -> None:
    city = CityDays(1, streets=32, crews=40)
    assert set(city.world("patrol", 3, 1.0, 480.0, 1.0).crews.zone.tolist()) == {0, 1, 2, 3}
    assert set(city.world("ambulance", 3, 1.0, 480.0, 1.0).crews.zone.tolist()) == {-1}
