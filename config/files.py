"""Which YAML is in force: the one named, else the one installed, else the one shipped.

Reads none of them.
"""

from pathlib import Path

INSTALLED = Path("/etc/telegauge")


def chosen(argument: str | None, name: str, installed: Path = INSTALLED) -> Path:
    """Return the file to load: `argument` where given, else `name` installed, else as shipped."""
    if argument is not None:
        return Path(argument)
    file = installed / name
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return shipped(name)
    except OSError:
        pass  # it may be there: whoever loads it says why it cannot be read
    return file


def shipped(name: str) -> Path:
    """Return where a file that is shipped with the programs lies, such as device.yaml."""
    return Path(__file__).with_name(name)
