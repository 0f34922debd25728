"""The centre's tables as row types of the database at hand, so that rows can be sent as arrays of them.

Place in the flow: persist, when the writer connects. A row type has another oid in every database, and a value of it names the
oid of each of its fields; nothing else of the packing depends on the database.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from storage import tables
from storage.copy_binary import Packer, Row, array_of, compile_element_packer

_READ: Final = """
SELECT c.relname AS name, t.oid::bigint AS oid, t.typarray::bigint AS array_oid,
       array(SELECT a.atttypid::bigint FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS column_oids
FROM pg_class c JOIN pg_type t ON t.oid = c.reltype
WHERE c.oid = ANY ($1::text[]::regclass[])
"""


class RowType(msgspec.Struct, frozen=True):
    """A table's row type, and how its rows are packed."""

    oid: int
    array_oid: int
    pack: Packer

    def array(self, rows: list[Row]) -> bytes:
        """Rows, in the order of the table's columns, as one parameter in binary format."""
        return array_of(self.oid, len(rows), self.pack(rows))


async def read_row_types(connection: asyncpg.Connection) -> dict[str, RowType]:
    """The row types of `tables.ALL` by table. Raises whatever asyncpg raises."""
    columns = {table.name: table.columns for table in tables.ALL}
    rows = await connection.fetch(_READ, [f'"{name}"' for name in columns])
    return {
        name: RowType(oid, array_oid, compile_element_packer(columns[name], column_oids))
        for name, oid, array_oid, column_oids in rows
    }
