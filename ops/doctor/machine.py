"""The machine: descriptors, memory, cores and the kernel's queues, beside what the configuration promises to peers.

Place in the flow: a check of `jedel doctor`. Containers count: what a control group allows is what there is.
Source: proc(5), listen(2), cgroups(7).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops.config import Config
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from ops.rules import descriptors_wanted

MEMORY_MIN_BYTES: Final = 1024**3
"""An empty centre with its libraries takes 200 MB, a city's map as much, and 100,000 open incidents 300 MB."""
BACKLOG: Final = 1024
"""What the listeners ask the kernel to hold of connections that are not accepted yet."""
_CGROUP: Final = Path("/sys/fs/cgroup")
_KERNEL: Final = Path("/proc/sys/net")


async def check(world: World) -> list[Verdict]:
    """Whether the machine is as large as the configuration says."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = [judge_descriptors(soft, hard, descriptors_wanted(world.config.limits))]
    found.append(judge_memory(available_bytes(Path("/proc/meminfo"), _CGROUP), world.config))
    found.append(judge_cores(cores(_CGROUP)))
    found += judge_kernel(_KERNEL, world.config)
    return found


def judge_descriptors(soft: int, hard: int, wanted: int) -> Verdict:
    """Whether every connection that is allowed finds a file descriptor."""
    may = hard if hard != resource.RLIM_INFINITY else wanted
    if may < wanted:
        return fault(
            f"at most {may} file descriptors; section limits allows connections that need {wanted}",
            f"LimitNOFILE={wanted} in the service's unit, or ulimit -Hn {wanted}; or lower limits.connections_max",
        )
    return ok(
        f"file descriptors: {wanted} wanted, {'any number' if hard == resource.RLIM_INFINITY else hard} allowed (now {soft})"
    )


def available_bytes(meminfo: Path, cgroup: Path) -> int | None:
    """Memory that can still be had: the machine's, or what the control group leaves; None where neither says."""
    found = [int(line.split()[1]) * 1024 for line in _lines(meminfo) if line.startswith("MemAvailable:")]
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    if limit is not None and used is not None:
        found.append(max(0, limit - used))
    return min(found, default=None)


def judge_memory(available: int | None, config: Config) -> Verdict:
    """Whether the memory is enough for what may wait in the inlet."""
    if available is None:
        return ok("how much memory there is cannot be seen here")
    wanted = MEMORY_MIN_BYTES + config.limits.inlet_bytes
    text = f"{available / 1024**3:.1f} GiB of memory available"
    if available < wanted:
        return warning(
            f"{text}; a full inlet (limits.inlet_bytes) and a small centre take {wanted / 1024**3:.1f} GiB",
            "more memory (MemoryMax= of the unit), or lower limits.inlet_bytes",
        )
    return ok(text)


def cores(cgroup: Path) -> float:
    """Cores that this process may use: those of its affinity, or the share its control group has."""
    own = float(len(os.sched_getaffinity(0)))
    quota, _, period = next(iter(_lines(cgroup / "cpu.max")), "max 100000").partition(" ")
    return own if quota == "max" else min(own, int(quota) / int(period))


def judge_cores(count: float) -> Verdict:
    """Whether deciding and PostgreSQL have a core each."""
    if count < 2:
        return warning(
            f"{count:g} cores: deciding and PostgreSQL take turns on one", "give the machine or the container two cores or more"
        )
    return ok(f"{count:g} cores: one decides, PostgreSQL has the others")


def judge_kernel(net: Path, config: Config) -> Iterator[Verdict]:
    """Whether the kernel holds as many new connections as the listeners ask for, when everybody connects again at once."""
    for name, wanted in (("core/somaxconn", BACKLOG), ("ipv4/tcp_max_syn_backlog", BACKLOG)):
        allowed = _number(net / name)
        key = f"net.{name.replace('/', '.')}"
        if allowed is not None and allowed < min(wanted, config.limits.connections_max):
            yield warning(
                f"{key} = {allowed}: when everybody connects again at once, some are turned away",
                f"sysctl -w {key}={wanted}, and into /etc/sysctl.d",
            )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _number(file: Path) -> int | None:
    text = next(iter(_lines(file)), "")
    return int(text) if text.isdigit() else None
