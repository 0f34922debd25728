"""The databases of the end-to-end tests."""

from tests.database import database, empty_database, postgres_server, template  # noqa: F401
