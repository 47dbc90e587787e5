"""What fuzzing starts from and has found once: each file again, and a little beyond."""

from pathlib import Path

import pytest

from fuzz import __main__ as command
from fuzz import engines, targets
from fuzz.supply import Supply
from twisted_signal.dialects import readme
from twisted_signal.registry import Registry

CASES = [
    pytest.param(path, id=f"{name}/{path.name}")
    for name in targets.TARGETS
    for path in targets.cases(name)
]


@pytest.mark.parametrize("path", CASES)
def test_a_case_is_taken_as_it_should_be(path: Path) -> None:
    targets.replay(path)


def test_every_folder_of_cases_belongs_to_a_target() -> None:
    assert {folder.name for folder in targets.CASES.iterdir()} == set(targets.TARGETS)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_variations_of_the_cases_are_taken_as_they_should_be(name: str) -> None:
    assert engines.with_hypothesis(name, 0, examples=300, once=True) >= 100


@pytest.fixture
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(targets, "ROOT", tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(targets, "CRASHES", tmp_path / "crashes")
    return tmp_path / "crashes"


def test_what_is_found_is_kept_and_can_be_replayed(
    crashes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def encode(message: object) -> bytes:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(readme, "_encoder", type("Broken", (), {"encode": staticmethod(encode)}))
        assert command.main(["--engine=hypothesis", "--target=messages", "--seconds=0"]) == 1
        printed = capsys.readouterr()
        (path,) = (crashes / "messages").iterdir()
        assert f"found {path.name}; again with: " in printed.out
        assert "ZeroDivisionError" in printed.err
        assert command.main(["--replay", str(path)]) == 1
        assert "ZeroDivisionError" in capsys.readouterr().err
    assert command.main(["--replay", str(path)]) == 0


def test_a_session_in_two_places_is_found(crashes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    join = Registry.join

    def join_and_stay(self: Registry, owner, *place, now_ns):  # type: ignore[no-untyped-def] # as join
        before, owner.member = owner.member, None
        member = join(self, owner, *place, now_ns=now_ns)
        assert before is None or before.room.members
        return member

    monkeypatch.setattr(Registry, "join", join_and_stay)
    assert command.main(["--engine=hypothesis", "--target=rooms", "--seconds=0"]) == 1


def test_a_token_that_works_twice_is_found(crashes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "new_token", lambda self, before=None: "always the same")
    assert command.main(["--engine=hypothesis", "--target=rooms", "--seconds=0"]) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("messages/none", "fuzz: [Errno 2] No such file or directory"),
        ("nothing/none", "is in no folder that has the name of a target"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, said: str
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "none").touch()
    assert command.main(["--replay", str(tmp_path / path)]) == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_a_supply_means_something_beyond_its_end() -> None:
    supply = Supply(b"\x05\x02ab")
    assert supply.below(4) == 1
    assert supply.text() == "ab"
    assert not supply
    assert supply.choice("xyz") == "x"
    assert supply.rest() == b""
