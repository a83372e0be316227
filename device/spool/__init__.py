"""The spool: what this device has read and the collector has not acknowledged yet."""

from device.spool.card import CardError
from device.spool.records import EpochFacts, Row
from device.spool.spool import Spool
from device.spool.start import open_spool

__all__ = ["CardError", "EpochFacts", "Row", "Spool", "open_spool"]
