"""What was measured, a line of JSON each, written as it comes: a long run goes on where it broke off."""

import json
from pathlib import Path
from typing import Any

from benchmarks.compare.trees import load_average


class Results:
    """Figures, each under its case; with a file they are kept there."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.figures: list[dict[str, Any]] = []
        if file is not None and file.exists():
            self.figures = [json.loads(line) for line in file.read_text().splitlines()]

    def has(self, **case: Any) -> bool:
        """Say whether a case was measured."""
        return self.of(**case) is not None

    def of(self, **case: Any) -> dict[str, Any] | None:
        """Return what was measured in a case."""
        return next((each for each in self.figures if case.items() <= each.items()), None)

    def add(self, figure: dict[str, Any]) -> None:
        """Note a figure, and how busy the machine was."""
        figure = figure | {"machine_load": round(load_average(), 2)}
        self.figures.append(figure)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(figure) + "\n")
