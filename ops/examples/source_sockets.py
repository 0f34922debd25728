"""A source of the ingest protocol with nothing but Python's own library.

python3 ops/examples/source_sockets.py [HOST:PORT [TOKEN]]
"""

# ruff: noqa: T201

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime

address, token = (sys.argv[1:] + ["127.0.0.1:7111", "trial-source"][len(sys.argv) - 1 :])[:2]
host, _, port = address.rpartition(":")
centre = socket.create_connection((host, int(port)))
answers = centre.makefile("rb")


def send(**message: object) -> None:
    """One message, one line."""
    centre.sendall(json.dumps(message).encode() + b"\n")


send(kind="hello", protocol="jedel-ingest/1", token=token, source="platform-1", version="first try")
welcome = json.loads(answers.readline())
print(welcome)
seq = welcome["committed_seq"]  # what the centre has of this source already: the next event is the one after it
now = datetime.now(UTC).isoformat()
place = {"latitude_deg": 43.2405, "longitude_deg": 76.9405, "accuracy_m": 20}
send(kind="call", seq=seq + 1, at=now, phone="+7 701 000 11 55", words="Пожар, горит квартира", fix=place)
send(kind="plate", seq=seq + 2, at=now, camera="c7", plate="123ABC02", confidence=1.7)  # a mistake, to see the error
send(kind="goodbye")
for line in answers:
    print(json.loads(line))
