"""The line that `systemctl status` shows of the collector: how it stands, trouble first hand. Pure."""

from collections.abc import Collection, Sequence

from service.spoken import size, some, status


def status_line(
    connected: Collection[str],
    known: Collection[str],
    store_bytes: int,
    listen: str,
    is_space_low: bool = False,
    duplicates: Collection[str] = (),
    troubles: Sequence[str] = (),
) -> str:
    """Say how the collector stands.

    Args:
        connected: the devices with a session.
        known: those that it may expect; of one that was not heard of before, only that it is here.
        store_bytes: what the store takes on disk.
        is_space_low: there is less free than the floor.
        duplicates: the names that two devices use at a time.
        troubles: what else somebody should know, such as a file that is not in force.
    """
    expected = len({*connected, *known})
    parts = [_devices(len(connected), expected), f"store {size(store_bytes)}", listen]
    if is_space_low:
        parts.insert(0, "too little space (store.min_free): nothing is accepted")
    if duplicates:
        parts.append(f"two devices use the name {some(sorted(duplicates))}")
    return status(parts, troubles)


def _devices(connected: int, expected: int) -> str:
    if not expected:
        return "no device yet"
    return f"{connected} of {'1 device' if expected == 1 else f'{expected} devices'} connected"
