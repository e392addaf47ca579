# SPDX-License-Identifier: Apache-2.0
"""The door of the viewer: who is let in, and what the library that parses the requests does with bad ones."""

import asyncio
import http
import io
import socket
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("viser", reason="needs viser, whose server is guarded")

import websockets.asyncio.server  # noqa: E402
from rich.console import Console  # noqa: E402
from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from exo_bringup.viewer.access import MOST_SILENT, free_port, guarded, is_local, make_access  # noqa: E402
from exo_core.errors import UserError  # noqa: E402

TOKEN = "a-token-of-sixteen-or-more"
BROKEN = [
    "nonsense\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET //[x HTTP/1.1\r\nHost: [x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://[x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n",
    "GET /?token=%ff%00&token=[ HTTP/1.1\r\nHost: a\r\nCookie: exo_viewer_1=\x01; =;\r\n\r\n",
    "GET / HTTP/1.1\r\n" + "X: y\r\n" * 1000 + "\r\n",
    "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: a\r\n\r\n",
]


class Server:
    """Stands for viser: a server of the same library, with a page for plain requests and an echo for WebSockets."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.came = []
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        with guarded(make_access("127.0.0.1", 0, {"EXO_VIEWER_TOKEN": TOKEN})):
            self.server = asyncio.run_coroutine_threadsafe(self.start(), self.loop).result(20)
        self.port = self.server.sockets[0].getsockname()[1]
        self.host = f"localhost:{self.port}"
        self.cookie = f"exo_viewer_{self.port}={TOKEN}"

    async def start(self):
        return await websockets.asyncio.server.serve(self.echo, "127.0.0.1", 0, process_request=self.page)

    def page(self, connection, request):
        self.came.append(request.path)
        return None if request.headers.get("Upgrade") else connection.respond(http.HTTPStatus.OK, "page")

    async def echo(self, connection):
        async for message in connection:
            await connection.send(message.upper())

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, text):
        with self.socket() as connection:
            connection.sendall(text.encode("latin-1"))
            answer = b""
            try:
                while data := connection.recv(10_000):
                    answer += data
            except ConnectionError:  # cut off in the middle of a request that was too large
                pass
        return answer.decode()

    def ask(self, target="/", **headers):
        """Status and text of the answer."""
        lines = [f"GET {target} HTTP/1.1", *(f"{k}: {v}" for k, v in {"Host": self.host, **headers}.items())]
        answer = self.raw("\r\n".join([*lines, "", ""]))
        return int(answer.split()[1]), answer

    def browser(self, origin, cookie):
        headers = {"Cookie": cookie} if cookie else {}
        return connect(f"ws://{self.host}/", origin=origin, additional_headers=headers, compression=None)

    def close(self):
        async def end():
            self.server.close()
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture
def server():
    opened = Server()
    yield opened
    opened.close()


def test_a_token_opens_once_and_a_cookie_from_then_on(server):
    """On this machine too: 127.0.0.1 is everybody's who is logged in."""
    assert server.ask()[0] == 401
    assert server.ask("/?token=a-token-of-sixteen-or-mora")[0] == 401
    assert server.ask("/?token=a-token-of-sixteen-or-mora", Cookie=server.cookie)[0] == 401
    assert not server.came
    status, text = server.ask(f"/?token={TOKEN}")
    assert status == 303 and "Location: /\r\n" in text and "HttpOnly" in text and "SameSite=Lax" in text
    assert "Cache-Control: no-store" in text and not server.came
    cookie = text.split("Set-Cookie: ")[1].split(";")[0]
    assert server.ask(Cookie=f"other=1; {cookie}")[1].endswith("page")
    assert server.ask(Cookie=cookie.replace(TOKEN, "x" * len(TOKEN)))[0] == 401


def test_the_page_itself_reaches_the_buttons(server):
    with server.browser(f"http://{server.host}", server.cookie) as browser:
        browser.send("stop")
        assert browser.recv(20) == "STOP"


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null", "http://[x", ""])
def test_another_site_in_the_same_browser_does_not_even_with_its_cookie(server, origin):
    with pytest.raises(InvalidStatus) as refused, server.browser(origin, server.cookie):
        pass
    assert refused.value.response.status_code == 403 and not server.came


def test_a_program_of_another_user_of_this_machine_does_not_without_the_token(server):
    with pytest.raises(InvalidStatus) as refused, server.browser(None, ""):
        pass
    assert refused.value.response.status_code == 401 and not server.came


