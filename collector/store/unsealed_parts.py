"""Parts of what is not sealed yet: the rows of one device read together, as sealing reads them."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from collector.clock import Known
from collector.store.gathering import Gathered
from collector.store.history import dating_of
from collector.store.parts import Part, datings_of, parts_of
from collector.store.rows import BatchRow
from wire.readings import series_name


def unsealed_parts(device: str, rows: Iterable[BatchRow], pattern: str) -> Iterator[Part | None]:
    """Give what rows of a device hold of the series that match; None for each batch that cannot be read.

    A series and unit is one part, in order of time; those of unknown time are a part each block.
    """
    gathered = Gathered()
    for row in rows:
        if row.dating.known is Known.UNKNOWN:
            yield from parts_of(row, pattern)
        else:
            gathered.take(row)
    for (sensor, channel, unit), columns in gathered.series().items():
        name = series_name(device, sensor, channel)
        if fnmatchcase(name, pattern):
            datings = datings_of((run.readings, dating_of(run)) for run in columns.runs)
            yield Part(name, unit, columns.times_ns, columns.values, columns.qualities, datings)
    for _ in gathered.undecodable:
        yield None
