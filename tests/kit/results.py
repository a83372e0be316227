"""What long tests found, a line each, in the file that TELEGAUGE_RESULTS names; else nowhere.

A run that was broken off goes on where it ended: what is in the file is not done again.
"""

import json
import os
from pathlib import Path


class Results:
    """The results of one test."""

    def __init__(self, test: str) -> None:
        self._test = test
        name = os.environ.get("TELEGAUGE_RESULTS")
        self._file = Path(name) if name else None
        self._done = {json.dumps(each["case"]) for each in self._read() if each["test"] == test}

    def has(self, case: object) -> bool:
        """Whether a case was done in an earlier run."""
        return json.dumps(case) in self._done

    def add(self, case: object, **facts: object) -> None:
        """Note what came of a case."""
        if self._file is not None:
            line = json.dumps({"test": self._test, "case": case, **facts})
            with self._file.open("a") as file:
                file.write(line + "\n")

    def _read(self) -> list[dict[str, object]]:
        if self._file is None or not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines()]
