"""Loads YAML into settings and explains what is wrong with it; holds the YAML that is shipped.

Knows no setting: the types are `device.settings` and `collector.settings`.
"""

from config.files import chosen, shipped
from config.load import load
from config.problems import ConfigError, Problem

__all__ = ["ConfigError", "Problem", "chosen", "load", "shipped"]
