# SPDX-License-Identifier: Apache-2.0
"""The door of the viewer: who is let in, and what gets through."""

import asyncio
import socket
import threading

import pytest

from exo_bringup.viewer.access import Access, hidden_host, is_local, make_access
from exo_bringup.viewer.gate import Gate, parse_head
from exo_core.errors import UserError

TOKEN = "a-token-of-sixteen-or-more"


class Inner:
    """Stands for viser: answers a plain request and echoes after a WebSocket's."""

    def __init__(self):
        self.heads = []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, "127.0.0.1", 0), self.loop)
        self.server = future.result(10)
        self.address = self.server.sockets[0].getsockname()[:2]

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        if b"websocket" in head:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            while data := await reader.read(1000):
                writer.write(data.upper())
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
        writer.close()

    def close(self):
        async def end():
            self.server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture
def inner():
    server = Inner()
    yield server
    server.close()


@pytest.fixture
def make_gate(inner):
    gates = []

    def make(token=""):
        gates.append(Gate(Access("127.0.0.1", 0, token), inner.address))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


def connect(gate):
    connection = socket.create_connection(("127.0.0.1", gate.port), timeout=20)
    return connection


def ask(gate, target="/", method="GET", **headers):
    """Status and text of the answer."""
    headers = {"Host": f"localhost:{gate.port}", **headers}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    with connect(gate) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while data := connection.recv(10_000):
            answer += data
    return int(answer.split()[1]), answer.decode()


def upgrade(origin):
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": origin}


def test_this_machine_gets_the_page_and_every_request_is_looked_at(make_gate, inner):
    status, text = ask(make_gate())
    assert status == 200 and text.endswith("page")
    assert "Connection: close" in inner.heads[0]


def test_a_websocket_passes_both_ways(make_gate, inner):
    gate = make_gate()
    host = f"localhost:{gate.port}"
    with connect(gate) as connection:
        headers = {"Host": host, **upgrade(f"http://{host}")}
        lines = ["GET / HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 101")
        for text in (b"stop", b"arm" * 100_000):
            connection.sendall(text)
            got = b""
            while len(got) < len(text):
                got += connection.recv(100_000)
            assert got == text.upper()
    assert "Connection: Upgrade" in inner.heads[0]


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null"])
def test_another_site_in_the_same_browser_does_not_reach_the_buttons(make_gate, inner, origin):
    assert ask(make_gate(), **upgrade(origin))[0] == 403
    assert not inner.heads


def test_a_foreign_name_that_leads_here_is_refused(make_gate, inner):
    assert ask(make_gate(), Host="evil.example:80")[0] == 403
    assert not inner.heads


def test_a_token_opens_once_and_a_cookie_from_then_on(make_gate, inner):
    gate = make_gate(TOKEN)
    assert ask(gate)[0] == 401
    assert ask(gate, **upgrade(f"http://localhost:{gate.port}"))[0] == 401
    assert ask(gate, target="/?token=a-token-of-sixteen-or-mora")[0] == 401
    assert not inner.heads
    status, text = ask(gate, target=f"/?token={TOKEN}")
    assert status == 303 and "Location: /\r\n" in text and "HttpOnly" in text and "SameSite=Lax" in text
    cookie = text.split("Set-Cookie: ")[1].split(";")[0]
    assert ask(gate, Cookie=f"other=1; {cookie}")[0] == 200
    assert ask(gate, Cookie=cookie.replace(TOKEN, "x" * len(TOKEN)))[0] == 401
    assert TOKEN not in inner.heads[0], "viser has no use for the token"


@pytest.mark.parametrize(
    "head", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET x HTTP/1.1\r\n\r\n"]
)
def test_nonsense_is_refused(make_gate, inner, head):
    with pytest.raises(ValueError):
        parse_head(head)
    with connect(make_gate()) as connection:
        connection.sendall(head)
        assert b" 400 " in connection.recv(1000)
    assert not inner.heads


def test_only_get(make_gate, inner):
    assert ask(make_gate(), method="POST")[0] == 405
    assert not inner.heads


def test_a_port_that_is_taken_is_one_clear_line(make_gate, inner):
    with pytest.raises(UserError, match="choose another port"):
        Gate(Access("127.0.0.1", make_gate().port, ""), inner.address)


def test_other_machines_need_a_token_and_this_one_does_not():
    assert make_access("127.0.0.1", 8080, {}).token == ""
    assert make_access("localhost", 8080, {}).address(8081) == "http://localhost:8081/"
    opened = make_access("0.0.0.0", 8080, {})
    assert len(opened.token) >= 20 and opened.address(8080).endswith(f":8080/?token={opened.token}")
    assert make_access("0.0.0.0", 8080, {}).token != opened.token
    assert make_access("::1", 0, {"EXO_VIEWER_TOKEN": TOKEN}).token == TOKEN
    with pytest.raises(UserError, match="EXO_VIEWER_TOKEN"):
        make_access("0.0.0.0", 8080, {"EXO_VIEWER_TOKEN": "short"})
    with pytest.raises(UserError, match="65535"):
        make_access("127.0.0.1", 70_000, {})
    assert is_local("127.3.4.5") and not is_local("192.168.1.2") and not is_local("robot.local")


def test_viser_hides_behind_an_address_that_is_new_each_time():
    hosts = {hidden_host() for _ in range(20)}
    assert len(hosts) == 20 and all(is_local(host) for host in hosts)
