"""The Python client against a whole Perdure: the same calls, blocking and awaited."""

import threading
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

import perdure
from perdure import AsyncClient, Client, CommandSpec, LinesSeen, NewRun, Retry, StateSeen
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.acceptance

ECHO = NewRun(name="echo", spec=CommandSpec(argv=("/bin/echo", "hello")))
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def client(running_system: System) -> Iterator[Client]:
    endpoint = running_system.endpoint
    with Client(endpoint.url, endpoint.admin_token) as client:
        yield client


def later(**fields: str) -> NewRun:
    return NewRun(spec=CommandSpec(argv=("/bin/true",)), run_at=LATER, **fields)  # type: ignore[arg-type]  # texts only


def test_a_run_is_submitted_waited_for_and_read(client: Client) -> None:
    run = client.wait(client.submit(ECHO).id, timeout_seconds=30)
    assert run.state == "completed"
    assert client.get_run(run.id) == run
    assert client.log_text(run.id) == "hello\n"
    assert [entry.text for entry in client.log(run.id).items] == ["hello"]
    assert [attempt.state for attempt in client.attempts(run.id).items] == ["completed"]
    assert client.why(run.id).state == "completed"
    assert [event.type for event in client.run_events(run.id).items] == [
        "perdure.run.requested.v1",
        "perdure.run.attempt-started.v1",
        "perdure.run.completed.v1",
    ]
    assert client.get_run(run.id, at=1).state == "queued"


async def test_the_awaited_client_has_the_same_calls(running_system: System) -> None:
    endpoint = running_system.endpoint
    async with AsyncClient(endpoint.url, endpoint.admin_token) as client:
        submitted = await client.submit(ECHO)
        updates = [update async for update in client.follow(submitted.id)]
        run = await client.wait(submitted.id, timeout_seconds=30)
    assert run.state == "completed"
    assert _texts(updates) == ["hello"]
    assert updates[-1] == StateSeen(run=run)


def test_a_followed_run_tells_every_line_of_every_attempt(client: Client) -> None:
    script = 'echo "attempt $PERDURE_ATTEMPT"; exit 1'
    spec = CommandSpec(script=script)
    retry = Retry(max_attempts=3, initial_seconds=0.1, jitter=0)
    run = client.submit(NewRun(name="failing", spec=spec, retry=retry))
    updates = list(client.follow(run.id))
    assert _texts(updates) == ["attempt 1", "attempt 2", "attempt 3"]
    assert isinstance(updates[-1], StateSeen)
    assert updates[-1].run.state == "failed"


def test_following_survives_the_death_of_the_server(start_system: Callable[..., System]) -> None:
    system = start_system()
    endpoint = system.endpoint
    script = "for i in 1 2 3 4 5 6; do echo $i; while [ ! -e $GATE ]; do sleep 0.1; done; done"
    gate = system.folder / "gate"
    spec = CommandSpec(script=script, env={"GATE": str(gate)})
    with Client(endpoint.url, endpoint.admin_token) as client:
        run = client.submit(NewRun(name="long", spec=spec))
        updates: list[perdure.Update] = []
        follower = threading.Thread(target=lambda: updates.extend(client.follow(run.id)))
        follower.start()
        eventually(lambda: client.log(run.id).items != (), what="the first line is stored")
        before = system.kill("api")
        system.runs_again(before)
        gate.touch()
        follower.join(60)
    assert _texts(updates) == ["1", "2", "3", "4", "5", "6"]
    assert isinstance(updates[-1], StateSeen)
    assert updates[-1].run.state == "completed"