@pytest.mark.parametrize("text", BROKEN)
def test_nonsense_is_refused_without_a_word_in_the_log(server, text, capfd, caplog):
    answer = server.raw(text)
    assert not answer or answer.split()[1] in ("400", "401", "403", "414", "431", "500")
    assert " 500 " not in answer.split("\r\n")[0]
    assert not server.came and server.ask(Cookie=server.cookie)[0] == 200
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_those_who_connect_and_say_nothing_lock_nobody_out(server):
    silent = [server.socket() for _ in range(2 * MOST_SILENT)]
    try:
        assert server.ask(Cookie=server.cookie)[0] == 200
        assert silent[0].recv(10) == b"", "the oldest had to go"
    except ConnectionResetError:
        pass  # the same
    finally:
        for connection in silent:
            connection.close()


def test_a_viewer_whose_server_nobody_guards_is_an_error():
    with pytest.raises(RuntimeError, match="nobody would watch"), guarded(make_access("127.0.0.1", 0, {})):
        pass


def test_a_port_that_is_taken_is_passed_over_and_a_host_that_is_not_ours_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) < port + 10
    with pytest.raises(UserError, match="choose another host or port"):
        free_port("192.0.2.1", 8080)  # of RFC 5737: nobody's


def test_the_token_is_new_each_time_or_from_the_environment_and_never_in_the_address():
    opened = make_access("0.0.0.0", 8080, {})
    assert len(opened.token) >= 20 and opened.link(8080) == f"{opened.address(8080)}?token={opened.token}"
    assert opened.token not in opened.address(8080)
    assert make_access("127.0.0.1", 8080, {}).token not in ("", opened.token)
    assert make_access("localhost", 8080, {}).address(8081) == "http://localhost:8081/"
    assert make_access("::1", 0, {"EXO_VIEWER_TOKEN": TOKEN}).token == TOKEN
    with pytest.raises(UserError, match="EXO_VIEWER_TOKEN"):
        make_access("0.0.0.0", 8080, {"EXO_VIEWER_TOKEN": "short"})
    with pytest.raises(UserError, match="65535"):
        make_access("127.0.0.1", 70_000, {})
    assert is_local("127.3.4.5") and not is_local("192.168.1.2") and not is_local("robot.local")


def test_the_token_is_on_no_topic_in_no_log_and_on_no_output_but_a_terminal(tmp_path, monkeypatch, capfd):
    rclpy = pytest.importorskip("rclpy")
    from std_msgs.msg import String

    from exo_bringup.live_table import Display
    from exo_bringup.run_options import RunOptions
    from exo_bringup.viewer import application
    from exo_bringup.viewer_node import ViewerNode
    from exo_core.ros import LATCHED

    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    access = make_access("127.0.0.1", 0, {})
    page = SimpleNamespace(port=8123, address=access.address(8123), link=access.link(8123))
    made = SimpleNamespace(page=page, close=lambda: None)
    monkeypatch.setattr(application, "Application", lambda *_: made)
    console = Console(file=io.StringIO(), force_terminal=True, width=20)
    rclpy.init(domain_id=97)
    try:
        viewer, listener, heard = ViewerNode(), rclpy.create_node("listener"), []
        listener.create_subscription(String, "viewer/address", lambda message: heard.append(message.data), LATCHED)
        deadline = time.monotonic() + 20.0
        while not heard and time.monotonic() < deadline:
            rclpy.spin_once(listener, timeout_sec=0.1)
        left = tmp_path / "exo_gait" / "viewer-8123.url"
        assert heard == [page.address] and left.read_text().strip() == page.link
        assert left.stat().st_mode & 0o077 == 0
        Display(RunOptions(quiet=True)).announce_viewer(heard[0])
        output = "".join(capfd.readouterr())
        assert page.address in output and str(left) in output and access.token not in output
        Display(RunOptions(quiet=True), console).announce_viewer(heard[0])
        assert page.link in console.file.getvalue(), "whole, whatever the width of the terminal"
        Display(RunOptions(quiet=True), console).announce_viewer("http://evil.example/\x1b[2J\nforged")
        assert "\x1b[2J" not in console.file.getvalue() and "\nforged" not in console.file.getvalue()
        viewer.close()
        assert not left.exists()
    finally:
        rclpy.shutdown()
