"""Until when the executor's lease holds: eight bytes in a file that agent and keepers map.

The agent writes, the keepers read, and no process between them has to be awake. The time is on
CLOCK_BOOTTIME, which goes on while the host sleeps and which nobody sets.
"""

import mmap
import os
import struct
import time

_DOUBLE = struct.Struct("d")


def boottime() -> float:
    """Give seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The end of the lease, shared between processes."""

    def __init__(self, spool: "str | os.PathLike[str]") -> None:
        """Map the file `lease` of a spool directory, made when it is not there."""
        file = os.open(os.path.join(spool, "lease"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size < _DOUBLE.size:
                os.ftruncate(file, _DOUBLE.size)
            self._map = mmap.mmap(file, _DOUBLE.size)
        finally:
            os.close(file)

    @property
    def until(self) -> float:
        """When it ends, by `boottime`."""
        moment: float = _DOUBLE.unpack_from(self._map)[0]
        return moment

    def extend(self, until: float) -> None:
        """Set when it ends."""
        _DOUBLE.pack_into(self._map, 0, until)
