"""Orders and records as the agent writes and reads them: the same JSON as the warden's, but fast.

The warden's own way, which needs the standard library only, is in `warden.order`.
"""

import msgspec

from perdure_executor.warden.order import (
    Order,
    Record,
    decode_record,
    encode_order,
    fields,
    with_call,
)


def written(order: Order) -> bytes:
    """Give the bytes of an order; text that is not UTF-8 (file names) survives."""
    try:
        return with_call(msgspec.json.encode(fields(order)), order)
    except UnicodeEncodeError:
        return encode_order(order)


def read_record(data: bytes) -> Record:
    """Read a record."""
    try:
        return Record(**msgspec.json.decode(data))
    except msgspec.DecodeError:  # half a surrogate pair, which stands for a byte that is no UTF-8
        return decode_record(data)
