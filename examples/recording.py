"""Writes what a phone sends to disk: single pictures, or a folder like those of EuRoC's data set.

The folder has the ASL form: `cam0/data/<time>.png`, `cam0/data.csv`, `imu0/data.csv`, and for each
a `sensor.yaml` with what is known without a calibration. Pictures are grey, as in that data set,
all of the first one's size. Times are in nanoseconds, and rise.

Clocks: a SLAM framework wants frames and samples on one clock. A sample has the time that the
phone's IMU gave to it (`timestamp_ns`), which is written as it is. A frame has only the RTP
timestamp of WebRTC, which counts the phone's time from a start that nobody tells. So each stream is
compared with the PC's clock by its arrivals: the frame, and the sample, that was least late tells
how far the clocks are apart. That is measured in the first second, whose frames are not written,
and kept from then on, so that frames have times on the IMU's clock that the jitter of the network
is not in. What is left is a constant: a frame takes longer than a sample even at best, for
exposure, encoding and decoding. By that, some 10 to 100 ms, frames are dated too late; a framework
that estimates the time offset between camera and IMU finds it. Where no sample comes in that
second, frames are on the PC's monotonic clock. A phone that changes its clock needs a new
recording.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
from av import VideoFrame

NS = 1_000_000_000
WARM_UP_NS = NS
MOST_WAITING = 30
"""Frames that wait for the disk; one that comes then is dropped."""

CAMERA_HEADER = "#timestamp [ns],filename\n"
IMU_HEADER = (
    "#timestamp [ns],w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],"
    "a_RS_S_x [m s^-2],a_RS_S_y [m s^-2],a_RS_S_z [m s^-2]\n"
)
IMU_FIELDS = ("gyro_x", "gyro_y", "gyro_z", "acc_x", "acc_y", "acc_z")

UNKNOWN = """\
# Calibrate the phone, such as with Kalibr, and add what this file cannot know.
T_BS:
  cols: 4
  rows: 4
  data: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
"""


class Writer:
    """Does work on disk in a thread, one thing after another, and drops frames that are too many.

    Attributes:
        dropped: how many were.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(MOST_WAITING)
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put_frame(self, write: Callable[[], None]) -> None:
        """Write a frame, unless too many wait.

        Raises:
            OSError: what was to be written before could not be.
        """
        if not self._room.acquire(blocking=False):
            self.dropped += 1
            return

        def write_and_make_room() -> None:
            try:
                write()
            finally:
                self._room.release()

        self.put(write_and_make_room)

    def put(self, write: Callable[[], None]) -> None:
        """Write something small.

        Raises:
            OSError: what was to be written before could not be.
        """
        if self._error is not None:
            raise self._error
        self._work.put(write)

    def close(self) -> None:
        """Write what still waits, and end.

        Raises:
            OSError: it could not be written.
        """
        self._work.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (write := self._work.get()) is not None:
            try:
                if self._error is None:
                    write()
            except OSError as error:
                self._error = error


def write_png(frame: VideoFrame, path: Path, pixel_format: str) -> None:
    """Write a frame as a PNG; `pixel_format`: FFmpeg's name, "gray" or "rgb24"."""
    picture = frame.reformat(format=pixel_format)
    picture.pts = None
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = picture.width, picture.height, pixel_format
    codec.time_base = Fraction(1, 30)  # which a picture has no use for
    path.write_bytes(b"".join(bytes(one) for one in [*codec.encode(picture), *codec.encode(None)]))


