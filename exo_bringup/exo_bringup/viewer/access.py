# SPDX-License-Identifier: Apache-2.0
"""Who may open the page: everybody on this machine, or who has the token."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from exo_core.errors import UserError

#: Environment variable with a token of one's own; a parameter would be readable by every node.
TOKEN_VARIABLE = "EXO_VIEWER_TOKEN"
#: Characters of a token that fit into an address and a cookie, and its least length: 96 bits if random.
TOKEN_PATTERN, NEW_TOKEN_BYTES = re.compile(r"[A-Za-z0-9_-]{16,128}"), 18
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """Where to listen, and the token that is asked for; empty for none."""

    host: str
    port: int
    token: str

    def same_site(self, host: str, origin: str | None) -> bool:
        """Whether a request is for this page and not from another site's.

        Args:
            host: Host header. Without a token it must be a name of this machine: a foreign name that leads
                here is another site's (DNS rebinding).
            origin: Origin header; None where there is none, as from programs.
        """
        if not self.token and _host_name(host) not in LOCAL_NAMES:
            return False
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()

    def address(self, port: int) -> str:
        """What to open in a browser."""
        name = "localhost" if is_local(self.host) else self.host
        if name in ("0.0.0.0", "::"):
            name = os.uname().nodename
        if ":" in name:
            name = f"[{name}]"
        return f"http://{name}:{port}/" + (f"?token={self.token}" if self.token else "")


def make_access(host: str, port: int, environment: dict[str, str] | None = None) -> Access:
    """Access for a host and port: only other machines need a token, one from the environment or a new one.

    Raises:
        UserError: a port out of range, or a token that cannot be used.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"the viewer's port must be 0 to 65535, got {port}")
    token = (os.environ if environment is None else environment).get(TOKEN_VARIABLE, "")
    if token and not TOKEN_PATTERN.fullmatch(token):
        raise UserError(
            f"{TOKEN_VARIABLE} must be 16 to 128 letters, digits, - and _: make one with "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(18))'"
        )
    if not token and not is_local(host):
        token = secrets.token_urlsafe(NEW_TOKEN_BYTES)
    return Access(host, port, token)


def is_local(host: str) -> bool:
    """Whether only this machine reaches a host that is listened on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hidden_host() -> str:
    """A loopback address that nobody guesses, for viser behind the gate: pages of other sites, which run in
    the same browser, know 127.0.0.1, but not this one."""
    return "127." + ".".join(str(1 + secrets.randbelow(254)) for _ in range(3))


def _host_name(host: str) -> str:
    """Host header without its port."""
    return (urlsplit(f"//{host}").hostname or "").lower()
