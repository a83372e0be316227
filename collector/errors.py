"""What can keep the collector from working; each message says what to do."""


class CollectorError(Exception):
    """Base of all."""


class StoreError(CollectorError):
    """The store cannot be used; the message names the file."""


class RefusedError(StoreError):
    """The store refused what was to be done: nothing of it is done, and all else goes on."""


class ListenError(CollectorError):
    """The collector cannot listen where it should; the message says who does."""


class TrustError(CollectorError):
    """Who may send cannot be known or changed; the message says why."""


class CertificateError(CollectorError):
    """A certificate cannot be made; the message says why."""


class WebError(CollectorError):
    """What is asked of the HTTP door cannot be done; the message says why."""


class AlertError(CollectorError):
    """What is asked of the alerts cannot be done; the message says why."""
