"""What agent, warden and keepers say to each other on stream sockets: small frames.

A frame is `length (4) | kind (1) | length of key (1) | key | body`; the key names the attempt, the
body is JSON where there is one. The warden forwards bodies without reading them.
"""

import socket
import struct
from collections import deque

# agent → warden; START, CALL and END go on to a keeper
START = b"S"
TRIP = b"P"
"""The body is frames of CALL: for one keeper, one call after the other, with the same modules, and when
there are several, without limits that somebody must look after from their first moment."""
CALL = b"C"
"""Like START, for a function in a warm worker."""
END = b"E"
TAKEN = b"T"
"""The agent has the ended attempt on its own disk: forget it."""
LEAVE = b"L"
"""Exit as soon as nothing is held."""

# warden → keeper
WARM = b"W"
"""Have a worker ready for calls like this one."""

# warden → agent, and all but HELLO from a keeper
HELLO = b"H"
BACK = b"B"
"""It was not begun: the call before it takes long, or it was asked to end before its turn."""
DATA = b"D"
"""There is new output on disk."""
OVER = b"X"
"""The attempt is over; the body is its record."""

_HEAD = struct.Struct("!IcB")
MAX_BUFFERED_BYTES = 1 << 20
READ_BYTES = 262144

Frame = tuple[bytes, str, bytes]


def pack(kind: bytes, key: str = "", body: bytes = b"") -> bytes:
    """Give the bytes of one frame."""
    name = key.encode()
    return _HEAD.pack(len(name) + len(body), kind, len(name)) + name + body


class Unpacker:
    """Turns the bytes of a stream back into frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        """Start with nothing received."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take what was read, give the frames that are whole now."""
        data = self._rest + data if self._rest else data
        frames: list[Frame] = []
        at = 0
        while len(data) - at >= _HEAD.size:
            size, kind, name = _HEAD.unpack_from(data, at)
            start = at + _HEAD.size
            if len(data) - start < size:
                break
            key = data[start : start + name].decode()
            frames.append((kind, key, data[start + name : start + size]))
            at = start + size
        self._rest = data[at:]
        return frames


class Inbox:
    """What a keeper is told: orders to be carried out one after the other, and which are to end."""

    __slots__ = ("_control", "_unpacker", "ends", "orders")

    def __init__(self, control: socket.socket) -> None:
        """Read from a connected socket."""
        self._control = control
        self._unpacker = Unpacker()
        self.orders: deque[Frame] = deque()
        self.ends: dict[str, bytes] = {}
        """Bodies of END by key, begun or not."""

    def read(self) -> bool:
        """Wait for the next bytes and keep their frames; tell whether the other end is there."""
        data = self._control.recv(READ_BYTES)
        for frame in self._unpacker.feed(data):
            kind, key, body = frame
            if kind == END:
                self.ends[key] = body
            else:
                self.orders.append(frame)
        return bool(data)

    def next(self) -> Frame | None:
        """Take the next order; none when all are carried out."""
        if self.orders:
            return self.orders.popleft()
        self.ends.clear()  # of what was over already
        return None


class Channel:
    """A non-blocking stream socket with the bytes that still wait to go out."""

    __slots__ = ("_unpacker", "socket", "waiting")

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connected socket."""
        connected.settimeout(0)
        self.socket = connected
        self.waiting = bytearray()
        self._unpacker = Unpacker()

    def fileno(self) -> int:
        """Give the descriptor to poll."""
        return self.socket.fileno()

    @property
    def is_full(self) -> bool:
        """Whether the other end is too slow for what may be left out."""
        return len(self.waiting) > MAX_BUFFERED_BYTES

    def say(self, frame: bytes) -> None:
        """Put a frame into the queue that `flush` sends."""
        self.waiting += frame

    def flush(self) -> bool:
        """Send what can be sent; tell whether all went out. A peer that is gone takes everything."""
        while self.waiting:
            try:
                sent = self.socket.send(self.waiting)
            except BlockingIOError:
                return False
            except OSError:
                self.waiting.clear()
                return True
            del self.waiting[:sent]
        return True

    def hear(self) -> list[Frame] | None:
        """Read what has come; none when the other end is gone."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._unpacker.feed(data) if data else None
