"""Clients that want a place, while all nodes decide about it: by a script, or where it is kept."""

from typing import NamedTuple

from twisted_signal.claim import Claim
from twisted_signal.cluster.base import Found, Joined, Taken
from twisted_signal.cluster.remote import RemoteClient
from twisted_signal.cluster.replicas import Replicas
from twisted_signal.cluster.scripts import LOST, Reply, ignore, token_of
from twisted_signal.cluster.state import NodeState
from twisted_signal.cluster.wire import Entered, Record, read_record
from twisted_signal.errors import ResumeExpired, RoomFull, Unavailable
from twisted_signal.messages import Register, Resume
from twisted_signal.registry import Owner

PATIENCE_S = 5
"""Seconds that a claim waits for the other nodes."""
RETRY_MS = 2000
"""Milliseconds after which a client may try again."""
AGAIN = 0.3
"""Seconds after which it is asked again where a place is."""
LATE = 1.5
"""The same, where its node has said that it hands the place over."""


class Join(NamedTuple):
    """A claim to an id in a room. `due_at`: until when it waits, in seconds."""

    claim: Claim
    owner: Owner
    answered: Joined
    due_at: float


class Search:
    """A claim to a place that is kept on another node.

    Attributes:
        due_at: until when it waits, in seconds.
        again_at: when it is asked again where the place is; None: an answer is to come.
        client: what is said to it here meanwhile waits.
        refused_by: the node that said last that it has no place for that token.
    """

    __slots__ = ("again_at", "claim", "client", "due_at", "found", "refused_by", "token")

    def __init__(self, claim: Claim, token: str, found: Found, due_at: float) -> None:
        self.claim = claim
        self.token = token
        self.found = found
        self.due_at = due_at
        self.again_at: float | None = None
        self.client: RemoteClient | None = None
        self.refused_by: str | None = None


