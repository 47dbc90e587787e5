import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import nested

from twisted_signal.nesting import MAX_NESTING, is_too_deep


@pytest.mark.parametrize(
    "data", [b'"' + b'\\"' * 500_000, b"[" * 31 + b'"' * 500_000, b"[" * 1000 + b"]" * 1000]
)
def test_a_text_of_any_kind_takes_linear_time(data: bytes) -> None:
    is_too_deep(b"[]" * 40 + data)  # quadratic time would be hours


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
    return 0


deep_values = st.recursive(
    st.text('"\\[]{}a') | st.integers(0, 9),
    lambda inner: (
        st.builds(
            lambda value, depth, arrays: nested(value, depth, arrays=arrays),
            inner,
            st.integers(1, 20),
            st.booleans(),
        )
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.text('"\\[]{}a', max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)


@given(deep_values, st.sampled_from([0, 1]))
def test_the_depth_is_that_of_the_values(value: object, indent: int) -> None:
    data = msgspec.json.format(msgspec.json.encode(value), indent=indent)

    assert is_too_deep(data) is (depth_of(value) > MAX_NESTING)
