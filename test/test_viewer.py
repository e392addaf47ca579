# SPDX-License-Identifier: Apache-2.0
"""The viewer in a real browser, on a real graph: the person moves, stop latches, and it is there again.

Chromium draws in software here, which takes seconds a picture on a busy machine: nothing is timed. The graph
walks in lockstep, a busy machine is only slower. Screenshots are kept in runs/viewer_test.
"""

import io
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("viser", reason="needs viser")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

from PIL import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from exo_bringup.graph import NodeSpec
from exo_bringup.processes import child_environment, executable_path
from exo_bringup.topics import VIEWER_ADDRESS
from exo_bringup.viewer.access import link_file
from exo_core.ros import LATCHED
from exo_msgs.msg import DeviceStatus, HumanState

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")
SCREENSHOTS = Path(__file__).resolve().parents[1] / "runs" / "viewer_test"
#: No connection beyond this machine, and WebGL without a GPU.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
)
#: A small page at half its pixels: software draws it in a fraction of the time.
VIEWPORT, HALF_PIXELS = {"width": 900, "height": 560}, "?fixedDpr=0.5"
#: The page draws this often in the tests (Hz): more would keep a busy machine from everything else.
FRAME_RATE_HZ = 2.0
BROWSER_TIMEOUT_MS = 60_000
#: The scene between the panels, as shares of the page's width.
SCENE = (0.42, 0.62)


class Viewer:
    """A viewer process beside a graph, and its address."""

    def __init__(self, graph, domain, name="viewer_node"):
        self.graph, self.name = graph, name
        self.addresses = []
        graph.node.create_subscription(
            String, VIEWER_ADDRESS, lambda message: self.addresses.append(message.data), LATCHED
        )
        spec = NodeSpec(
            "exo_bringup",
            "viewer_node",
            name,
            graph.options.namespace,
            parameters={"port": 0, "frame_rate_hz": FRAME_RATE_HZ},
        )
        overrides = graph.folder / f"{name}.yaml"
        overrides.write_text(spec.parameter_yaml())
        graph.children.start(
            name,
            spec.command_line(executable_path("exo_bringup", "viewer_node"), overrides),
            child_environment(ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(graph.folder)),
        )
        graph.wait_until(lambda: self.addresses, "the viewer's address")

    @property
    def link(self):
        """The address with its token, from the file that is readable by who started the viewer alone."""
        return link_file(urlsplit(self.addresses[-1]).port).read_text().strip()


@pytest.fixture(scope="module")
def walking_graph(ros, domain, tmp_path_factory):
    """A graph with a viewer; the walk stands still except where a test lets it go on."""
    graph = ros.Graph(
        tmp_path_factory.mktemp("viewer"), domain, namespace="watched", mode="lockstep", start_paused=True
    )
    graph.ready()
    graph.viewer = Viewer(graph, domain)
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=BROWSER_TIMEOUT_MS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(walking_graph, browser):
    """The viewer's page, loaded, with the warning about software drawing out of the way."""
    opened = browser.new_page(viewport=VIEWPORT)
    opened.set_default_timeout(BROWSER_TIMEOUT_MS)
    opened.goto(walking_graph.viewer.link)  # leads to the page, which a cookie opens from now on
    opened.goto(walking_graph.viewer.addresses[-1] + HALF_PIXELS)
    opened.wait_for_selector("canvas")
    opened.get_by_role("button", name="STOP").wait_for()
    opened.wait_for_function("window.__viserTestpoints?.rendererInfo?.render.triangles > 10000")
    for close in opened.locator(".mantine-Notification-closeButton").all():
        close.click()
    yield opened
    opened.close()


def step(graph, duration_s):
    """Let the person walk this long (s, simulated), and stand still again."""
    until = graph.time_s + duration_s
    graph.set_simulator(run_until_s=until)
    graph.call(graph.pause, SetBool.Request(data=False))
    states = graph.messages["human/state"]
    graph.wait_until(lambda: states[-1].paused and graph.time_s >= until - 0.02, "a step")


def picture(page, name):
    """Screenshot as an array (height, width, 3), kept as a file."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    data = page.screenshot(timeout=BROWSER_TIMEOUT_MS)
    (SCREENSHOTS / f"{name}.png").write_bytes(data)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def scene(image):
    width = image.shape[1]
    return image[:, int(SCENE[0] * width) : int(SCENE[1] * width)]


def changed(first, second):
    """Share of the scene's pixels that are clearly different."""
    return (np.abs(scene(second) - scene(first)).max(axis=2) > 40).mean()