class Pictures:
    """Frames as coloured PNGs in a folder, numbered from 1."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        """`folder`: is made."""
        self._writer = writer
        self._folder = folder
        self._frames = count(1)
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, frame: VideoFrame) -> None:
        """Write a frame."""
        path = self._folder / f"{next(self._frames):06d}.png"
        self._writer.put_frame(lambda: write_png(frame, path, "rgb24"))


class Clock:
    """Puts frames on the clock of the samples; see above."""

    def __init__(self) -> None:
        self._frame_lag: int | None = None
        self._sample_lag: int | None = None
        self._began_at: int | None = None
        self._distance: int | None = None

    def sample_came(self, time: int, now: int) -> None:
        """A sample came: its time on the phone's clock, and the PC's, in nanoseconds."""
        lag = now - time
        self._sample_lag = lag if self._sample_lag is None else min(lag, self._sample_lag)

    def frame_came(self, time: int, now: int) -> int | None:
        """Return the time of a frame on the samples' clock, in nanoseconds; None: not known yet.

        Args:
            time: of the frame, since any moment.
            now: the PC's.
        """
        if self._distance is None:
            lag = now - time
            self._frame_lag = lag if self._frame_lag is None else min(lag, self._frame_lag)
            self._began_at = now if self._began_at is None else self._began_at
            if now - self._began_at < WARM_UP_NS:
                return None
            self._distance = self._frame_lag - (self._sample_lag or 0)
        return time + self._distance


class Rows:
    """The rows of a `data.csv`, whose times rise."""

    def __init__(self, path: Path, header: str) -> None:
        """`path`: where it is; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="ascii", newline="\n")
        self._file.write(header)
        self._first: int | None = None
        self._last = 0
        self.count = 0

    def has_room(self, time: int) -> bool:
        """Return whether a row of this time comes after the others, and take note of it."""
        if self._first is None:
            self._first = time
        elif time <= self._last:
            return False
        self._last = time
        return True

    def add(self, row: str) -> None:
        """Write a row."""
        self._file.write(row)
        self.count += 1

    def close(self) -> None:
        """No more rows come."""
        self._file.close()

    @property
    def rate(self) -> float:
        """How many there are in a second."""
        seconds = (self._last - (self._first or 0)) / NS
        return (self.count - 1) / seconds if seconds > 0 else 0.0


class Euroc:
    """A folder of one call; see above."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        """`folder`: is made; there must be no other recording in it."""
        for name in ("cam0", "imu0"):
            if (folder / name).exists():
                raise FileExistsError(f"There is a recording in {folder} already")
        self._writer = writer
        self._folder = folder
        self._clock = Clock()
        (folder / "cam0" / "data").mkdir(parents=True)
        self._frames = Rows(folder / "cam0" / "data.csv", CAMERA_HEADER)
        self._samples = Rows(folder / "imu0" / "data.csv", IMU_HEADER)
        self._size: tuple[int, int] | None = None

    def add_sample(self, sample: Mapping[str, Any], now: int) -> None:
        """Write a sample of the VI-SLAM project's data model; `now`: the PC's, in nanoseconds."""
        time = int(sample["timestamp_ns"])
        self._clock.sample_came(time, now)
        if self._samples.has_room(time):
            row = ",".join([str(time), *(repr(float(sample[name])) for name in IMU_FIELDS)])
            self._writer.put(lambda: self._samples.add(f"{row}\n"))

    def add_frame(self, frame: VideoFrame, now: int) -> None:
        """Write a frame; `now`: the PC's time, in nanoseconds."""
        if frame.pts is None or frame.time_base is None:
            return
        time = self._clock.frame_came(int(frame.pts * frame.time_base * NS), now)
        if time is None or not self._frames.has_room(time):
            return
        self._size = self._size or (frame.width, frame.height)
        width, height = self._size

        def write() -> None:
            name = f"{time}.png"
            same_size = frame.reformat(width=width, height=height)
            write_png(same_size, self._folder / "cam0" / "data" / name, "gray")
            self._frames.add(f"{time},{name}\n")

        self._writer.put_frame(write)

    def close(self) -> None:
        """Nothing more comes: wait until all is written, and what sensors it was.

        Raises:
            OSError: it could not be written.
        """
        done = threading.Event()
        self._writer.put(self._finish)
        self._writer.put(done.set)
        while not done.wait(0.1):
            self._writer.put(done.set)  # which raises what went wrong

    def _finish(self) -> None:
        width, height = self._size or (0, 0)
        camera = f"rate_hz: {self._frames.rate:.3f}\nresolution: [{width}, {height}]\n"
        (self._folder / "cam0" / "sensor.yaml").write_text(
            f"sensor_type: camera\n{UNKNOWN}{camera}"
        )
        imu = f"rate_hz: {self._samples.rate:.3f}\n"
        (self._folder / "imu0" / "sensor.yaml").write_text(f"sensor_type: imu\n{UNKNOWN}{imu}")
        self._frames.close()
        self._samples.close()

    def summary(self) -> str:
        """Return what is there, in words."""
        return f"{self._frames.count} frames and {self._samples.count} samples in {self._folder}"


def free_folder(folder: Path) -> Path:
    """Return a folder without a recording: this one, or its name with a number."""
    names = [folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, 1000))]
    return next(one for one in names if not (one / "cam0").exists())
