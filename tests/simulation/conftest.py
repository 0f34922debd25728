"""The database against which the simulation's model of storage is held."""

from tests.database import database, postgres_server, template  # noqa: F401
