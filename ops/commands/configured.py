"""What every command that needs a configuration takes: the file, the database, and any key by `--set`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ops.config import Config, Database
from ops.layers import ConfigError, Effective, load

if TYPE_CHECKING:
    import asyncpg


@Parameter(name="*")
@dataclass(frozen=True)
class Configured:
    """Flags that say what the command runs on; a flag wins over a JEDEL_… variable, which wins over the file."""

    config: Annotated[Path | None, Parameter(name="--config", help="TOML file with the configuration")] = None
    dsn: Annotated[
        str | None, Parameter(name="--dsn", help="PostgreSQL 14 or newer: postgresql://USER:PASSWORD@HOST:PORT/NAME")
    ] = None
    data_dir: Annotated[
        Path | None, Parameter(name="--data-dir", help="folder of the embedded PostgreSQL, which is used without a DSN")
    ] = None
    values: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative=(),
            show_default=False,
            help="any key of the configuration, for example terms.accept_s=90; may be repeated",
        ),
    ] = ()

    def load(self, own: Mapping[str, str] | None = None) -> Effective:
        """The effective configuration.

        Args:
            own: dotted key → text, of flags that only this command has.

        Raises:
            ConfigError: with every fault found.
        """
        flags: dict[str, str] = dict(own or {})
        for pair in self.values:
            key, equals, value = pair.partition("=")
            if not equals:
                raise ConfigError([f"--set {pair}: must be SECTION.KEY=VALUE"])
            flags[key.strip()] = value
        if self.data_dir is not None:
            flags["database.data_dir"] = str(self.data_dir)
        if self.dsn is not None:
            flags["database.dsn"] = self.dsn
        elif self.data_dir is not None:
            # Who names a folder means the embedded server, whatever DSN a file or variable has.
            flags["database.dsn"] = ""
        return load(self.config, os.environ, flags)

    def read(self) -> Config:
        """The effective configuration without its origins. Raises `ConfigError`."""
        return self.load().config


AS_GIVEN = Configured()
"""What a command runs on when no flag is given."""


@asynccontextmanager
async def connected(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the centre's migrated database, beside a running service if there is one.

    The embedded server is started where it does not run, and stopped at the end where nobody else uses it.
    Raises `StorageError`, which asyncpg's failures are translated into; `OLDER_DATABASE` while an older version is active.
    """
    import asyncpg

    from storage import embedded, migrate, session
    from storage.errors import StorageError, translate

    server = None if database.dsn else embedded.start(Path(database.data_dir))
    try:
        # An import of millions of lines is one statement, and takes the time it takes.
        connection = await session.connect(server.dsn if server else database.dsn, "command", timeout_s=None)
        try:
            await migrate.migrate(connection, unless_active=True)
            yield connection
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError, TimeoutError) as error:
        if isinstance(error, StorageError):
            raise
        raise translate(error) from error
    finally:
        if server is not None:
            server.stop()