class Joining:
    """What is being decided for clients of this node."""

    def __init__(self, state: NodeState, replicas: Replicas) -> None:
        self._state = state
        self._replicas = replicas
        self._joins: dict[str, Join] = {}  # by the place that it is about
        self._searches: dict[str, Search] = {}  # by the token

    # A place in a room

    def join(self, claim: Claim, owner: Owner, answered: Joined) -> None:
        """See Cluster."""
        if claim.place is not None:  # it is another id that it wants now, or somebody gives way
            self._joins.pop(claim.place, None)
        claim.place = self._state.new_place()
        due_at = self._state.now + PATIENCE_S
        self._joins[claim.place] = join = Join(claim, owner, answered, due_at)
        if self._state.is_up:
            self._ask(join)

    def entered(self, item: Entered) -> None:
        """A client may enter a room."""
        record = item.record
        join = self._joins.pop(record.place, None)
        is_known = item.room_id in self._state.registry.rooms
        if join is not None and item.records is None and not is_known:
            # Who was in the room here has left meanwhile, and what is known of the room with them.
            self._joins[record.place] = join
            self._ask(join)
            return
        if item.records is not None:
            owner = join.owner if join is not None else None
            self._replicas.learn(item.room_id, item.records, owner)
        holder = self._state.registry.holder(item.room_id, record.client_id)
        member = join.answered(None) if join is not None else None
        if holder is not None and holder.node is None and holder.owner.member is not holder:
            self._state.forget(holder)  # it gave way
        if member is None or member.owner.member is not member:  # it does not want it any more
            self._state.scripts.leave(item.room_id, record.client_id, record.place, ignore)
            self._replicas.put_back(item.room_id)  # the client keeps what it was to give up
            self._replicas.close_if_empty(item.room_id)
            return
        self._state.places[record.place] = member
        if (member.client_type, token_of(member)) != (record.client_type, record.resume_token):
            self._state.scripts.change(member, ignore)  # the client has said so meanwhile

    def _ask(self, join: Join) -> None:
        claim, message, leaving = join.claim, join.claim.message, join.owner.member
        assert isinstance(message, Register)
        assert claim.place is not None
        assert claim.client_id is not None
        place, given_up = claim.place, ("", "")
        if leaving is not None and leaving.room.room_id == message.room_id:
            given_up = (leaving.client_id, str(leaving.place))
        self._state.scripts.join(
            (
                message.room_id,
                claim.client_id,
                place,
                message.client_type,
                claim.now_ns // 1_000_000,
                claim.resume_token or "",
            ),
            self._state.registry.limits.max_room_size,
            str(claim.instead_of.place) if claim.instead_of is not None else "",
            given_up,
            lambda reply: self._answered(place, reply),
        )

    def _answered(self, place: str, reply: Reply) -> None:
        join = self._joins.get(place)
        if join is None or reply is LOST or not isinstance(reply, list):
            return  # it is asked again, or it has entered: it hears of that with all else
        del self._joins[place]
        message = join.claim.message
        assert isinstance(message, Register)
        if reply[0] == b"full":
            join.answered(RoomFull(message.room_id, reply[1]))
        else:
            holder = self._replicas.holder(message.room_id, read_record(reply[1]))
            join.answered(Taken(holder))

    # A place that is kept

    def find(self, claim: Claim, found: Found) -> None:
        """See Cluster."""
        assert isinstance(claim.message, Resume)
        token = claim.message.resume_token
        before = self._searches.get(token)
        search = Search(claim, token, found, self._state.now + PATIENCE_S)
        self._searches[token] = search
        if before is not None:
            before.found(ResumeExpired())  # a token works once
        if self._state.is_up:
            self._look(search)

    def handed(self, token: str) -> None:
        """A place is here."""
        search = self._searches.pop(token, None)
        if search is not None:
            self._let_go(search)  # what was said by who has left since goes the long way
            search.found(None)

    def _look(self, search: Search) -> None:
        self._let_go(search)
        search.again_at = None
        self._state.scripts.find(search.token, lambda reply: self._seen(search, reply))

    def _seen(self, search: Search, reply: Reply) -> None:
        if self._searches.get(search.token) is not search or reply is LOST:
            return
        record = read_record(reply[1]) if reply else None
        if record is None or self._is_refused(search, record):
            del self._searches[search.token]
            search.found(ResumeExpired())
            return
        if record.node == self._state.name or not reply[2]:
            self._look_again(search)  # it is on its way here, or its node is gone
            return
        # What is said to it here from now on must come after what has been.
        search.client = self._replicas.hold(record.place)

        def answered(text: str | None) -> None:
            if self._searches.get(search.token) is not search:
                return
            if text == "yes":
                # It is on its way, unless the way between that node and Redis has just broken.
                search.again_at = self._state.now + LATE
            elif text == "no":
                search.refused_by = record.node  # unless the place has just gone elsewhere
                self._look(search)
            else:
                self._look_again(search)

        self._state.neighbours.ask(record.node, "take", search.token, answered)

    def _is_refused(self, search: Search, record: Record) -> bool:
        """Tell whether the node of a place knows that it is not kept for that token."""
        if record.node == self._state.name:
            return self._state.ours(record.place) is not None
        return record.node == search.refused_by

    def _look_again(self, search: Search) -> None:
        self._let_go(search)
        search.again_at = self._state.now + AGAIN

    def _let_go(self, search: Search) -> None:
        client, search.client = search.client, None
        if client is not None:
            self._replicas.release(client)

    # Time, and the way to the others

    def connected(self) -> None:
        """There is a way again: ask whatever was not answered."""
        for join in list(self._joins.values()):
            self._ask(join)
        for search in list(self._searches.values()):
            self._look(search)

    def tick(self) -> None:
        """Let nobody wait for too long."""
        now = self._state.now
        for place, join in list(self._joins.items()):
            if join.due_at <= now:
                del self._joins[place]
                join.answered(Unavailable(PATIENCE_S, RETRY_MS))
        for token, search in list(self._searches.items()):
            if search.due_at <= now:
                del self._searches[token]
                self._let_go(search)
                search.found(Unavailable(PATIENCE_S, RETRY_MS))
            elif search.again_at is not None and search.again_at <= now and self._state.is_up:
                self._look(search)

    def is_awaited(self, place: str) -> bool:
        """Tell whether it is being decided about a place."""
        return place in self._joins
