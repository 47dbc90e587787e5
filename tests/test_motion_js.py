"""The phone page's module that makes samples of a browser's motion events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Browser, Page, visitor
from processes import Server


@pytest.fixture(scope="module")
def page(signal_server: Server, browser: Browser) -> Iterator[Page]:
    with visitor(browser) as user:
        yield user.open(signal_server.url.replace("ws:", "http:") + "/healthz")


def sample(page: Page, event: str) -> Any:
    text = page.evaluate(
        f"""async () => {{
            const {{ sampleText, GravitySign }} = await import("/static/motion.js");
            return sampleText({event}, new GravitySign("Google Inc."));
        }}"""
    )
    return None if text is None else json.loads(text)


def test_units_axes_and_time_are_the_data_models(page: Page) -> None:
    before = page.evaluate("Date.now()")
    found = sample(
        page,
        """{
            accelerationIncludingGravity: { x: 1, y: -2, z: 9.8 },
            rotationRate: { alpha: 180, beta: -90, gamma: 45 },
            timeStamp: performance.now(),
        }""",
    )
    after = page.evaluate("Date.now()")
    assert before - 5 <= found["timestamp_ns"] / 1e6 <= after + 5
    assert found["timestamp_ns"] % 1000 == 0
    assert [found[f"acc_{axis}"] for axis in "xyz"] == [1, -2, 9.8]
    rates = [found[f"gyro_{axis}"] for axis in "xyz"]
    assert rates == pytest.approx([3.14159265, -1.57079633, 0.78539816])


@pytest.mark.parametrize(
    ("acceleration", "rotation"),
    [
        ("null", "null"),
        ("{ x: 1, y: null, z: 1 }", "{ alpha: 1, beta: 1, gamma: 1 }"),
        ("{ x: 1, y: 1, z: 1 }", "{ alpha: null, beta: null, gamma: null }"),
    ],
)
def test_what_no_sensor_measured_is_no_sample(page: Page, acceleration: str, rotation: str) -> None:
    values = f"accelerationIncludingGravity: {acceleration}, rotationRate: {rotation}"
    assert sample(page, f"{{ {values}, timeStamp: 0 }}") is None


@pytest.mark.parametrize(
    ("vendor", "measured", "signs"),
    [
        ("Google Inc.", 9.8, [1, 1]),
        ("Apple Computer, Inc.", -9.8, [-1, -1]),
        # Who is not what it is called is found out by the angles.
        ("Google Inc.", -9.8, [1, -1]),
        ("Apple Computer, Inc.", 9.8, [-1, 1]),
    ],
)
def test_the_sign_of_gravity_is_found(
    page: Page, vendor: str, measured: float, signs: list[int]
) -> None:
    half = 0.5**0.5
    for beta, gamma, up in (
        (0, 0, [0, 0, 1]),
        (90, 0, [0, 1, 0]),
        (-45, 0, [0, -half, half]),
        (0, 90, [-1, 0, 0]),  # turned about its long axis, the screen to the right
    ):
        found = page.evaluate(
            """async ([vendor, beta, gamma, values]) => {
                const { GravitySign } = await import("/static/motion.js");
                const sign = new GravitySign(vendor);
                const before = sign.of(values);
                sign.orient({ beta, gamma });
                for (let look = 0; look < 10; look++) sign.of(values);
                return [before, sign.of(values)];
            }""",
            [vendor, beta, gamma, [measured * axis for axis in up]],
        )
        assert found == signs
