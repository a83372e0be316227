"""The rows of devices, and of what they say of their series."""

import sqlite3

from wire.bodies import Describe


class Devices:
    """Devices by their name; the ids are remembered until `forget`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._ids: dict[str, int] = {}

    def forget(self) -> None:
        """Forget what was read, because it was rolled back."""
        self._ids.clear()

    def id_of(self, name: str, now_ns: int) -> int:
        """Return the id of a device, a new one for one never heard of."""
        if name not in self._ids:
            self._database.execute(
                "INSERT INTO device (name, first_heard_ns) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, now_ns),
            )
            row = self._database.execute("SELECT id FROM device WHERE name = ?", (name,))
            self._ids[name] = row.fetchone()[0]
        return self._ids[name]

    def describe(self, device_id: int, description: Describe) -> None:
        """Keep what a device says of its series; what it no longer has stays as it was."""
        self._database.execute(
            "UPDATE device SET label = ? WHERE id = ?", (description.label, device_id)
        )
        self._database.executemany(
            "INSERT INTO series (device, sensor, channel, unit, quantity, decimals, label, driver,"
            " interval_s, max_interval_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " unit = excluded.unit, quantity = excluded.quantity, decimals = excluded.decimals,"
            " label = excluded.label, driver = excluded.driver, interval_s = excluded.interval_s,"
            " max_interval_s = excluded.max_interval_s",
            _series_rows(device_id, description),
        )


def _series_rows(device_id: int, description: Describe) -> list[tuple[object, ...]]:
    return [
        (
            device_id, sensor.name, channel.name, channel.unit, channel.quantity,
            channel.decimals, channel.label or sensor.label, sensor.driver, sensor.interval_s,
            channel.max_interval_s,
        )
        for sensor in description.sensors
        for channel in sensor.channels
    ]  # fmt: skip