def test_where_no_stream_can_be_had_a_run_is_followed_by_asking(
    client: Client, running_system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = httpx.Client.send

    def without_streams(self: httpx.Client, request: httpx.Request, **more: bool) -> httpx.Response:
        if request.url.path.endswith("/stream"):
            return httpx.Response(200, text="a proxy's page", request=request)
        return send(self, request, **more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(httpx.Client, "send", without_streams)
    updates = list(client.follow(client.submit(ECHO).id))
    assert _texts(updates) == ["hello"]
    assert isinstance(updates[-1], StateSeen)


def test_many_runs_are_requested_at_once_in_order_or_not_at_all(client: Client) -> None:
    names = [str(uuid.uuid4()) for _ in range(50)]
    made = client.submit_many([later(name=name) for name in names]).items
    assert [client.get_run(each.id).name for each in made] == names
    with pytest.raises(perdure.Invalid) as refused:
        client.submit_many([later(), later(queue="No Such Name!")])
    assert refused.value.errors[0].pointer == "/runs/1/queue"


def test_refusals_carry_what_one_needs_to_go_on(client: Client) -> None:
    run = client.submit(later())
    with pytest.raises(perdure.Conflict) as stale:
        client.hold(run.id, expected_version=17)
    assert (stale.value.code, stale.value.current_version) == ("version-conflict", 1)
    client.cancel(run.id)
    with pytest.raises(perdure.Conflict) as refused:
        client.hold(run.id)
    assert (refused.value.code, refused.value.state) == ("wrong-state", "cancelled")
    assert "queued" in refused.value.allowed


def test_a_unique_key_names_the_run_that_has_it(client: Client) -> None:
    key = str(uuid.uuid4())
    run = client.submit(later(unique_key=key))
    with pytest.raises(perdure.Conflict) as refused:
        client.submit(later(unique_key=key))
    assert (refused.value.code, refused.value.run) == ("already-running", run.id)


def test_an_idempotency_key_gives_the_first_answer_again(client: Client) -> None:
    key = str(uuid.uuid4())
    assert client.submit(later(), idempotency_key=key) == client.submit(
        later(), idempotency_key=key
    )


def test_what_is_not_there_or_not_allowed_is_an_exception_of_its_own(
    client: Client, running_system: System
) -> None:
    with pytest.raises(perdure.NotFound):
        client.get_run(str(uuid.uuid4()))
    with pytest.raises(perdure.NotFound):
        list(client.follow(str(uuid.uuid4())))
    with (
        Client(running_system.endpoint.url, "pd_none_none") as stranger,
        pytest.raises(perdure.Unauthorized),
    ):
        stranger.list_runs()


def test_waiting_has_an_end(client: Client) -> None:
    with pytest.raises(perdure.WaitedTooLong):
        client.wait(client.submit(later()).id, timeout_seconds=0)


def test_lists_go_on_where_they_ended(client: Client) -> None:
    tag = f"t{uuid.uuid4().hex[:8]}"
    made = client.submit_many(
        [NewRun(spec=CommandSpec(argv=("/bin/true",)), run_at=LATER, tags=(tag,)) for _ in range(5)]
    )
    position = max(client.get_run(each.id).position for each in made.items)
    seen: list[str] = []
    after = None
    while True:
        page = client.list_runs(tag=tag, limit=2, after=after, min_position=position)
        seen += [run.id for run in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(each.id for each in made.items)


def test_the_log_of_events_is_followed_from_any_position(client: Client) -> None:
    begin = client.last_position()
    run = client.submit(later())
    event = next(iter(client.follow_events(after=begin, stream=f"run-{run.id}")))
    assert (event.type, event.data["run"]) == ("perdure.run.requested.v1", run.id)
    assert client.events(after=begin, stream=f"run-{run.id}").items == (event,)
    assert client.last_position() > begin


def test_a_run_is_run_again_with_another_name(client: Client) -> None:
    run = client.wait(client.submit(ECHO).id, timeout_seconds=30)
    again = client.rerun(run.id, NewRun(name="once more"))
    assert (again.rerun_of, again.name, again.spec) == (run.id, "once more", run.spec)


def _texts(updates: list[perdure.Update]) -> list[str]:
    return [
        entry.text for update in updates if isinstance(update, LinesSeen) for entry in update.lines
    ]
