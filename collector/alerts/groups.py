"""Groups: devices that fell silent together, as the network or the power goes. Pure."""

from collections.abc import Iterable

from collector.alert_settings import SILENCE
from collector.alerts.signals import Level, Signal
from service.spoken import some


class Group:
    """Devices that went away at `away_s`; `silent` are those that are not back, `members` all."""

    def __init__(
        self,
        subject: str,
        away_s: float,
        silent: Iterable[str],
        members: Iterable[str],
        since_ns: int = 0,
    ) -> None:
        self.subject = subject
        self.away_s = away_s
        self.silent = sorted(silent)
        self.members = sorted(members)
        self.are_all = False
        self._since_ns = since_ns

    def join(self, name: str) -> None:
        """Take one more."""
        self.silent = sorted({*self.silent, name})
        self.members = sorted({*self.members, name})

    def signal(self, cause: str = "") -> Signal:
        """Return what is to be said of it; `cause`: why the collector takes nothing."""
        level = Level.ON if self.silent else Level.OFF
        return Signal(
            SILENCE, self.subject, level, self._since_ns, self._words(cause), None,
            tuple(self.members),
        )  # fmt: skip

    def _words(self, cause: str) -> str:
        count, names = len(self.members), some(self.silent or self.members)
        if 0 < len(self.silent) < count:
            return f"still silent of {count} devices that fell silent together: {names}"
        if cause:
            return f"{count} devices are silent, as the collector itself takes nothing ({cause}): {names}"
        if self.are_all:
            return f"all {count} devices are silent: the network or the power may be gone: {names}"
        return f"{count} devices fell silent together: {names}"
