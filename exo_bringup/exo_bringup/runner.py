# SPDX-License-Identifier: Apache-2.0
"""Starts the graph as processes, leads it through a run, and stops it: what `exo sim`, `exo graph` and `exo view` do."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from exo_bringup.graph import RECORDER, GraphOptions, NodeSpec, describe_graph, describe_hardware
from exo_bringup.live_table import Display
from exo_bringup.processes import Children, GraphLock, child_environment, executable_path, in_use_message, ros_domain_id
from exo_bringup.run_options import FADE_S, Phase, RunOptions
from exo_bringup.telemetry import ACTIVE_MODE, FAULT_MODE, Telemetry
from exo_core.errors import UserError
from exo_device.devices import device_file
from exo_lab.run_folder import RunFolder

SIMULATOR = "simulator_node"
#: Between two looks at messages (s): a pause between two phases costs two or three of them.
TICK_S = 0.03
#: Between two looks at the children and their logs (s).
CHILDREN_PERIOD_S = 0.25
#: Python, MuJoCo and numba on a busy machine, the first time with cold caches (s).
START_TIMEOUT_S = 90.0
#: A node answers a service from its executor, which may be in the middle of loading something (s).
CALL_TIMEOUT_S = 20.0
#: Nodes on this machine are discovered within a few tenths of a second, if it is not busy (s).
DISCOVERY_S = 1.0
#: A simulation that stands still this long (wall time, s) has lost its device or policy.
STALL_TIMEOUT_S = 30.0
#: run_until_s may fall between two control steps of the simulator (s).
TIME_TOLERANCE_S = 0.015


class Interrupted(Exception):
    """A signal asked for the end of the run."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class GraphSession:
    """The graph's processes and the monitor that listens to them, started and stopped together."""

    def __init__(self, options: RunOptions, folder: RunFolder | None, display: Display):
        self.options = options
        self.display = display
        self.telemetry = Telemetry()
        self.started_s = time.monotonic()
        self._folder = folder
        self._signal = 0
        self._children_due_s = 0.0
        self._fault_told = ""
        #: Nodes that the rest goes on without, and those of them that have ended.
        self._optional: set[str] = set()
        self._missed: set[str] = set()
        self._lock = GraphLock(options.domain_id, options.graph.namespace)
        log_folder = folder.logs if folder else Path(tempfile.mkdtemp(prefix="exo_gait-logs-"))
        self.children = Children(log_folder, display.complain)
        self._environment = child_environment(ROS_DOMAIN_ID=str(options.domain_id), ROS_LOG_DIR=str(log_folder))
        self._monitor = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> GraphSession:
        from exo_bringup.monitor_node import Monitor

        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._remember_signal)
        # the runner's own node logs and discovers as the children do
        os.environ.update({key: self._environment[key] for key in ("ROS_LOG_DIR", "ROS_AUTOMATIC_DISCOVERY_RANGE")})
        self._monitor = Monitor(self.telemetry, self.options.graph.namespace, self.options.domain_id)
        return self

    def __exit__(self, *_) -> None:
        # whatever happened: no process is left behind, and a second Ctrl-C does not get in between
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        self.children.stop([name for name in self.children.names() if name != RECORDER])
        self.children.stop()
        self._monitor.close()
        self._lock.release()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _remember_signal(self, number: int, _frame) -> None:
        self._signal = number

    def start(self, specs: list[NodeSpec]) -> None:
        """Start the nodes. Raises UserError if a graph of this name runs already."""
        programs = [executable_path(spec.package, spec.executable) for spec in specs]
        self._optional = {spec.name for spec in specs if not spec.required}
        deadline = time.monotonic() + DISCOVERY_S
        while time.monotonic() < deadline:
            self.tick()
            self._allow_simulators(0)
        for spec, program in zip(specs, programs, strict=False):
            overrides = self.children.log_folder / f"{spec.name}.yaml"
            overrides.write_text(spec.parameter_yaml(), encoding="utf-8")
            self.children.start(spec.name, spec.command_line(program, overrides), self._environment)

    def _allow_simulators(self, count: int) -> None:
        if self._monitor.node.count(SIMULATOR) > count:
            raise UserError(in_use_message(self.options.domain_id, self.options.graph.namespace))

    def wait_until_ready(self) -> None:
        """Wait for every service and the first messages of simulator and device."""
        node = self._monitor.node
        deadline = time.monotonic() + START_TIMEOUT_S
        names = self._alive()
        while (
            node.waiting_for(names)
            or self.telemetry.mode is None
            or (SIMULATOR in names and math.isnan(self.telemetry.time_s))
        ):
            self.tick()
            names = self._alive()
            self._allow_simulators(1)  # on a busy machine another one may show late
            if time.monotonic() > deadline:
                missing = ", ".join(node.waiting_for(names)) or "messages of the simulator or the device"
                raise UserError(
                    f"the graph did not come up within {START_TIMEOUT_S:g} s: still waiting for "
                    f"{missing}; the logs are in {self.children.log_folder}"
                )

        if node.viewer_address:
            self.display.announce_viewer(node.viewer_address)

    def _alive(self) -> list[str]:
        """Children but for those that have ended and that a run goes on without."""
        dead = {child.name for child in self.children.dead()}
        return [name for name in self.children.names() if name not in self._optional & dead]

    def tick(self) -> None:
        """One turn of the loop. Raises Interrupted on a signal, UserError when a child has died."""
        time.sleep(TICK_S)
        self._monitor.spin()
        if self._signal:
            raise Interrupted(self._signal)
        if time.monotonic() >= self._children_due_s:
            self._children_due_s = time.monotonic() + CHILDREN_PERIOD_S
            self._look_at_children()
        self._tell_fault()
        self.display.update(self.telemetry)

    def _look_at_children(self) -> None:
        for line in self.children.problem_lines():
            self.display.complain(line)
        dead = self.children.dead()
        for child in dead:
            if child.name in self._optional - self._missed:
                self._missed.add(child.name)
                last = child.last_lines(1) or ["it said nothing"]
                self.display.complain(f"{child.name} has ended, all else goes on: {last[0]}")
        dead = [child for child in dead if child.name not in self._optional]
        if dead:
            child = dead[0]
            last = "\n".join(f"  | {line}" for line in child.last_lines())
            if last:
                self.display.complain(f"the end of {child.log_file}:\n{last}")
            raise UserError(f"{child.name} ended by itself with exit code {child.exit_code}; stopped the rest")

    def _tell_fault(self) -> None:
        cause = self.telemetry.cause if self.telemetry.mode == FAULT_MODE else ""
        if cause != self._fault_told:
            self._fault_told = cause
            if cause:
                self.display.complain(f"device_node: the device has latched a fault and gives no torque: {cause}")

    def call(self, client, request):
        """Call a service and return its response. Raises UserError if it refuses or does not answer."""
        future = client.call_async(request)
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while not future.done():
            self.tick()
            if time.monotonic() > deadline:
                raise UserError(f"service {client.srv_name} did not answer within {CALL_TIMEOUT_S:g} s")
        response = future.result()
        results = getattr(response, "results", None)
        refused = (
            [r.reason for r in results if not r.successful]
            if results is not None
            else []
            if response.success
            else [response.message]
        )
        if refused:
            raise UserError(f"{client.srv_name} refused: {'; '.join(refused)}")
        return response

    def arm(self) -> None:
        """Arm the device as its operator would: after a fault only on purpose, by disarming it first.

        A person's stop is a person's to take back.
        """
        if "USER_STOP" in self.telemetry.latched_names:
            self.display.complain(
                "somebody has stopped the device (exo/stop): it gives no torque until exo/disarm is called"
            )
            return
        if self.telemetry.mode == FAULT_MODE:
            self.display.complain("arming the device again for assistance, after the fault above")
            self.call(self.node.disarm, _trigger())
        elif self.telemetry.mode == ACTIVE_MODE:
            return
        self.call(self.node.arm, _trigger())

    def disarm_quietly(self) -> None:
        """Ask the device to let go, so that stopping is no fault. Whether it hears does not matter."""
        self._signal, self.telemetry.is_assisted = 0, False
        if self.telemetry.mode is not None:
            try:
                self.call(self.node.disarm, _trigger())
            except (UserError, Interrupted):
                pass

    @property
    def node(self):
        """The monitor's node with its clients."""
        return self._monitor.node


