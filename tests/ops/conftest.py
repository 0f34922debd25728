"""The databases of the command line's tests."""

from tests.database import database, postgres_server, template  # noqa: F401
