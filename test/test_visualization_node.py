# SPDX-License-Identifier: Apache-2.0
"""What RViz shows follows the subject of the simulator."""

import time

import pytest

#: Building a body on a busy machine (s).
PATIENCE_S = 120.0


@pytest.fixture
def shown(ros):
    """The node, and another one that tells it who walks and hears what it describes."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from std_msgs.msg import String

    from exo_bringup.visualization_node import VisualizationNode
    from exo_core.ros import LATCHED
    from exo_msgs.msg import Subject

    class Shown:
        def __init__(self):
            self.heard = []
            self.node, self._other = VisualizationNode(), rclpy.create_node("teller")
            self._subject = self._other.create_publisher(Subject, "human/subject", LATCHED)
            self._other.create_subscription(String, "robot_description", self._hear, LATCHED)
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self.node)
            self._executor.add_node(self._other)

        def _hear(self, message):
            self.heard.append(message.data)

        def tell(self, height, mass):
            self._subject.publish(Subject(name="someone", height=height, mass=mass))

        def spin_until(self, happened):
            deadline = time.monotonic() + PATIENCE_S
            while not happened() and time.monotonic() < deadline:
                self._executor.spin_once(timeout_sec=0.1)
            assert happened()

        def close(self):
            self._executor.shutdown()
            self.node.destroy_node()
            self._other.destroy_node()

    made = Shown()
    yield made
    made.close()


def test_another_height_is_described_anew_and_nonsense_is_not(shown):
    shown.spin_until(lambda: len(shown.heard) == 1)
    assert 'femur_r.stl" scale="1 1 1"' in shown.heard[0]
    shown.tell(1.70, 75.0)  # the size that is shown already
    shown.tell(1.87, 90.0)
    shown.spin_until(lambda: len(shown.heard) == 2)
    assert 'femur_r.stl" scale="1.1 1.1 1.1"' in shown.heard[1]
    shown.tell(9.0, 90.0)  # nobody is as tall: what is shown stays
    shown.tell(1.53, 50.0)
    shown.spin_until(lambda: len(shown.heard) == 3)
    assert 'femur_r.stl" scale="0.9 0.9 0.9"' in shown.heard[2]
