"""What the server's log tells of: each event's text for people, and its name and fields for
programs. docs/logs.md lists them.

A name is kept as long as what it stands for, whatever becomes of the text.
"""

from typing import Self


class Event(str):
    """The text of a line in the log, as a %-format, for what happens.

    Attributes:
        name: the event's, in any language.
        fields: names for what is put into the text, in its order. An empty one: it is no field,
            for it is said of whom the line is about anyway.
    """

    __slots__ = ("fields", "name")

    fields: tuple[str, ...]
    name: str

    def __new__(cls, text: str, name: str, *fields: str) -> Self:
        """Make an event of its text, its name and its fields."""
        event = super().__new__(cls, text)
        event.name = name
        event.fields = fields
        return event


def name_of(event: object) -> str:
    """Return the name of an event; `log` for any other text."""
    return event.name if isinstance(event, Event) else "log"


# Clients and rooms

CONNECTED = Event("Connected: %s, path %s", "connected", "", "path")
CLIENT_REGISTERED = Event(
    "Client registered: %s (%s) in room %s", "client_registered", "client", "client_type", "room"
)
CLIENT_RESUMED = Event(
    "Client resumed: %s in room %s, with %d messages that it missed",
    "client_resumed",
    "client",
    "room",
    "missed",
)
ID_CLAIMED = Event(
    "%s wants to be %s in room %s: asking whether that one is alive",
    "id_claimed",
    "",
    "claimed_client",
    "claimed_room",
)
CLIENT_SENT_AWAY = Event("Client sent away by the operator: %s", "client_sent_away", "client")
CLIENT_REPLACED = Event("Client replaced: %s, room %s", "client_replaced", "client", "room")
CONNECTION_LOST = Event(
    "Connection lost: %s, room %s keeps its place", "connection_lost", "client", "room"
)
CLIENT_LEFT = Event("Client left: %s, room %s", "client_left", "client", "room")
CLIENT_REPORT = Event("Reported by %s: %s", "client_report", "", "report")
DISCONNECTED = Event("Disconnected: %s, code %s%s", "disconnected", "", "code", "reason")
ROOM_OPENED = Event("Room opened: %s", "room_opened", "room")
ROOM_CLOSED = Event("Room closed: %s", "room_closed", "room")

# Calls

RELAYED = Event("Relayed %s from %s to %s", "relayed", "type", "client", "target")
KEPT = Event("Kept %s from %s: nobody else is in room %s yet", "kept", "type", "client", "room")
NOT_RELAYED = Event("No message from %s to %s: %s", "not_relayed", "client", "target", "reason")

# What is refused, and whom the server parts with

REFUSED = Event("Refused %s: %s", "refused", "", "reason")
MORE_REFUSED = Event("Refused %d more of these, the last: %s", "more_refused", "count", "last")
CLOSING = Event("Closing the connection of %s: %s %s", "closing", "", "code", "reason")
DROPPING = Event("Dropping the connection of %s: %s", "dropping", "", "reason")
NO_WEBSOCKET = Event(
    "No WebSocket came of the connection from %s: %s", "no_websocket", "", "reason"
)
ADMIN_REQUESTED = Event("Admin %s %s: %s", "admin_requested", "method", "path", "status")
PAGE_REQUESTED = Event("Page %s: %s", "page_requested", "path", "status")
LINES_LEFT_OUT = Event(
    "Left out %d lines; %d of them were about %s, the last of these: %s",
    "lines_left_out",
    "count",
    "most",
    "address",
    "last",
)

# The server

LISTENING = Event("Listening on %s", "listening", "url")
LISTENING_FAILED = Event("Listening failed: %s", "listening_failed", "reason")
STOPPING = Event("%s, stopping", "stopping", "reason")
TERMINAL_CLOSED = Event(
    "%s received, as the terminal is closed: stopping", "terminal_closed", "signal"
)
RELOADING = Event("%s received, reloading", "reloading", "signal")
NOTHING_TO_RELOAD = Event("%s received, nothing to reload", "nothing_to_reload", "signal")
ANYBODY_MAY_ENTER = Event(
    "Anybody who reaches this server may enter its rooms%s%s: --auth-secret-file asks for tokens%s",
    "anybody_may_enter",
)
ANNOUNCED = Event("Announced as %s (%s) on port %d", "announced", "name", "service", "port")
NOT_ANNOUNCED = Event("The server could not be announced: %s", "not_announced", "reason")
FEW_FILES = Event(
    "This process may open %d files, too few for --max-clients %d: raise the limit"
    " (ulimit -n, or LimitNOFILE= of systemd)",
    "few_files",
    "may_open",
    "max_clients",
)
FILE_LIMIT_STAYS = Event(
    "The limit of open files stays at %d: %s", "file_limit_stays", "may_open", "reason"
)
NO_FILES_LEFT = Event(
    "New connections wait until others end: %s (this process may open %d)",
    "no_files_left",
    "reason",
    "may_open",
)
ADMIN_LISTENING = Event("Admin page on %s", "admin_listening", "url")
ADMIN_NOT_LISTENING = Event("There is no admin page: %s", "admin_not_listening", "reason")
CONFIGURATION_SAME = Event("No option has changed", "configuration_same")
CONFIGURATION_UNUSABLE = Event(
    "The configuration stays as it was: %s", "configuration_unusable", "reason"
)
OPTION_APPLIED = Event("Applied: %s, %s → %s", "option_applied", "option", "before", "after")
OPTION_NOT_APPLIED = Event(
    "Not applied: %s, %s → %s, needs a restart", "option_not_applied", "option", "before", "after"
)
NOTIFY_SOCKET_UNUSABLE = Event(
    "NOTIFY_SOCKET is no local socket: %s", "notify_socket_unusable", "value"
)
WATCHDOG_UNUSABLE = Event("WATCHDOG_USEC is no number: %s", "watchdog_unusable", "value")
MANAGER_NOT_TOLD = Event(
    "The service manager cannot be told anything: %s", "manager_not_told", "reason"
)

