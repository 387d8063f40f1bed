"""Frames between agent, warden and keepers, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from perdure_executor.warden.frames import Unpacker, pack
from perdure_executor.warden.order import (
    Order,
    Record,
    decode_order,
    decode_record,
    encode,
    encode_order,
)

frames = st.lists(
    st.tuples(
        st.sampled_from([b"S", b"X", b"D"]), st.text("abc.-0", max_size=50), st.binary(max_size=200)
    )
)


@given(frames, st.integers(1, 50))
def test_frames_come_out_as_they_went_in(sent: list[tuple[bytes, str, bytes]], step: int) -> None:
    stream = b"".join(pack(*frame) for frame in sent)
    unpacker = Unpacker()
    heard = [
        frame
        for at in range(0, len(stream), step)
        for frame in unpacker.feed(stream[at : at + step])
    ]

    assert heard == sent


def test_orders_and_records_survive_the_way() -> None:
    order = Order(
        program="/x",
        argv=["x", "ä\udcff"],
        env={"A": "b"},
        cwd="/",
        path="/p",
        timeout=1.5,
        call=b'{"func":"a:b"}',
    )
    record = Record(started=1.0, ended=2.0, exit_code=3, log="", lines=4)

    again = decode_order(encode_order(order))
    assert [getattr(again, name) for name in Order.__slots__] == [
        getattr(order, name) for name in Order.__slots__
    ]
    assert decode_record(encode(record)).exit_code == 3
