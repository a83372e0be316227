"""telegauge-collector schema: the JSON Schema of the YAML, for editors."""

import argparse

HELP = "print the JSON Schema of collector.yaml"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(_options: argparse.Namespace) -> int:
    """Print the schema."""
    from collector.settings import CollectorSettings
    from config import schema

    print(schema.text(CollectorSettings), end="")
    return 0
