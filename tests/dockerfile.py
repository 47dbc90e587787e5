"""Does what deploy/Dockerfile says without an engine, in a directory of this machine.

Packages of the system are not installed: the machine has Python already.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's name and what follows it, in one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            yield name, rest.strip()


class Context:
    """The files that the engine is given: those of a directory which .dockerignore leaves."""

    def __init__(self, root: Path) -> None:
        self._root = root
        lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def has(self, path: Path) -> bool:
        """Tell whether a file or directory is among them: the last pattern that fits decides."""
        parts = path.relative_to(self._root).parts
        leading = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        left = True
        for pattern in self._patterns:
            bare = pattern.removeprefix("!")
            names = parts if bare.startswith("**/") else leading
            if any(fnmatchcase(name, bare.removeprefix("**/")) for name in names):
                left = pattern.startswith("!")
        return left

    def copy(self, name: str, target: Path) -> None:
        """Copy a file into a directory, or what is in a directory.

        Raises:
            FileNotFoundError: there is no such thing.
        """
        source = self._root / name
        if not self.has(source):
            raise FileNotFoundError(f".dockerignore leaves no {name}")
        if source.is_dir():
            shutil.copytree(source, target, ignore=self._left_out)
        else:
            shutil.copy(source, target)

    def _left_out(self, directory: str, names: list[str]) -> list[str]:
        return [name for name in names if not self.has(Path(directory) / name)]


class Image:
    """What the last stage of a Dockerfile makes.

    Attributes:
        root: the directory that stands for `/`, in all stages.
        bases: the images that the stages begin with.
        settings: the last of each instruction, by its name.
        environment: what ENV sets.
    """

    def __init__(self, dockerfile: str, context: Context, root: Path, python: Path) -> None:
        """
        Args:
            python: stands for `python3`.

        Raises:
            subprocess.CalledProcessError: what RUN says fails.
        """
        self.root = root
        self.bases: list[str] = []
        self.settings: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        directory = root
        for name, text in instructions(dockerfile):
            self.settings[name] = text
            match name:
                case "FROM":
                    self.bases.append(text.split()[0])
                case "WORKDIR":
                    directory = Path(self.here(text))
                    directory.mkdir(parents=True, exist_ok=True)
                case "RUN" if "apt-get" not in text:
                    path = f"{python.parent}:{os.environ['PATH']}"
                    command = ["sh", "-euc", self.here(text)]
                    subprocess.run(command, cwd=directory, check=True, env={"PATH": path})
                case "COPY":
                    self._copy(shlex.split(text), context, directory)
                case "ENV":
                    self.environment |= dict(word.split("=", 1) for word in shlex.split(text))

    def here(self, text: str) -> str:
        """Return a text in which the image's own paths are those of this machine."""
        own = r"(?<![\w./*-])/(?=(?:opt|source|state|var/lib/vislam-signal)\b)"
        return re.sub(own, f"{self.root}/", text)

    def _copy(self, words: list[str], context: Context, directory: Path) -> None:
        options = dict(word[2:].split("=") for word in words if word.startswith("--"))
        *sources, target = (word for word in words if not word.startswith("--"))
        for source in sources:
            if "from" not in options:
                context.copy(source, directory / target)
                continue
            place = Path(self.here(target))
            if Path(self.here(source)) != place:
                shutil.copytree(self.here(source), place, dirs_exist_ok=True)
            if "chown" in options and os.geteuid() == 0:
                os.chown(place, *(int(number) for number in options["chown"].split(":")))

    def command(self, name: str) -> list[str]:
        """Return what `ENTRYPOINT`, `CMD` or `HEALTHCHECK` runs, in the exec form."""
        text = self.settings[name]
        words: list[str] = json.loads(self.here(text[text.index("[") :]))
        return words

    def inside(self, *command: str) -> list[str]:
        """Return a command that runs another one as a container does: its user, its environment."""
        variables = [f"{name}={self.here(value)}" for name, value in self.environment.items()]
        user = as_user(self.settings["USER"])
        return [*user, "env", "--ignore-environment", *variables, *command]


def as_user(numbers: str) -> list[str]:
    """Return what stands before a command that another user is to run, if we may decide that.

    Args:
        numbers: `USER:GROUP`.
    """
    if os.geteuid() != 0:
        return []
    user, group = numbers.split(":")
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
