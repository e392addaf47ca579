# SPDX-License-Identifier: Apache-2.0
"""The viewer's door: viser has no access control, so every connection comes through here.

A connection is let in when its Host and Origin are those of the page itself (so that no other web page in
the same browser reaches the buttons: RFC 6455, section 10.2) and, where the viewer listens to other machines,
when it brings the token: once in the address, from then on in a cookie. Behind the door the bytes just pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http
import threading
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from exo_bringup.viewer.access import Access
from exo_core.errors import UserError

#: A request's head is at most this long (bytes), and is all there within this time (s).
LARGEST_HEAD, HEAD_TIMEOUT_S = 32_768, 10.0
CHUNK = 65_536
START_TIMEOUT_S = 5.0
#: Most connections at a time: pages need two or three each.
MOST_CONNECTIONS = 64


@dataclass(frozen=True)
class Request:
    """Head of an HTTP request; header names in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    lines: tuple[str, ...]

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def query_token(self) -> str:
        """Token in the address; empty without one."""
        return parse_qs(urlsplit(self.target).query).get("token", [""])[0]

    def cookie(self, name: str) -> str:
        """Value of a cookie; empty without it."""
        try:
            morsel = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def forwarded(self) -> bytes:
        """The head for viser: one request a connection, so that each one is looked at."""
        kept = [line for line in self.lines if not line.lower().startswith(("connection:", "cookie:"))]
        connection = "Connection: Upgrade" if self.is_websocket else "Connection: close"
        return "\r\n".join([*kept, connection, "", ""]).encode("latin-1")


def parse_head(head: bytes) -> Request:
    """Raises ValueError for what is no request."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError(f"no HTTP/1 request: {first!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or name.lower() in headers:
            raise ValueError(f"a header that is none, or one twice: {line!r}")
        headers[name.lower()] = value.strip()
    return Request(method, target, headers, (first, *lines))


class Gate:
    """Listens on a host and port and passes what it lets in on to viser, in a thread of its own.

    Args:
        access: who may come in, and where to listen. Port 0 takes any free one.
        inner: host and port of viser.

    Raises:
        UserError: the port cannot be had.
    """

    def __init__(self, access: Access, inner: tuple[str, int]):
        self._access, self._inner = access, inner
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="viewer_gate", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_TIMEOUT_S)
        except OSError as error:
            self.close()
            raise UserError(
                f"the viewer cannot listen on {access.host}:{access.port} ({error.strerror}): choose another port"
            ) from error
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening and drop every connection."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT_S)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._access.host, self._access.port, limit=LARGEST_HEAD)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > MOST_CONNECTIONS:
                await _answer(writer, 503, "too many connections")
            else:
                await self._let_in(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass  # gone again
        finally:
            self._open -= 1
            writer.close()

    async def _let_in(self, reader, writer) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT_S)
            request = parse_head(head)
        except (ValueError, asyncio.LimitOverrunError):
            await _answer(writer, 400, "not understood")
            return
        if request.method not in ("GET", "HEAD"):
            await _answer(writer, 405, "only GET")
        elif not self._access.same_site(request.headers.get("host", ""), request.headers.get("origin")):
            await _answer(writer, 403, "this page may not be used from another one, or under this name")
        elif not self._access.token:
            await self._pass(request, reader, writer)
        elif request.query_token:
            if not self._right(request.query_token):
                await _answer(writer, 401, "wrong token")
                return
            cookie = f"{self._cookie_name}={self._access.token}; HttpOnly; SameSite=Lax; Path=/"
            await _answer(writer, 303, "come in", {"Location": "/", "Set-Cookie": cookie})
        elif self._right(request.cookie(self._cookie_name)):
            await self._pass(request, reader, writer)
        else:
            await _answer(writer, 401, "open the address that the viewer printed, with its token")

    @property
    def _cookie_name(self) -> str:
        return f"exo_viewer_{self.port}"  # cookies know hosts, not ports

    def _right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._access.token.encode())

    async def _pass(self, request: Request, reader, writer) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(*self._inner)
        except OSError:
            await _answer(writer, 502, "the viewer is not ready")
            return
        try:
            inner_writer.write(request.forwarded())
            await inner_writer.drain()
            ways = [
                asyncio.create_task(_copy(reader, inner_writer)),
                asyncio.create_task(_copy(inner_reader, writer)),
            ]
            try:
                # a plain request ends when viser has answered, a WebSocket when either side goes
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _answer(writer, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    body = f"{text}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
