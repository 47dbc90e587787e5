"""Asks the nodes of a cluster, and waits for their answers. No I/O, no clock."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from twisted_signal.admin.answering import ThisNode
from twisted_signal.admin.later import Later
from twisted_signal.admin.questions import ANSWERS, AnyQuestion, Asked, Question
from twisted_signal.cluster.base import Cluster

Said = TypeVar("Said")


class Round:
    """Questions to some nodes on one occasion.

    Whoever does not answer one of them in time is not asked again, so that nobody waits for it
    twice.

    Attributes:
        names: of the nodes that are asked, in order.
        missing: of those that did not answer.
        is_live: see `questions.Asked`.
    """

    def __init__(
        self,
        cluster: Cluster,
        node: ThisNode,
        names: list[str],
        missing: list[str],
        *,
        is_live: bool,
    ) -> None:
        """
        Args:
            cluster: asks the others.
            node: this one, which answers at once.
            names: of the nodes to ask.
            missing: of those that cannot be asked.
            is_live: it is one of many.
        """
        self._cluster = cluster
        self._node = node
        self.names = names
        self.missing = missing
        self.is_live = is_live
        # What is asked of this node alone comes at once, and whoever looks measures what it costs.
        self._own = node.say if names == [node.name] else node.say_again

    def earlier(self, name: str) -> tuple[str, ...]:
        """Return those before a node, among the nodes that are asked: see `inventory`."""
        return tuple(each for each in self.names if each < name)

    async def ask_all(self, question: Callable[[str], Question[Said]]) -> dict[str, Said]:
        """Ask all of them; see `ask`. `question`: returns what to ask the node of that name."""
        return await self.ask({name: question(name) for name in self.names})

    async def ask(self, questions: Mapping[str, Question[Said]]) -> dict[str, Said]:
        """Return the answers of those that answer, by their names, in the order of the questions.

        Args:
            questions: by the name of the node.
        """
        answers: dict[str, Said] = {}
        left = len(questions)
        all_there = Later[None]()

        def answered(name: str, question: Question[Said], data: bytes | None) -> None:
            nonlocal left
            left -= 1
            if data:
                with suppress(msgspec.DecodeError):  # of a node of another release
                    answers[name] = ANSWERS[type(question)].decode(data)
            if left == 0:
                all_there.come(None)

        for name, question in questions.items():
            asked = Asked(_any(question), self.is_live)
            if name == self._node.name:
                answers[name] = self._own(asked)
                left -= 1
            else:
                sent = msgspec.json.encode(asked)
                self._cluster.ask(name, sent, partial(answered, name, question))
        if left:
            await all_there
        self.leave_out([name for name in questions if name not in answers])
        return {name: answers[name] for name in questions if name in answers}

    def leave_out(self, silent: list[str]) -> None:
        """Ask some no more, as they do not answer."""
        self.missing += silent
        self.names = [name for name in self.names if name not in silent]


def _any(question: Question[Any]) -> AnyQuestion:
    """Return a question as what it is: one of all there are."""
    assert isinstance(question, AnyQuestion)
    return question
