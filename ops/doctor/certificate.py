"""The listeners' certificate: readable, with its own key, valid for some time yet, and for the name that peers connect to.

Place in the flow: a check of `jedel doctor`, on what `ops.certificates` has the certificate say. Whether peers know who signed
it is theirs to say. Source: RFC 5280 (4.1.2.5 validity), RFC 6125 (names).
"""

from __future__ import annotations

import ssl
from typing import Final

from core.instant import SECOND_US
from ops.certificates import Shown, shown_by, tls_context
from ops.config import Listen, split_address
from ops.doctor.settings import addresses, is_unspecified
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from ops.layers import ConfigError

SOON_DAYS: Final = 30
"""A certificate from whoever needs papers for it is ordered so long before."""
_DAY_US: Final = 86_400 * SECOND_US
_EXPIRED: Final = 10
_NOT_YET: Final = 9
"""X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL."""
_ORDER: Final = "order a new one, put it in its place, and restart (with a standby: no break)"


async def check(world: World) -> list[Verdict]:
    """The certificate as peers will see it."""
    listen = world.config.listen
    if not listen.tls_certificate:
        return [ok("listen.tls_certificate is not set: connections are plain")]
    try:
        context = tls_context(listen)
    except ConfigError as error:
        remedy = f"openssl x509 -noout -subject -in {listen.tls_certificate}; the key must be the certificate's, both PEM"
        return [fault(line, remedy) for line in error.lines]
    assert context is not None
    try:
        shown = shown_by(context, listen.tls_certificate)
    except ssl.SSLCertVerificationError as error:
        when = {_EXPIRED: "has expired", _NOT_YET: "is not valid yet"}.get(error.verify_code, error.verify_message)
        return [fault(f"{listen.tls_certificate}: {when}", _ORDER)]
    return [judge_until(listen.tls_certificate, shown, world.now_us()), *judge_names(listen, shown.names)]


def judge_until(file: str, shown: Shown, now_us: int) -> Verdict:
    """For how long a valid certificate is still valid."""
    days = (shown.until_us - now_us) // _DAY_US
    if days < 0:
        return fault(f"{file}: has expired", _ORDER)
    if days < SOON_DAYS:
        return warning(f"{file}: expires in {days} days", _ORDER)
    return ok(f"{file}: valid for {days} more days, with its key")


def judge_names(listen: Listen, names: tuple[str, ...]) -> list[Verdict]:
    """Whether it is for the names that peers can be expected to connect to."""
    if not names:
        return [
            warning(
                "the certificate names no host (subjectAltName), and clients refuse it",
                "order one with the names that peers connect to",
            )
        ]
    found: list[Verdict] = []
    for key, address in addresses(listen).items():
        host = split_address(address)[0]
        if key != "health" and not is_unspecified(host) and not any(_covers(name, host) for name in names):
            found.append(
                warning(
                    f"listen.{key} is at {host}, and the certificate is for {', '.join(names)}",
                    "peers must connect by one of its names, or order one for this name too",
                )
            )
    return found or [ok(f"peers connect by {', '.join(names)}")]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == host.lower()
