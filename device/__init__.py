"""The device agent: reads sensors on a Pi and streams their readings to a collector."""

PROGRAM = "telegauge-device"
