"""`/livez`, `/readyz` and `/metrics` on an address of their own, answered by threads that the flow never waits for.

Place in the flow: beside it, for the process's whole life, as standby too. Rules:
- Answers are made of what can be read at once (`ops.health`, `ops.exposition`); no answer asks a loop or the database.
- At most `ANSWERS_AT_ONCE` threads; who comes when they are busy waits in the listening socket, and then a peer that takes
  longer than `PEER_TIMEOUT_S` is cut.
- An address that is taken holds up nothing: on one machine a standby has the active process's configuration. It is tried again
  until it is free.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from time import monotonic
from typing import Final

import msgspec
import structlog

from ops.health import Verdict

ANSWERS_AT_ONCE: Final = 4
PEER_TIMEOUT_S: Final = 5.0
BIND_PAUSE_S: Final = 0.1
"""Between tries to bind an address that is taken."""
_WAITING_MAX: Final = 16
"""Connections that the kernel holds for us."""
_LOOK_S: Final = 0.05
"""Between looks for a peer that is too slow, while others wait."""
_LINE_MAX_BYTES: Final = 8_192

Render = Callable[[str], tuple[bytes, str]]
"""From the Accept header to the exposition and its content type."""

_log = structlog.get_logger("health")


class HealthServer:
    """The endpoint.

    Args:
        host, port: where; 0 is any free port.
        live, ready: the verdicts.
        render: the metrics.
    """

    def __init__(self, host: str, port: int, live: Callable[[], Verdict], ready: Callable[[], Verdict], render: Render) -> None:
        self._host = host
        self._port = port
        self._answers = {"/livez": live, "/readyz": ready}
        self._render = render
        self._ended = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, None while the address is taken."""
        return None if self._server is None else self._server.bound

    def start(self) -> None:
        """Begins to answer, or to wait for the address. Raises `OSError` where it can never be bound."""
        try:
            self._bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _log.warning("health waits for its address", health=f"{self._host}:{self._port}", reason="another process has it")
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops answering and lets go of the address."""
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        if self._server is not None:
            self._server.close()

    def _bind(self) -> None:
        self._server = _Server(self._host, self._port, self._answers, self._render)
        host, port = self._server.bound
        _log.info("health listens", health=f"{host}:{port}")

    def _run(self) -> None:
        while self._server is None:
            if self._ended.wait(BIND_PAUSE_S):
                return
            try:
                self._bind()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    _log.error("health has no address", reason=str(error))
                    return
        self._server.serve_forever(poll_interval=BIND_PAUSE_S)


_Request = socket.socket | tuple[bytes, socket.socket]
"""As `socketserver` has it; ours are sockets."""


class _Server(HTTPServer):
    """An HTTP server with a bounded number of threads."""

    request_queue_size = _WAITING_MAX

    def __init__(self, host: str, port: int, answers: dict[str, Callable[[], Verdict]], render: Render) -> None:
        self.answers = answers
        self.render = render
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.Semaphore(ANSWERS_AT_ONCE)
        self._workers = ThreadPoolExecutor(ANSWERS_AT_ONCE, thread_name_prefix="health")
        self._open: dict[socket.socket, float] = {}
        """Connections that have a thread → when they got it, by `time.monotonic`."""
        super().__init__((host, port), _Handler)
        bound = self.socket.getsockname()
        self.bound = (str(bound[0]), int(bound[1]))

    def server_bind(self) -> None:
        """Binds without asking a name server who we are, as the base class does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: _Request, client_address: object) -> None:
        """Hands a connection to a free thread. While none is free the kernel holds the others, and who is too slow is cut."""
        assert isinstance(request, socket.socket)
        while not self._free.acquire(timeout=_LOOK_S):
            self._cut_slow()
        self._open[request] = monotonic()
        self._workers.submit(self._answer, request, client_address)

    def close(self) -> None:
        """Lets go of the address; answers under way go out."""
        self.server_close()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _answer(self, request: socket.socket, client_address: object) -> None:
        try:
            _Handler(request, client_address, self)
        except OSError:
            # The peer has gone, or was cut.
            pass
        except Exception:
            _log.exception("no answer")
        finally:
            del self._open[request]
            self.shutdown_request(request)
            self._free.release()

    def _cut_slow(self) -> None:
        late_s = monotonic() - PEER_TIMEOUT_S
        for request in [request for request, began_s in list(self._open.items()) if began_s < late_s]:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One request and its answer (HTTP/1.0), so that no peer keeps a thread."""

    server: _Server
    server_version = "jedel"
    sys_version = ""
    timeout = PEER_TIMEOUT_S

    def handle(self) -> None:
        """Reads the request and answers it."""
        self.raw_requestline = self.rfile.readline(_LINE_MAX_BYTES)
        if self.raw_requestline and self.parse_request():
            if self.command in ("GET", "HEAD"):
                self._answer()
            else:
                self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: a scrape each fifteen seconds is no news."""

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        judge = self.server.answers.get(path)
        if judge is not None:
            verdict = judge()
            status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, msgspec.json.encode(verdict) + b"\n", "application/json")
        elif path == "/metrics":
            self._send(HTTPStatus.OK, *self.server.render(self.headers.get("Accept", "")))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"/livez, /readyz and /metrics are here\n", "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
