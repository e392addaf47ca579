# SPDX-License-Identifier: Apache-2.0
# Activates what tools/setup.sh set up:  source tools/env.sh  (bash or zsh). Runs nothing but settings.
_exo_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd -P)"
if [ ! -f "$_exo_root/install/exo_gait_build" ]; then
  echo "env.sh: nothing is set up yet: run 'make setup' in $_exo_root first." >&2
  unset _exo_root
  return 1
fi

if [ "$(cut -d ' ' -f 1 "$_exo_root/.venv/exo_gait_venv")" != "${ROS_DISTRO:+ros-}${ROS_DISTRO:-wheels}" ]; then
  echo "env.sh: set up for another ROS 2 than this shell has (ROS_DISTRO is '${ROS_DISTRO:-}'):" \
    "run 'make setup' again, or source the ROS 2 of before first." >&2
  unset _exo_root
  return 1
fi

if ! "$_exo_root/.venv/bin/python" -c '' 2>/dev/null; then
  echo "env.sh: $_exo_root/.venv/bin/python does not run: its Python is gone (an upgrade of the system?) or out of" \
    "this user's reach: run 'make setup' again." >&2
  unset _exo_root
  return 1
fi

# The ROS wheels mark the environment once they have extended LD_LIBRARY_PATH: a mark that was inherited
# from another environment would keep them from it here.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
case $- in *u*) _exo_nounset=yes; set +u ;; *) _exo_nounset= ;; esac  # colcon's scripts read unset variables
. "$_exo_root/.venv/bin/activate"
if [ -n "${ZSH_VERSION:-}" ]; then
  . "$_exo_root/install/local_setup.zsh"
else
  . "$_exo_root/install/local_setup.bash"
fi
if [ -n "$_exo_nounset" ]; then set -u; fi
if [ -z "${ROS_DISTRO:-}" ]; then  # the wheels' part of the ament index
  case ":${AMENT_PREFIX_PATH:-}:" in
    *":$VIRTUAL_ENV:"*) ;;
    *) export AMENT_PREFIX_PATH="${AMENT_PREFIX_PATH:+$AMENT_PREFIX_PATH:}$VIRTUAL_ENV" ;;
  esac
  case "${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}" in
    rmw_fastrtps_cpp) ;;
    *)
      echo "env.sh: the ROS wheels have Fast DDS alone: RMW_IMPLEMENTATION is rmw_fastrtps_cpp in this shell now," \
        "not $RMW_IMPLEMENTATION; nodes of both understand each other." >&2
      export RMW_IMPLEMENTATION=rmw_fastrtps_cpp ;;
  esac
fi

# Nodes of other machines do not mix in unless asked for.
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
# Shared memory breaks silently on a stale segment, or between root and another user; UDP is as quick here.
export FASTDDS_BUILTIN_TRANSPORTS="${FASTDDS_BUILTIN_TRANSPORTS:-UDPv4}"
unset _exo_root _exo_nounset
