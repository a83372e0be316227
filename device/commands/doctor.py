"""telegauge-device doctor: what on this machine keeps sensors from being read, and what mends it."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli import FAILED, GOOD, add_json, to_json

if TYPE_CHECKING:
    from device.doctor.finding import Finding

HELP = "look this machine over: what keeps sensors from being read, and what mends it"
_COLUMNS = (9, 11)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --bus, --json, and for recorded machines --root."""
    parser.add_argument(
        "--bus",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="scan /dev/i2c-N too (else: the bus of a Pi's header, and those that sensors name)",
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print each finding as it comes; 1 if something is bad."""
    findings = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            print("\n".join(_lines(finding)), flush=True)
    counts = Counter(finding.level.value for finding in findings)
    if options.json:
        print(to_json(findings))
    else:
        print(f"\n{counts['bad']} bad, {counts['warning']} to look at, {counts['good']} good")
    return FAILED if counts["bad"] else GOOD


def _findings(options: argparse.Namespace) -> "Iterator[Finding]":
    from device.doctor.examination import examine
    from device.doctor.patient import patient_of
    from device.doctor.place import Place, run_nothing

    is_here = options.root == Path("/")
    place = Place() if is_here else Place(options.root, run_nothing)
    patient, findings = patient_of(place, options.config, options.bus)
    yield from findings
    yield from examine(place, patient)


def _lines(finding: "Finding") -> list[str]:
    level, subject = (
        text.ljust(width)
        for text, width in zip((finding.level.value, finding.subject), _COLUMNS, strict=True)
    )
    indent = " " * sum(_COLUMNS)
    more = [f"  {line}" for line in finding.mend.splitlines()]
    if finding.paste:
        more += ["for `sensors:` in device.yaml:", *finding.paste.splitlines()]
    return [f"{level}{subject}{finding.message}", *(indent + line for line in more)]