def shown_time_s(page):
    """Simulated time in the page's status line."""
    found = re.search(r"([\d.]+) s, ", page.locator("body").inner_text())
    return float(found.group(1)) if found else -1.0


def wait_for_time(graph, page):
    """Until the page shows the present simulated time, and a picture more."""
    graph.wait_until(lambda: abs(shown_time_s(page) - graph.time_s) < 0.11, "the present time on the page")
    page.wait_for_timeout(2_000 / FRAME_RATE_HZ)


@needs_chromium
def test_the_person_moves_on_the_page(walking_graph, page):
    step(walking_graph, 0.3)
    wait_for_time(walking_graph, page)
    first = picture(page, "1_walking")
    # muscles and bones are there: the scene is no plain background
    assert scene(first).std() > 8.0
    step(walking_graph, 0.4)
    wait_for_time(walking_graph, page)
    deadline = time.monotonic() + BROWSER_TIMEOUT_MS / 1e3
    while changed(first, picture(page, "2_walking_on")) < 0.01:  # drawing in software takes its time
        assert time.monotonic() < deadline, "the person stands where it stood"


@needs_chromium
def test_stop_is_large_and_red_and_the_device_latches(walking_graph, page):
    graph = walking_graph
    graph.call(graph.pause, SetBool.Request(data=False))
    graph.set_simulator(run_until_s=0.0)
    graph.activate()
    button = page.get_by_role("button", name="STOP")
    box = button.bounding_box()
    assert box["height"] >= 50 and box["width"] >= 150
    colour = button.evaluate("element => getComputedStyle(element).backgroundColor")
    red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
    assert red > 150 and green < 60 and blue < 60
    button.click()
    graph.wait_until(lambda: graph.status.mode == DeviceStatus.FAULT, "the stopped device")
    assert "USER_STOP" in graph.status.fault_names
    page.get_by_text("FAULT", exact=True).wait_for()
    graph.call(graph.pause, SetBool.Request(data=True))
    picture(page, "3_stopped")
    assert not graph.call(graph.arm, Trigger.Request()).success, "it latches"


@needs_chromium
def test_disarm_arm_and_the_walk_from_the_page(walking_graph, page):
    graph = walking_graph
    page.get_by_role("button", name="Disarm").click()
    graph.wait_until(lambda: graph.status.mode == DeviceStatus.DISARMED, "the disarmed device")
    page.get_by_role("button", name="pause", exact=True).click()
    graph.wait_until(lambda: graph.messages["human/state"][-1].paused, "a walk that stands still")
    page.get_by_role("button", name="run", exact=True).click()
    graph.wait_until(lambda: not graph.messages["human/state"][-1].paused, "a walk that goes on")
    speed = page.get_by_role("textbox").filter(visible=True)
    fields = [field for field in speed.all() if field.input_value() == "1.25"]
    assert len(fields) == 1, "the speed's field"
    fields[0].fill("1.1")
    fields[0].press("Enter")
    graph.wait_until(lambda: abs(graph.messages["human/state"][-1].commanded_speed - 1.1) < 1e-6, "the speed asked for")


@needs_chromium
def test_a_graph_that_comes_back_is_shown_again(walking_graph, page, domain):
    graph = walking_graph
    children = graph.children
    names = [name for name in children.names() if name != graph.viewer.name]
    children.stop(names)
    page.get_by_text("waiting for the graph").wait_for()
    graph.messages["human/state"].clear()
    from exo_bringup.graph import describe_graph

    for spec in describe_graph(graph.options):
        children.start(
            spec.name,
            spec.command_line(executable_path(spec.package, spec.executable), graph.folder / f"{spec.name}.yaml"),
            child_environment(ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(graph.folder)),
        )
    graph.wait_until(lambda: graph.messages["human/state"], "the graph that comes back")
    page.get_by_text(", paused,").wait_for()
    picture(page, "4_back_again")
    assert isinstance(graph.messages["human/state"][-1], HumanState)


def test_slow_motion_slows_simulated_time(make_graph):
    graph = make_graph(mode="realtime").ready()
    graph.set_simulator(pace=0.1)
    graph.walk(0.05)

    began, at = time.monotonic(), graph.time_s
    graph.walk(0.2)
    # a busy machine is slower still, never quicker; the first period may have begun before
    assert time.monotonic() - began >= (graph.time_s - at) / 0.1 - 0.5
