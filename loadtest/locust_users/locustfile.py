"""What `locust -f` loads: the users, the shape that the run's setting names, and the conduct of the processes.

`python -m loadtest.load` starts locust on it; by hand, with a run's folder that the launcher has made:

    LOAD_FOLDER=build/load/run python -m locust -f loadtest/locust_users/locustfile.py --web-host 127.0.0.1
"""

from __future__ import annotations

from locust import events

from loadtest.locust_users import shapes
from loadtest.locust_users.users import (
    CONDUCT,
    AlarmReceiver,
    CameraSystem,
    CrewTerminals,
    DispatchClient,
    SmartCity,
    TelephonePlatform,
)

Shape = shapes.SHAPES[CONDUCT.setting.shape]
Shape.conduct = CONDUCT
shapes.fix_counts(
    {
        user.__name__: user
        for user in (AlarmReceiver, CameraSystem, CrewTerminals, DispatchClient, SmartCity, TelephonePlatform)
    },
    Shape.plan,
    CONDUCT.setting.only,
)
events.init.add_listener(lambda environment, **_: CONDUCT.attach(environment))
