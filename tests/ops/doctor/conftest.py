"""The databases of the doctor's tests."""

from tests.database import database, empty_database, postgres_server, template  # noqa: F401
