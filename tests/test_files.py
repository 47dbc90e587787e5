"""Small files, read in bounds."""

from pathlib import Path

import pytest

from twisted_signal.files import UnreadableFile, read_small_file


def test_what_a_file_holds_is_returned_up_to_the_longest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")

    assert read_small_file(path, 4, "file of words") == b"four"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/nowhere/file", "/nowhere/file cannot be read: No such file or directory"),
        ("/", "/ cannot be read: Is a directory"),
        ("/dev/zero", "/dev/zero is longer than any file of words"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("a\nb", r'"a\nb" cannot be read: No such file'),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(name: str, reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read_small_file(Path(name), 4, "file of words")

    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
