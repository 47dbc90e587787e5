from twisted_signal import errors
from twisted_signal.errors import SignalError


def test_every_error_has_a_code_of_the_protocol() -> None:
    codes = {error.code for error in SignalError.__subclasses__()}

    assert codes >= {
        "invalid_json",
        "invalid_message",
        "unknown_type",
        "not_registered",
        "id_taken",
        "peer_not_found",
        "unauthorized",
        "forbidden",
    }


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    assert errors.__doc__ is not None
    for error in SignalError.__subclasses__():
        if error.__module__ == errors.__name__:
            assert f"{error.__name__} " in errors.__doc__


def test_names_in_a_sentence_cannot_break_it() -> None:
    error = errors.IdTaken("a\x1b[31m", "room\nx")

    assert str(error).isprintable()


def test_of_many_names_a_few_are_told() -> None:
    few = errors.TargetUnclear("lab", [f"pc{number}" for number in range(8)])
    many = errors.TargetUnclear("lab", [f"pc{number}" for number in range(60)])

    assert "pc0, pc1, pc2, pc3, pc4, pc5, pc6, pc7." in str(few)
    assert "pc0, pc1, pc2, pc3, pc4, pc5, pc6, pc7, …." in str(many)
