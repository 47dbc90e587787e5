import dataclasses

import pytest

from twisted_signal.limits import Limits


def test_every_limit_has_a_meaning_and_a_largest_value() -> None:
    for limit in dataclasses.fields(Limits):
        assert limit.metadata["meaning"].count("0: ") == 1, limit.name
        assert limit.default <= limit.metadata["largest"], limit.name


def test_a_whole_call_at_once_is_far_below_the_limits() -> None:
    limits = Limits()
    messages = 2 + 100  # register, SDP, candidates, as one side sends them

    assert messages < limits.message_burst <= limits.frame_rate
    assert limits.max_buffer > 256 * 100 + 64 * 1024


def test_limits_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().frame_rate = 0  # type: ignore[misc] # that it cannot be done is what is tested
