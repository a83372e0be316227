"""What ends the agent with a message; light, so that every command can know it."""


class SpoolError(Exception):
    """The spool cannot be used as it is; the message says what to do."""


class JoinError(Exception):
    """The device cannot join, or cannot use what a join gave it; the message says what to do."""


class TokenRefused(JoinError):  # noqa: N818 - named for what is the matter
    """The collector knows the token and does not take it, or does not know it: no use to try again."""
