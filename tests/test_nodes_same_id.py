"""Two nodes are asked for the same id at the same moment."""

from pathlib import Path

from caller import Caller
from nodes import nodes
from redis_server import RedisServer

TIMES = 1000


def test_one_of_two_who_claim_an_id_at_the_same_moment_gets_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    options = ("--duplicate-id", "reject", "--message-burst", "1000000", "--log-level", "INFO")
    with (
        nodes(redis.url, redis.url, cwd=tmp_path, options=options) as started,
        Caller(started[0].url) as one,
        Caller(started[1].url) as other,
    ):
        winners = []
        for number in range(TIMES):
            room = f"room-{number}"
            claimants = [one, other] if number % 2 else [other, one]
            for claimant in claimants:
                claimant.say(type="register", client_id="same", room_id=room)
            answers = {claimant: hear_answer(claimant) for claimant in claimants}
            (winner,) = (who for who, told in answers.items() if told["type"] == "registered")
            (loser,) = (told for told in answers.values() if told["type"] == "error")
            assert answers[winner] == {
                "type": "registered",
                "client_id": "same",
                "room_id": room,
                "peers": [],
            }
            assert loser["code"] == "id_taken"
            winners.append(winner)
        assert one in winners
        assert other in winners


def hear_answer(claimant: Caller) -> dict[str, object]:
    """Return the answer to a claim."""
    answer: dict[str, object] = claimant.hear()
    return answer
