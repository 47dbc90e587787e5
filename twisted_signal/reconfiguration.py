"""Takes what has changed in the file of options while the server runs."""

from collections.abc import Callable, Iterable, Iterator

from twisted_signal import event_log, events, logs
from twisted_signal.config.rendering import shown
from twisted_signal.config.settings import ConfigError, Setting
from twisted_signal.descriptors import raise_limit
from twisted_signal.option_table import BY_NAME
from twisted_signal.options import Options
from twisted_signal.server import SignalFactory

log = event_log.logger(__name__)

TOKENS = frozenset({"auth-secret-file", "auth-public-key-file"})
TLS = frozenset({"tls-cert", "tls-key", "self-signed", "state-dir"})


class FileReload:
    """Reads the file again, and takes all of it that can change, or nothing."""

    def __init__(self, options: Options, others: Iterable[Callable[[], None]] = ()) -> None:
        """
        Args:
            options: what holds now. They follow what is applied.
            others: what else is to be done then.
        """
        self._options = options
        self._others = list(others)

    def reload(self) -> None:
        """Take what has changed, and log what became of it."""
        running = self._options
        try:
            fresh = running.renewed(running.sources.read())
        except ConfigError as error:
            log.warning(events.CONFIGURATION_UNUSABLE, error)
            return
        changed = {
            name: setting
            for name, setting in fresh.settings.items()
            if setting.value != running.settings[name].value
        }
        stuck = set(self._stuck(fresh)) & set(changed)
        for name, setting in changed.items():
            self._tell(name, setting, is_applied=name not in stuck)
        if not changed:
            log.info(events.CONFIGURATION_SAME)
        self.apply(fresh)
        logs.set_level(fresh.log_level)
        running.follow(fresh, stuck)
        for reload in self._others:
            reload()

    def apply(self, fresh: Options) -> None:
        """Let what runs follow. `fresh`: options that hold from now on."""

    def _stuck(self, fresh: Options) -> Iterator[str]:
        """Yield the options that cannot change while the server runs."""
        running = self._options
        yield from (name for name, option in BY_NAME.items() if not option.is_live)
        if (running.key_files is None) != (fresh.key_files is None):
            yield from TOKENS  # those who are in would stay in without one
        if (running.renewal is None) != (fresh.renewal is None):
            yield from TLS  # a port would have to open, or to close

    def _tell(self, name: str, setting: Setting, *, is_applied: bool) -> None:
        before, after = shown(self._options.settings[name].value), shown(setting.value)
        if is_applied:
            log.info(events.OPTION_APPLIED, name, before, after)
        else:
            log.warning(events.OPTION_NOT_APPLIED, name, before, after)


class Reconfiguration(FileReload):
    """Lets a server take what has changed in the file."""

    def __init__(
        self, options: Options, factory: SignalFactory, others: Iterable[Callable[[], None]] = ()
    ) -> None:
        """
        Args:
            options: see FileReload, as for `others`.
            factory: the server that follows.
        """
        super().__init__(options, others)
        self._factory = factory

    def apply(self, fresh: Options) -> None:
        """See FileReload."""
        running, factory = self._options, self._factory
        if fresh.limits != running.limits:
            factory.set_limits(fresh.limits)
            raise_limit(fresh.limits.max_clients)
        factory.registry.duplicate_id = fresh.duplicate_id
        factory.origins, factory.proxies = fresh.origins, fresh.proxies
        if running.key_files is not None and fresh.key_files is not None:
            running.key_files.take(fresh.key_files)
            log.info(events.KEYS_READ)
        running.relays.take(fresh.relays)
        if running.relays.is_turn:
            log.info(events.TURN_SECRET_READ)
        if running.renewal is not None and fresh.renewal is not None:
            running.renewal.take(fresh.renewal)
