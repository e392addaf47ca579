# SPDX-License-Identifier: Apache-2.0
"""Who may open the page: who brings the token, and no other web page of the same browser.

The page has buttons that arm a device, and viser serves everybody. It serves with the library websockets, which parses
HTTP and asks `process_request` about every request; guarded() puts the question of this file before viser's own. On
this machine too a token is asked for: 127.0.0.1 belongs to all of its users. The token comes once in the address, from
then on in a cookie. Browsers send that cookie for whichever page asks, so the Origin must be the page's own as well
(cross-site WebSockets: RFC 6455, section 10.2).
"""

from __future__ import annotations

import contextlib
import hmac
import http
import ipaddress
import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from exo_core.errors import UserError
from exo_core.files import runtime_folder

#: Environment variable with a token of one's own; a parameter would be readable by every node.
TOKEN_VARIABLE = "EXO_VIEWER_TOKEN"
#: Characters of a token that fit into an address and a cookie, and its least length: 96 bits if random.
TOKEN_PATTERN, NEW_TOKEN_BYTES = re.compile(r"[A-Za-z0-9_-]{16,128}"), 18
#: A port that is taken is passed over, for this many in all: another graph may run on this machine.
PORTS_TRIED = 10
#: Connections that have not asked for anything yet; one more, and the oldest of them has to go. Browsers ask at once.
MOST_SILENT = 64
_serve = websockets.asyncio.server.serve


@dataclass(frozen=True)
class Access:
    """Where to listen, and the token that is asked for."""

    host: str
    port: int
    token: str

    def address(self, port: int) -> str:
        """What to open in a browser that has the cookie; may be published."""
        name = "localhost" if is_local(self.host) else self.host
        if name in ("0.0.0.0", "::"):
            name = os.uname().nodename
        if ":" in name:
            name = f"[{name}]"
        return f"http://{name}:{port}/"

    def link(self, port: int) -> str:
        """The address with the token: whoever has it presses the buttons. For the person who started it alone."""
        return f"{self.address(port)}?token={self.token}"


def make_access(host: str, port: int, environment: dict[str, str] | None = None) -> Access:
    """Access for a host and port with the environment's token, else a new one.

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
    return Access(host, port, token or secrets.token_urlsafe(NEW_TOKEN_BYTES))


def is_local(host: str) -> bool:
    """Whether only this machine reaches a host that is listened on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def link_file(port: int | str) -> Path:
    """Where a viewer on this port leaves its address with the token, readable by its user alone. Raises UserError."""
    return runtime_folder() / f"viewer-{port}.url"


def free_port(host: str, port: int) -> int:
    """The first port from this one on that can be had; 0 stays 0. Raises UserError when none of PORTS_TRIED can."""
    problem = ""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)) if port else (0,):
        try:
            with socket.create_server((host, candidate), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return candidate
        except OSError as error:
            problem = problem or error.strerror or str(error)
    raise UserError(f"the viewer cannot listen on {host}:{port} ({problem}): choose another host or port")


@contextlib.contextmanager
def guarded(access: Access) -> Iterator[Guard]:
    """Within the block every server of the library websockets, viser's among them, asks a guard first.

    Raises:
        RuntimeError: no server was started this way; who serves otherwise would serve everybody.
    """
    guard, before = Guard(access), websockets.asyncio.server.serve
    websockets.asyncio.server.serve = guard.serve
    try:
        yield guard
    finally:
        websockets.asyncio.server.serve = before
    if not guard.serves:
        raise RuntimeError("viser no longer serves by websockets.asyncio.server.serve: nobody would watch its door")


class Guard:
    """Answers the requests that may not come in, and lets go of connections that ask for nothing."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._silent: dict[ServerConnection, None] = {}
        self.serves = False
        # refused and broken requests are no matter for the log: anybody could fill it
        self._logger = logging.getLogger("exo_gait.viewer")
        self._logger.setLevel(logging.CRITICAL)

    def serve(self, handler, *where, process_request=None, **options):
        """As websockets.asyncio.server.serve, with the guard's question before process_request."""
        self.serves = True
        guard = self

        class Connection(ServerConnection):
            def connection_made(self, transport):
                super().connection_made(transport)
                guard._came(self)

            def connection_lost(self, exc):
                guard._silent.pop(self, None)
                super().connection_lost(exc)

        def ask(connection, request):
            guard._silent.pop(connection, None)
            refused = guard.answer(connection, request)
            if refused is not None or process_request is None:
                return refused
            return process_request(connection, request)

        options.update(create_connection=Connection, logger=self._logger)
        # the name is this method's while viser starts; the class is what it was
        return _serve(handler, *where, process_request=ask, **options)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request that may not come in, or that brings the token; None for one that may."""
        hosts, origins = (request.headers.get_all(name) for name in ("Host", "Origin"))
        if len(hosts) != 1 or len(origins) > 1:
            return connection.respond(http.HTTPStatus.BAD_REQUEST, "one Host, and at most one Origin\n")
        own = [f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")]
        if origins and origins[0].lower() not in own:
            return connection.respond(http.HTTPStatus.FORBIDDEN, "this page may not be used from another one\n")
        cookie = f"exo_viewer_{connection.local_address[1]}"  # cookies know hosts, not ports
        given = parse_qs(request.path.partition("?")[2]).get("token", [""])[0]
        if given and self._right(given):
            response = connection.respond(http.HTTPStatus.SEE_OTHER, "come in\n")
            response.headers["Location"] = "/"
            response.headers["Set-Cookie"] = f"{cookie}={self._access.token}; HttpOnly; SameSite=Lax; Path=/"
        elif not given and any(self._right(text) for text in _cookies(request, cookie)):
            return None
        else:
            told = (
                "wrong token\n" if given else "open the address with the token that the viewer gave to who started it\n"
            )
            response = connection.respond(http.HTTPStatus.UNAUTHORIZED, told)
        response.headers["Cache-Control"] = "no-store"
        return response

    def _came(self, connection: ServerConnection) -> None:
        while len(self._silent) >= MOST_SILENT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
        self._silent[connection] = None

    def _right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self._access.token.encode())


def _cookies(request: Request, name: str) -> Iterator[str]:
    for header in request.headers.get_all("Cookie"):
        try:
            morsel = SimpleCookie(header).get(name)
        except CookieError:
            continue
        if morsel is not None:
            yield morsel.value
