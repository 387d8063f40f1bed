"""Orders and records as the agent writes and reads them: the same JSON as the warden's, but fast.

The warden's own way, which needs the standard library only, is in `warden.order`.
"""

import msgspec

from perdure_executor.warden.order import Order, Record, decode_record, encode


def written(order: Order) -> bytes:
    """Give the JSON of an order; text that is not UTF-8 (file names) survives."""
    plain = {name: getattr(order, name) for name in order.__slots__}
    try:
        return msgspec.json.encode(plain)
    except UnicodeEncodeError:
        return encode(order)


def read_record(data: bytes) -> Record:
    """Read a record."""
    try:
        return Record(**msgspec.json.decode(data))
    except msgspec.DecodeError:  # half a surrogate pair, which stands for a byte that is no UTF-8
        return decode_record(data)