def run_simulation(options: RunOptions) -> int:
    """The whole of `exo sim`. Returns the exit code; raises a ValueError of one line when it cannot run."""
    display = Display(options)
    folder = RunFolder.create(options.output, options.name)
    folder.write_configuration(options.configuration())
    began = time.monotonic()
    interrupted = None
    timings: dict[str, float] = {}
    failure: UserError | None = None
    display.say(f"run folder: {folder.path}")
    session = GraphSession(options, folder, display)
    with session:
        try:
            _lead(session, folder, timings)
        except Interrupted as signalled:
            interrupted = signalled.number
            session.disarm_quietly()
        except UserError as error:
            failure = error
        finally:
            display.stop()
    for change in session.telemetry.changes:
        display.complain(change)
    if interrupted is not None:
        display.say("interrupted: writing what there is")
    if failure is not None:
        raise failure
    # only now: it imports matplotlib and scipy, which would keep the first step waiting
    from exo_lab.report.results import write_report

    record = {
        **{key: round(value, 3) for key, value in timings.items()},
        "complete": interrupted is None,
        "falls": session.telemetry.falls,
        "device_faults": list(session.telemetry.fault_names),
        "device_cause": session.telemetry.cause,
        "changes": session.telemetry.changes,
    }
    met = write_report(folder, options.configuration(), time.monotonic() - began, record, display.say)
    if options.quiet:
        print(folder.path)
    if interrupted is not None:
        return 128 + interrupted
    return 1 if options.strict and not met else 0


