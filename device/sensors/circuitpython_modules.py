"""The modules of CircuitPython drivers: found, looked at before they are imported, and imported."""

from collections.abc import Collection, Mapping
from typing import Any

from config.problems import shown
from device.sensors import OptionProblem, SensorError, buses, libraries, source
from device.sensors.options import choices
from device.sensors.source import SourceError


def loaded(module: str, name: str) -> Any:
    """Import a class.

    Raises:
        SensorError: it cannot be; the message says what to install.
    """
    try:
        libraries.findable()
        return getattr(buses.imported(module), name)
    except SourceError as error:
        raise SensorError(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise SensorError(f"{module} needs {error.name}: install that too") from error
        raise SensorError(
            f"the module `{shown(module)}` is not installed: `{libraries.INSTALL} {libraries.package_of(module)}`"
        ) from error
    except AttributeError as error:
        raise SensorError(f"{module} has no class `{shown(name)}`") from error
    except (ImportError, NotImplementedError) as error:
        raise SensorError(f"{module} cannot be imported here: {error}") from error


def problems(
    module: str,
    name: str,
    options: Mapping[str, Any],
    ours: Collection[str],
    given: Collection[str],
) -> list[OptionProblem]:
    """Look at the source, where it is installed, whether a class takes the options that are not `ours`.

    `given` are the arguments that ours are handed to it as.
    """
    try:
        libraries.findable()
        file = source.found(module, libraries.FOLDER).file
    except SourceError:
        return []
    try:
        definition = source.defined(file, name)
    except SourceError as error:
        return [OptionProblem(None, str(error))]
    accepted = None if definition is None else source.keywords(definition)
    if accepted is None or accepted.is_open:
        return []
    theirs = [each for each in accepted.names if each not in given]
    return [
        OptionProblem(
            option,
            f"{name} has no argument `{shown(option)}`."
            + choices(option, [*theirs, *sorted(ours)]),
        )
        for option in options
        if option not in ours and option not in accepted.names
    ]
