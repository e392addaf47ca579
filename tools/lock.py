# SPDX-License-Identifier: Apache-2.0
"""`make lock`: writes the lock files, every package that `make setup` and `make check` install with its sha256.

requirements*.txt stay the lists that people edit. uv resolves them for Python 3.11 and 3.12 on Linux, x86_64 and
aarch64 (the wheels of ROS 2: x86_64 alone). torch has two builds of one version, and one machine wants one of them:

    requirements.lock       requirements.txt but for torch and what only its build with CUDA wants
    requirements-cuda.lock  torch as the package index has it, with CUDA
    requirements-cpu.lock   torch for CPUs alone, where pip's settings lead to such a build
    requirements-ros.lock   what requirements-ros.txt has besides
    requirements-dev.lock   requirements-dev.txt

Where pip finds no build for CPUs of this version, the hashes that are there already stay.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = "uv==0.13.9"
PYTHONS = ("3.11", "3.12")
#: Tags of wheels that torch's builds for CPUs come with.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64")
LINUX = "sys_platform == 'linux' and platform_machine == '{}' and implementation_name == 'cpython'"
PROJECT = '[project]\nname = "lock"\nversion = "0"\nrequires-python = ">=3.11,<3.13"\n[tool.uv]\nenvironments = {}\n'
#: Packages that torch wants for CUDA, and nobody else.
CUDA = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
#: An entry of a lock file: {"torch==2.13.0": "    --hash=sha256:... \\\n ..."}; a marker is part of the key.
Entries = dict[str, str]


def sources_sha256(*names: str) -> str:
    """What tells whether a lock file is that of these lists; tools/setup.sh computes the same."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def resolve(uv: Path, requirements: str, machines: tuple[str, ...]) -> Entries:
    """Every package that the list leads to on one of the machines."""
    with tempfile.TemporaryDirectory() as folder:
        for path in ROOT.glob("requirements*.txt"):
            (Path(folder) / path.name).write_text(path.read_text())
        (Path(folder) / "pyproject.toml").write_text(PROJECT.format([LINUX.format(m) for m in machines]))
        command = [uv, "pip", "compile", "--universal", "--generate-hashes", "--python-version", PYTHONS[0], "--quiet"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", requirements]
        text = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = {}
    for entry in re.split(r"\n(?=\w)", text.strip()):
        head, _, hashes = entry.partition("\\\n")
        pin, _, marker = head.strip().partition(" ; ")
        entries[pin + _short_marker(marker, machines)] = hashes.strip("\n")
    return entries


def _short_marker(marker: str, machines: tuple[str, ...]) -> str:
    """A marker without what holds on every machine that the lock is for."""
    version = re.findall(r"python_full_version (?:<|>=) '3\.12'", marker)
    machine = set(re.findall(r"platform_machine == '(\w+)'", marker))
    if len(version) > len(machines) or ("sys_platform" in marker and not machine):
        raise SystemExit(f"lock: a marker that is not understood: {marker}")
    kept = version[:1]
    if machine and machine != set(machines):
        kept.append(f"platform_machine == '{machine.pop()}'")
    return f" ; {' and '.join(kept)}" if kept else ""


def cpu_hashes(version: str) -> list[str]:
    """sha256 of the wheels of torch for CPUs that pip finds with its settings on this machine."""
    found = set()
    for python in PYTHONS:
        for platform in PLATFORMS:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
                command += ["--python-version", python, "--platform", platform, "--dest", folder, version]
                if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
                    found |= {hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}
                else:
                    print(f"lock: no {version} for Python {python}, {platform}", file=sys.stderr)
    return sorted(found)


def write(name: str, sources: tuple[str, ...], entries: Entries) -> None:
    """Writes one lock file."""
    lines = [f"# Made by `make lock` from {' and '.join(sources)}: do not edit.\n# {sources_sha256(*sources)}\n"]
    lines += [f"{pin} \\\n{hashes}\n" for pin, hashes in sorted(entries.items())]
    (ROOT / name).write_text("".join(lines))
    print(f"lock: {name}: {len(entries)} packages")


def main() -> None:
    """Writes all of them."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", "--disable-pip-version-check", UV], check=True)
        uv = Path(folder) / "bin" / "uv"
        base = resolve(uv, "requirements.txt", ("x86_64", "aarch64"))
        ros = resolve(uv, "requirements-ros.txt", ("x86_64",))
        dev = resolve(uv, "requirements-dev.txt", ("x86_64", "aarch64"))
    common = {pin.split(" ")[0] for pin in base}
    torch = next(pin for pin in base if pin.startswith("torch==")).split(" ")[0]
    write("requirements.lock", ("requirements.txt",), {p: h for p, h in base.items() if not CUDA.match(p)})
    # === leaves a build for CPUs, 2.13.0+cpu, out
    cuda = {re.sub("^torch==", "torch===", pin): hashes for pin, hashes in base.items() if CUDA.match(pin)}
    write("requirements-cuda.lock", ("requirements.txt",), cuda)
    cpu = f"{torch}+cpu"
    old = ROOT / "requirements-cpu.lock"
    known = old.read_text() if old.exists() else ""
    hashes = set(cpu_hashes(cpu)) | set(re.findall(r"sha256:(\w+)", known) if f"\n{cpu} " in known else ())
    if not hashes:
        raise SystemExit(f"lock: pip finds no {cpu} here: run it where its settings lead to one")
    write(old.name, ("requirements.txt",), {cpu: " \\\n".join(f"    --hash=sha256:{h}" for h in sorted(hashes))})
    more = {pin: hashes for pin, hashes in ros.items() if pin.split(" ")[0] not in common}
    different = {p.split("==")[0] for p in more} & {p.split("==")[0] for p in common}
    if different:
        raise SystemExit(f"lock: another version with the wheels of ROS 2 than without: {sorted(different)}")
    write("requirements-ros.lock", ("requirements.txt", "requirements-ros.txt"), more)
    write("requirements-dev.lock", ("requirements-dev.txt",), dev)


if __name__ == "__main__":
    main()