# Workers

WORKER_STARTED = Event("Worker %d is process %d", "worker_started", "number", "process")
WORKER_READY = Event("Worker %d is ready", "worker_ready", "number")
WORKER_SAID = Event("Worker %d wrote: %s", "worker_said", "number", "line")
WORKER_ENDED = Event(
    "Worker %d (process %d) has ended: %s; another one starts in %.1f s",
    "worker_ended",
    "number",
    "process",
    "reason",
    "wait",
)
WORKER_STOPPED = Event(
    "Worker %d (process %d) has stopped: %s", "worker_stopped", "number", "process", "reason"
)
WORKER_STUCK = Event(
    "Worker %d (process %d) has said nothing for %d s: it is killed",
    "worker_stuck",
    "number",
    "process",
    "silent",
)
WORKER_NOT_STARTED = Event(
    "Worker %d cannot be started: %s; tried again in %.1f s",
    "worker_not_started",
    "number",
    "reason",
    "wait",
)
WORKER_NOT_ASKED = Event("Worker %d does not answer: %s", "worker_not_asked", "number", "reason")

# Other nodes

REDIS_CONNECTED = Event("In the cluster at %s, as node %s", "redis_connected", "redis", "node")
REDIS_AWAY = Event("Redis is away: %s", "redis_away", "reason")
REDIS_BACK = Event("Redis is back after %.1f s", "redis_back", "seconds")
NODE_GONE = Event("Node %s is gone: it was not heard for too long", "node_gone", "node")
PLACE_HANDED_OVER = Event(
    "%s in room %s goes on at node %s", "place_handed_over", "client", "room", "node"
)
PLACE_TAKEN_OVER = Event(
    "%s in room %s is kept here now, for its client to come back",
    "place_taken_over",
    "client",
    "room",
)

# Certificates and keys

CERTIFICATE_MADE = Event("Made a certificate for this machine: %s", "certificate_made", "path")
CERTIFICATE = Event(
    "The certificate is valid until %s, SHA-256 %s", "certificate", "expires", "sha256"
)
CERTIFICATE_CHANGED = Event(
    "The certificate is now valid until %s, SHA-256 %s", "certificate_changed", "expires", "sha256"
)
CERTIFICATE_SAME = Event("The certificate is the one from before", "certificate_same")
CERTIFICATE_UNUSABLE = Event(
    "The certificate stays as it was: %s", "certificate_unusable", "reason"
)
CERTIFICATE_EXPIRES = Event("The certificate expires in %.1f days", "certificate_expires", "days")
CERTIFICATE_EXPIRED = Event(
    "The certificate has expired: clients will not connect", "certificate_expired"
)
KEYS_READ = Event("The keys for tokens were read again", "keys_read")
KEYS_UNUSABLE = Event("The keys for tokens stay as they were: %s", "keys_unusable", "reason")
TURN_SECRET_READ = Event("The secret for TURN was read again", "turn_secret_read")
TURN_SECRET_UNUSABLE = Event(
    "The secret for TURN stays as it was: %s", "turn_secret_unusable", "reason"
)
ADMIN_TOKEN_READ = Event("The token of the admin endpoint was read again", "admin_token_read")
ADMIN_TOKEN_UNUSABLE = Event(
    "The token of the admin endpoint stays as it was: %s", "admin_token_unusable", "reason"
)

# Mistakes of the server's own, with a traceback

MESSAGE_FAILED = Event("A message from %s could not be handled", "message_failed")
ADMIN_REQUEST_FAILED = Event(
    "A request to the admin endpoint could not be answered", "admin_request_failed"
)
ADMIN_QUESTION_FAILED = Event(
    "A question of another node's admin endpoint could not be answered", "admin_question_failed"
)
ADMIN_STREAM_FAILED = Event("What is new could not be told to a reader", "admin_stream_failed")
PAGE_FAILED = Event("A request for a page could not be answered", "page_failed")
CLUSTER_FAILED = Event("What was heard of the cluster could not be handled", "cluster_failed")
CONNECTION_FAILED = Event("A connection failed", "connection_failed")
CONNECTION_END_FAILED = Event("A connection did not end as it should", "connection_end_failed")
SENDING_FAILED = Event("What waited for a client could not be sent", "sending_failed")
RELOAD_FAILED = Event("Reloading failed", "reload_failed")
CERTIFICATE_CHECK_FAILED = Event(
    "The certificate could not be looked after", "certificate_check_failed"
)
