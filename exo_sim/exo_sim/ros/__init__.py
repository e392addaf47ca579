# SPDX-License-Identifier: Apache-2.0
"""What simulator_node needs of ROS: parameters, messages, topics and services. Only this folder imports rclpy."""
