#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh ros:jazzy container to a walk: what a ROS user types, step by step. Needs root and a network.
#   docker run --rm -v "$PWD":/src:ro ros:jazzy bash /src/tools/ros_container.sh
# EXO_STEPS chooses steps, e.g. EXO_STEPS="launch" where everything is built already.
#
# Nobody has run it in that container yet, and no rehearsal has gone through to its end. On Debian 12 with Python 3.11 and
# ROS 2's wheels the build ran; the launch step passed every check up to Ctrl-C once, and stopped at `ros2 param get` on a
# busy machine twice (launch 3.4.3, launch_ros 0.26.6 and ros2cli 0.32.2 from their sources). Every key of package.xml stands
# in rosdep's index for jazzy. Not rehearsed: apt, rosdep itself, and the wheels that Python 3.12 gets there.
set -euo pipefail
SOURCE="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
WORKSPACE="${EXO_WORKSPACE:-/tmp/exo_gait_ws}"
STEPS="${EXO_STEPS:-dependencies build test launch}"

step() { [[ " $STEPS " == *" $1 "* ]] || return 1; printf '\n== %s\n' "$1"; }
fail() { printf 'ros_container: %s\n' "$*" >&2; exit 1; }
relaxed() { set +u; "$@"; set -u; }                # the scripts of ROS and colcon read unset variables

if [ "$SOURCE" != "$WORKSPACE" ] && ! [ -d "$WORKSPACE" ]; then  # the source may be read-only
  mkdir -p "$WORKSPACE"
  tar -C "$SOURCE" --exclude=./.venv --exclude=./build --exclude=./install --exclude=./log --exclude=./runs -c . \
    | tar -C "$WORKSPACE" -x
fi
cd "$WORKSPACE"
if [ -f /opt/ros/jazzy/setup.bash ]; then relaxed . /opt/ros/jazzy/setup.bash; fi

if step dependencies; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends g++ make python3-dev python3-venv python3-rosdep
  [ -d /etc/ros/rosdep/sources.list.d ] || rosdep init
  rosdep update --rosdistro jazzy
  rosdep install --from-paths . --ignore-src --rosdistro jazzy -y
fi

if step build; then make setup; fi
relaxed . tools/env.sh

if step test; then
  colcon test --event-handlers console_direct+
  colcon test-result --verbose
fi

if step launch; then
  export ROS_DOMAIN_ID="${ROS_DOMAIN_ID:-91}"
  log="$(mktemp)"
  # into files, not into `grep -q`, which hangs up at the first match: Python then fails at a broken pipe
  ros2 launch exo_bringup sim.launch.py --show-args >"$log" || fail "--show-args failed"
  grep -q "'policy'" "$log" || fail "--show-args shows no arguments"
  set -m  # a shell without job control lets what it starts in the background ignore SIGINT, for good
  ros2 launch exo_bringup sim.launch.py mode:=fast >"$log" 2>&1 &
  launch=$!
  set +m
  trap 'kill -INT $launch 2>/dev/null || true' EXIT
  stop() { tail -n 40 "$log" >&2; fail "$*"; }
  armed=
  for _ in $(seq 30); do  # the first start compiles
    kill -0 $launch 2>/dev/null || stop "the launch ended by itself"
    armed="$(timeout 20 ros2 service call /exo/arm std_srvs/srv/Trigger 2>&1 | grep -o 'success=True' || true)"
    [ -z "$armed" ] || break
    sleep 2
  done
  [ -n "$armed" ] || stop "the device did not arm"
  says() {  # three times: a service's answer is lost where its caller has not been discovered yet
    local try
    for try in 1 2 3; do
      if timeout 30 ros2 "${@:2}" >"$log.said" 2>&1 && grep -q "$1" "$log.said"; then return 0; fi
      echo "ros2 ${*:2}: no answer, try $try" >&2
    done
    return 1
  }
  says . topic echo --once /exo/status --field mode || stop "no exo/status"
  says active lifecycle get /device_node || stop "device_node is not active"
  says fast param get /simulator_node mode || stop "simulator_node does not tell its mode: $(cat "$log.said")"
  if timeout 60 ros2 launch exo_bringup sim.launch.py >"$log.second" 2>&1; then stop "a second graph was not refused"; fi
  grep -q "another exo_gait graph runs" "$log.second" || stop "a second graph was not named"
  kill -INT $launch
  wait $launch || stop "the launch did not end well"
  trap - EXIT
  echo "launched, armed, observed, stopped"
fi
