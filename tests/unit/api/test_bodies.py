"""JSON is read strictly; nothing is guessed and nothing is lost."""

import json
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from perdure_api.routes import queries
from perdure_api.routes.bodies import parse

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


NAMES = st.text("abc%&=+ é", min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.text(max_size=8)))
def test_a_query_is_read_as_it_was_written(values: dict[str, str]) -> None:
    encodable = {k: v for k, v in values.items() if v.isprintable()}
    assert queries.parse(urlencode(encodable).encode()) == encodable
