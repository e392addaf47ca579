# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from exo_device.description import DeviceError, load_device

DEVICES = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "devices"
FILES = sorted(DEVICES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_devices_are_named_as_their_files_and_wearable(path):
    device = load_device(path)
    assert device.name == path.stem
    assert 2.0 < device.mass_kg < 7.0
    for name, joint in device.joints.items():
        expected = 0.5 if name.startswith("ankle") else 0.3
        assert joint.torque_limit_nm_per_kg == expected
        assert joint.slew_limit_nm_per_s * 0.09 >= joint.torque_limit_nm  # a ramp of 0.1 s is within slew


def test_left_and_right_mirror():
    device = load_device(DEVICES / "hip_ankle.yaml")
    for name, part in device.segments.items():
        if name.endswith("_r"):
            other = device.segments[name[:-1] + "l"]
            assert part.mass_kg == other.mass_kg and part.inertia_kgm2 == other.inertia_kgm2
            assert part.com_m == (other.com_m[0], other.com_m[1], -other.com_m[2])


def test_the_smaller_torque_limit_holds():
    device = load_device(DEVICES / "hip_ankle.yaml")
    hip = device.joints["hip_flexion_r"]
    assert hip.torque_limit(50.0) == pytest.approx(15.0)
    assert hip.torque_limit(150.0) == hip.torque_limit_nm
    assert device.torque_limits(75.0) == pytest.approx((22.5, 37.5, 22.5, 37.5))


@pytest.mark.parametrize("mass", [0.0, -75.0, 75000.0, float("nan")])
def test_a_mass_nobody_has_is_refused(mass):
    with pytest.raises(DeviceError, match="20 to 200 kg"):
        load_device(DEVICES / "hip.yaml").torque_limits(mass)


def broken(tmp_path, *keys, value):
    """hip_ankle.yaml with one field changed, or removed when value is None."""
    document = yaml.safe_load((DEVICES / "hip_ankle.yaml").read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


@pytest.mark.parametrize(
    "keys, value, words",
    [
        (("segments", "pelvis", "mass_kg"), -1.0, ["segments.pelvis.mass_kg", "greater than 0", "-1.0"]),
        (("segments", "pelvis", "mass_kg"), 2800.0, ["segments.pelvis.mass_kg", "15"]),
        (("segments", "pelvis", "inertia_kgm2"), [0.1, 0.1, 0.9], ["inertia_kgm2", "exceeds the sum"]),
        (
            ("segments", "tail"),
            {"mass_kg": 1.0, "com_m": [0, 0, 0], "inertia_kgm2": [1, 1, 1]},
            ["unknown segment 'tail'", "pelvis, femur_r"],
        ),
        (("joints", "hip_flexion_r", "torque_limit_nm"), float("nan"), ["joints.hip_flexion_r.torque_limit_nm"]),
        (("joints", "hip_flexion_r", "range_rad"), [1.0, -1.0], ["range_rad must be [lowest, highest]"]),
        (("joints", "hip_flexion_r", "range_rad"), [-35.0, 110.0], ["radians"]),
        (("joints", "hip_flexion_r", "range_rad"), [-3.5, 1.1], ["range_rad of hip_flexion_r", "[-0.87, 2.44]"]),
        (("joints", "hip_flexion_r", "range_rad"), [-6.2, 6.2], ["what people can do"]),
        (("joints", "ankle_angle_l", "range_rad"), [-0.61, 1.92], ["range_rad of ankle_angle_r"]),
        (("joints", "hip_flexion_r", "slew_limit_nm_per_s"), 1e12, ["slew_limit_nm_per_s", "5000"]),
        (("joints", "hip_flexion_r", "power_limit_w"), 1e12, ["power_limit_w", "1000"]),
        (("joints", "hip_flexion_r", "taper_rad"), 1e-6, ["taper_rad", "0.017"]),
        (("joints", "hip_flexion_r", "bandwidth_hz"), 0.01, ["bandwidth_hz", "1"]),
        (("joints", "hip_flexion_r", "velocity_limit_rad_s"), 1e12, ["velocity_limit_rad_s", "25"]),
        (("joints", "hip_flexion_r", "torque_limit_nm_per_kg"), 1000.0, ["torque_limit_nm_per_kg", "2"]),
        (("joints", "hip_flexion_r", "torque_limit_nm"), 300.0, ["torque_limit_nm", "250"]),
        (("joints", "hip_flexion_r", "continuous_torque_nm"), 1e9, ["continuous_torque_nm", "250"]),
        (("joints", "hip_flexion_r", "thermal_time_constant_s"), 0.001, ["thermal_time_constant_s"]),
        (("bus_voltage_v",), 480.0, ["bus_voltage_v", "60"]),
        (("joints", "hip_flexion_r", "slew_limit_nm_per_s"), "fast", ["slew_limit_nm_per_s", "number"]),
        (("joints", "hip_flexion_r", "color"), "red", ["joints.hip_flexion_r.color", "unknown field"]),
        (("joints", "elbow_r"), {}, ["joints.elbow_r"]),
        (("imu", "segment"), "head", ["unknown imu segment 'head'"]),
        (("imu",), None, ["imu", "missing"]),
        (("joints",), {}, ["joints"]),
        (("name",), "Hip Ankle", ["name"]),
    ],
)
def test_bad_fields_give_one_line_that_names_file_and_field(tmp_path, keys, value, words):
    path = broken(tmp_path, *keys, value=value)
    with pytest.raises(DeviceError) as caught:
        load_device(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    for word in words:
        assert word in message


def test_unknown_joint_is_named_with_those_allowed(tmp_path):
    document = yaml.safe_load((DEVICES / "hip.yaml").read_text())
    document["joints"]["elbow_r"] = document["joints"].pop("hip_flexion_r")
    path = tmp_path / "elbow.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(DeviceError, match="unknown joint 'elbow_r'; allowed: hip_flexion_r"):
        load_device(path)


@pytest.mark.parametrize("text", ["a: [", "just text", "", "\x00"])
def test_text_that_is_no_device_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(DeviceError) as caught:
        load_device(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    "old, new, key",
    [
        ("    torque_limit_nm: 30.0 ", "    torque_limit_nm: 3.0\n    torque_limit_nm: 30.0 ", "torque_limit_nm"),
        ("  ankle_angle_l: *ankle", "  ankle_angle_r: *ankle", "ankle_angle_r"),
        ("  tibia_l:", "  tibia_r:", "tibia_r"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_line(tmp_path, old, new, key):
    before, _, after = (DEVICES / "hip_ankle.yaml").read_text().partition(old)
    path = tmp_path / "twice.yaml"
    path.write_text(before + new + after)
    line = (before + new).count("\n") + 1
    with pytest.raises(DeviceError) as caught:
        load_device(path)
    assert str(caught.value).startswith(f"{path}:{line}: the key '{key}' stands twice")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="cannot be read"):
        load_device(tmp_path / "nothing.yaml")


def test_a_description_cannot_be_changed():
    device = load_device(DEVICES / "hip.yaml")
    with pytest.raises(ValueError):
        device.name = "other"
