"""What the example PC writes to disk: on plain objects, and read back after a real call."""

import csv
import struct
import sys
import threading
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from processes import PATIENCE, ROOT, Server, Watched, running

pytest.importorskip("av", reason="aiortc, and with it PyAV, is not installed")
sys.path.append(str(ROOT / "examples"))

from av import VideoFrame
from recording import (
    IMU_FIELDS,
    MOST_WAITING,
    NS,
    Clock,
    Euroc,
    Pictures,
    Writer,
    free_folder,
    write_png,
)

MS = 1_000_000


def picture(time_ns: int, width: int = 32, height: int = 24, luma: int = 100) -> VideoFrame:
    frame = VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.pts, frame.time_base = time_ns * 9 // 100_000, Fraction(1, 90_000)
    return frame


def sample(time_ns: int) -> dict[str, Any]:
    values = {name: float(number) for number, name in enumerate(IMU_FIELDS)}
    return {"timestamp_ns": time_ns, **values}


def png_header(path: Path) -> tuple[int, int, int, int]:
    """Return width, height, bits and colour type (0 is grey, 2 is RGB) of a PNG."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[12:16] == b"IHDR"
    header: tuple[int, int, int, int] = struct.unpack(">IIBB", content[16:26])
    return header


def rows_of(path: Path) -> tuple[str, list[list[str]]]:
    """Return the header of a `data.csv`, and its rows."""
    header, *lines = path.read_text(encoding="ascii").splitlines()
    return header, list(csv.reader(lines))


def check_recording(folder: Path, width: int, height: int) -> tuple[int, int]:
    """Check that a folder is one of the data set; return how many frames and samples it has."""
    header, frames = rows_of(folder / "cam0" / "data.csv")
    assert header == "#timestamp [ns],filename"
    assert all(name == f"{time}.png" for time, name in frames)
    assert {path.name for path in (folder / "cam0" / "data").iterdir()} == {
        name for _, name in frames
    }
    for _, name in frames:
        assert png_header(folder / "cam0" / "data" / name) == (width, height, 8, 0)
    header, samples = rows_of(folder / "imu0" / "data.csv")
    assert header == (
        "#timestamp [ns],w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],"
        "a_RS_S_x [m s^-2],a_RS_S_y [m s^-2],a_RS_S_z [m s^-2]"
    )
    assert {len(row) for row in samples} == {7}
    for rows in (frames, samples):
        times = [int(row[0]) for row in rows]
        assert times == sorted(set(times))
    camera = (folder / "cam0" / "sensor.yaml").read_text()
    assert "sensor_type: camera\n" in camera
    assert f"resolution: [{width}, {height}]\n" in camera
    assert "sensor_type: imu\n" in (folder / "imu0" / "sensor.yaml").read_text()
    return len(frames), len(samples)


class TestTheClock:
    def test_puts_frames_on_the_clock_of_the_samples_without_the_jitter_of_either(self) -> None:
        clock, frames_ahead, samples_ahead = Clock(), 70 * NS, 3 * NS
        found = []
        for number in range(60):
            true = number * 33 * MS
            jitter = number * 7 % 20 * MS
            clock.sample_came(true + samples_ahead, true + jitter)
            late = (jitter + 5 * MS) % (20 * MS)
            found.append((true, clock.frame_came(true + frames_ahead, true + late)))

        assert {time for true, time in found if true < NS - 20 * MS} == {None}
        times = [(true, time) for true, time in found if time is not None]
        assert len(times) >= 29
        assert all(time == true + samples_ahead for true, time in times)

    def test_dates_frames_late_by_what_they_take_longer_at_best(self) -> None:
        clock = Clock()
        clock.frame_came(0, 40 * MS)
        clock.sample_came(0, 1 * MS)
        clock.sample_came(5 * MS, 9 * MS)

        assert clock.frame_came(NS, NS + 60 * MS) == NS + 39 * MS

    def test_keeps_the_distance_once_it_is_known(self) -> None:
        clock = Clock()
        clock.frame_came(0, 40 * MS)
        clock.sample_came(0, 0)
        clock.frame_came(NS, NS + 40 * MS)
        clock.sample_came(NS, NS - 90 * MS)

        assert clock.frame_came(2 * NS, 2 * NS) == 2 * NS + 40 * MS

    def test_is_the_pcs_where_no_sample_comes(self) -> None:
        clock = Clock()
        clock.frame_came(0, 5 * NS)

        assert clock.frame_came(NS, 6 * NS) == 6 * NS


class TestAFolder:
    def record(self, folder: Path, frames: list[VideoFrame], samples: list[dict[str, Any]]) -> None:
        writer = Writer()
        euroc = Euroc(writer, folder)
        for one in samples:
            euroc.add_sample(one, one["timestamp_ns"])
        for frame in frames:
            assert frame.pts is not None
            euroc.add_frame(frame, frame.pts * 100_000 // 9)
        euroc.close()
        writer.close()

    def test_has_the_form_of_the_data_set(self, tmp_path: Path) -> None:
        times = range(0, 3 * NS, 100 * MS)

        self.record(tmp_path, [picture(time) for time in times], [sample(t) for t in times])

        assert check_recording(tmp_path, 32, 24) == (20, 30)
        _, samples = rows_of(tmp_path / "imu0" / "data.csv")
        assert samples[1] == ["100000000", "0.0", "1.0", "2.0", "3.0", "4.0", "5.0"]
        assert "rate_hz: 10.000\n" in (tmp_path / "cam0" / "sensor.yaml").read_text()

    def test_has_pictures_of_one_size(self, tmp_path: Path) -> None:
        frames = [picture(0), picture(NS), picture(2 * NS, 64, 48), picture(3 * NS, 16, 12)]

        self.record(tmp_path, frames, [sample(0)])

        assert check_recording(tmp_path, 32, 24) == (3, 1)

    def test_leaves_out_what_is_no_later_than_what_was_before(self, tmp_path: Path) -> None:
        frames = [picture(time) for time in (0, NS, 2 * NS, 2 * NS, NS)]

        self.record(tmp_path, frames, [sample(time) for time in (5, 7, 7, 6, 8)])

        assert check_recording(tmp_path, 32, 24) == (2, 3)

    def test_takes_no_second_recording(self, tmp_path: Path) -> None:
        self.record(tmp_path / "one", [], [])

        with pytest.raises(FileExistsError, match="one already"):
            Euroc(Writer(), tmp_path / "one")
        assert free_folder(tmp_path / "one") == tmp_path / "one-2"
        assert free_folder(tmp_path / "two") == tmp_path / "two"


class TestTheWriter:
    def test_drops_frames_while_the_disk_is_slow_and_counts_them(self) -> None:
        writer, is_slow = Writer(), threading.Event()
        written: list[int] = []

        def be_slow() -> None:
            is_slow.wait(PATIENCE)

        writer.put(be_slow)
        for number in range(MOST_WAITING + 3):
            writer.put_frame(partial(written.append, number))

        is_slow.set()
        writer.close()

        assert written == list(range(MOST_WAITING))
        assert writer.dropped == 3

    def test_has_room_again_when_the_disk_is_done(self) -> None:
        writer, done = Writer(), threading.Event()
        for _ in range(3):
            for _ in range(MOST_WAITING):
                writer.put_frame(lambda: None)
            done.clear()
            writer.put(done.set)
            assert done.wait(PATIENCE)
        writer.close()
        assert writer.dropped == 0

    def test_says_what_went_wrong(self, tmp_path: Path) -> None:
        writer = Writer()
        pictures = Pictures(writer, tmp_path / "pictures")
        (tmp_path / "pictures").rmdir()
        pictures.add(picture(0))

        with pytest.raises(FileNotFoundError):
            writer.close()
        with pytest.raises(FileNotFoundError):
            pictures.add(picture(1))


def test_a_png_is_grey_or_coloured(tmp_path: Path) -> None:
    write_png(picture(0, luma=235), tmp_path / "grey.png", "gray")
    write_png(picture(0), tmp_path / "coloured.png", "rgb24")

    assert png_header(tmp_path / "grey.png") == (32, 24, 8, 0)
    assert png_header(tmp_path / "coloured.png") == (32, 24, 8, 2)


def pc(server: Server, room: str, *options: str | Path) -> Any:
    return running(
        sys.executable,
        ROOT / "examples" / "pc.py",
        *("--url", server.url, "--room", room, "--timeout", str(PATIENCE), *options),
    )


def phone(server: Server, room: str, name: str) -> Any:
    return running(
        sys.executable,
        ROOT / "examples" / "phone.py",
        *("--url", server.url, "--room", room, "--id", name, "--size", "320x240"),
    )


def recorded(receiver: Watched, folder: Path) -> tuple[int, int]:
    said = receiver.wait_for(rf"^Recorded (\d+) frames and (\d+) samples in {folder}$")
    return int(said[1]), int(said[2])


def test_a_call_is_recorded_and_read_back(signal_server: Server, tmp_path: Path) -> None:
    folder, pictures = tmp_path / "recording", tmp_path / "pictures"
    wanted = ("--frames", "60", "--samples", "400")
    written = ("--euroc", folder, "--save-frames", pictures)
    with (
        pc(signal_server, "euroc", *wanted, *written) as receiver,
        phone(signal_server, "euroc", "phone"),
    ):
        assert receiver.wait() == 0, receiver.output
    frames, samples = check_recording(folder, 320, 240)
    assert (frames, samples) == recorded(receiver, folder)
    assert frames >= 20
    assert samples >= 400
    _, rows = rows_of(folder / "imu0" / "data.csv")
    assert all(float(row[6]) == pytest.approx(9.81) for row in rows)
    steps = {int(after[0]) - int(before[0]) for before, after in pairwise(rows)}
    assert steps == {5_000_000}
    # Both are on one clock: the phone of this test has one for both.
    first, last = (int(row[0]) for row in (rows[0], rows[-1]))
    _, times = rows_of(folder / "cam0" / "data.csv")
    assert all(first < int(time) < last + NS for time, _ in times)
    names = sorted(path.name for path in pictures.iterdir())
    assert len(names) >= 60 - MOST_WAITING
    assert png_header(pictures / names[0]) == (320, 240, 8, 2)


def test_two_phones_at_once_have_a_folder_each(signal_server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    with (
        pc(signal_server, "both", "--frames", "150", "--euroc", folder) as receiver,
        phone(signal_server, "both", "one"),
        phone(signal_server, "both", "two"),
    ):
        assert receiver.wait() == 0, receiver.output
        receiver.wait_for("^Complete; arrived: offers 2, ")
    for one in (folder, tmp_path / "recording-2"):
        assert check_recording(one, 320, 240) == recorded(receiver, one)


def test_where_nothing_can_be_written_one_clear_line_says_so(
    signal_server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with (
        pc(signal_server, "full", "--frames", "9", "--euroc", tmp_path / "file" / "in") as receiver,
        phone(signal_server, "full", "phone"),
    ):
        assert receiver.wait() == 1
    receiver.wait_for("Not a directory")
    assert "Traceback" not in receiver.output