def _lead(session: GraphSession, folder: RunFolder, timings: dict[str, float]) -> None:
    options = session.options
    graph = dataclasses.replace(
        options.graph,
        controller="zero",
        checkpoint="",
        start_paused=True,
        run_directory=str(folder.path),
        record=str(folder.recording) if options.record else "",
    )
    specs = describe_graph(graph)
    session.display.say("starting " + ", ".join(spec.name for spec in specs) + " ...")
    session.start(specs)
    session.wait_until_ready()
    timings["start_s"] = time.monotonic() - session.started_s
    session.display.start()
    loaded = False
    for phase in options.phases():
        if phase.measured:
            session.arm()  # not before everything has run once: what is slow the first time would be a fault
        if phase.assisted and not loaded:
            session.arm()
            session.call(session.node.load, _load_request(options.graph))
            loaded = True
        _walk(session, phase, timings)
        session.telemetry.is_assisted = False
    session.call(session.node.disarm, _trigger())


def _walk(session: GraphSession, phase: Phase, timings: dict[str, float]) -> None:
    """Let the simulator walk through one phase; it pauses by itself at an exact simulated time."""
    from exo_bringup.monitor_node import parameter_request

    telemetry = session.telemetry
    session.call(
        session.node.simulator_parameters,
        parameter_request(condition=phase.name if phase.measured else "", run_until_s=phase.until_s),
    )
    telemetry.condition, telemetry.is_assisted = phase.name, phase.assisted and phase.measured
    session.call(session.node.pause, _pause_request(False))
    seen_s, moved_at = telemetry.time_s, time.monotonic()
    while telemetry.time_s < phase.until_s - TIME_TOLERANCE_S or not telemetry.paused:
        session.tick()
        if telemetry.time_s != seen_s:
            seen_s, moved_at = telemetry.time_s, time.monotonic()
            timings.setdefault("first_step_s", moved_at - session.started_s)
        elif telemetry.paused:
            moved_at = time.monotonic()  # somebody has pressed pause in the viewer
        elif time.monotonic() - moved_at > STALL_TIMEOUT_S:
            raise UserError(
                f"simulated time has stood still at {seen_s:.2f} s for {STALL_TIMEOUT_S:g} s; "
                f"the logs are in {session.children.log_folder}"
            )


def _trigger():
    from std_srvs.srv import Trigger

    return Trigger.Request()


def _pause_request(paused: bool):
    from std_srvs.srv import SetBool

    return SetBool.Request(data=paused)


def _load_request(graph: GraphOptions):
    from exo_msgs.srv import LoadPolicy

    checkpoint = str(Path(graph.checkpoint).resolve()) if graph.checkpoint else ""
    return LoadPolicy.Request(controller=graph.controller, checkpoint=checkpoint, fade=FADE_S)


def run_graph(graph: GraphOptions, chosen_domain: int | None) -> int:
    """The whole of `exo graph`: start the nodes and stay until a signal. Returns the exit code."""
    return _stay(describe_graph(graph), graph, chosen_domain)


def run_hardware(graph: GraphOptions, chosen_domain: int | None) -> int:
    """The whole of `exo hardware`: as run_graph, with real or emulated motors. Returns the exit code."""
    os.environ["ROS_DOMAIN_ID"] = str(ros_domain_id(chosen_domain))  # an emulated bus is one of the domain
    return _stay(describe_hardware(graph), graph, chosen_domain)


def _stay(specs: list[NodeSpec], graph: GraphOptions, chosen_domain: int | None) -> int:
    options = RunOptions(graph=graph, domain_id=ros_domain_id(chosen_domain), table=False, quiet=True)
    display = Display(options)
    session = GraphSession(options, None, display)
    with session:
        try:
            session.start(specs)
            session.wait_until_ready()
            print(
                f"the graph runs in ROS domain {options.domain_id}; logs in {session.children.log_folder}; "
                "Ctrl-C stops it",
                flush=True,
            )
            while True:
                session.tick()
        except Interrupted:
            pass
    return 0


def run_viewer(chosen: argparse.Namespace) -> int:
    """The whole of `exo view`: serve the page of a graph that runs already, until a signal. Returns the exit code; raises UserError for bad options."""
    if not 0 <= chosen.viewer_port <= 65535:
        raise UserError(f"--viewer-port must be 0 to 65535, got {chosen.viewer_port}")
    device = str(device_file(chosen.device)) if chosen.device else ""
    os.environ["ROS_DOMAIN_ID"] = str(ros_domain_id(chosen.domain_id))
    spec = NodeSpec(
        "exo_bringup",
        "viewer_node",
        "viewer_node",
        chosen.namespace.strip("/"),
        parameters={"device_config": device, "host": chosen.viewer_host, "port": chosen.viewer_port},
    )
    try:
        from exo_bringup.viewer_node import main
    except ImportError as error:
        raise UserError(f"the viewer needs a built workspace: run `make setup` ({error})") from error
    with tempfile.TemporaryDirectory(prefix="exo_gait-view-") as folder:
        overrides = Path(folder) / "viewer_node.yaml"
        overrides.write_text(spec.parameter_yaml(), encoding="utf-8")
        return main(spec.command_line("exo view", overrides))
