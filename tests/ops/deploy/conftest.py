"""The databases of the deployment's tests."""

from tests.database import database, empty_database, postgres_server, template  # noqa: F401
