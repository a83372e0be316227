"""What ends the agent with a message; light, so that every command can know it."""


class SpoolError(Exception):
    """The spool cannot be used as it is; the message says what to do."""
