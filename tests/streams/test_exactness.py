"""Property tests: whatever happens to connections, a client ends with the server's state.

No event comes twice, is missing or out of order: `StreamChecker` compares each event
with the history.
"""

from __future__ import annotations

from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.random_histories import SELECTIONS, DispatcherRunner, HubRunner

topics = st.sampled_from(("prices", "orders", "trades", "positions", "portfolio", "candles", "bot"))
busy_topics = st.sampled_from(("prices", "orders"))
numbers = st.integers(0, 3)
values = st.integers(0, 99)
checkers = st.integers(0, len(SELECTIONS) - 1)
happening = st.one_of(
    st.tuples(st.just("publish"), topics, numbers, st.none() | values),
    st.tuples(
        st.just("flood"), busy_topics, numbers, st.integers(1, 40), st.sampled_from((0, 9000))
    ),
    st.tuples(st.just("load"), topics, st.dictionaries(numbers, values, max_size=3)),
    st.tuples(st.sampled_from(("broadcast", "heartbeat"))),
)
connecting = st.one_of(
    st.tuples(st.just("open"), checkers),
    st.tuples(st.just("stall"), checkers, st.sampled_from((0, 1, 30))),
    st.tuples(st.just("read"), checkers, st.sampled_from((1, 300, 20_000))),
    st.tuples(st.sampled_from(("disconnect", "end")), checkers),
)
steps = st.lists(happening | connecting, min_size=4, max_size=40)
lives = st.lists(steps, min_size=1, max_size=2)


capacities = st.sampled_from((3, 30, 1000))
patiences = st.sampled_from((0.0, 1e9))

Lives = list[list[tuple[str, ...]]]


def live_through(
    runner: DispatcherRunner | HubRunner, lives: Lives, capacity: int, slow_s: float
) -> None:
    for steps in lives:
        runner.restart(capacity, slow_s)
        for name, *arguments in steps:
            getattr(runner, name)(*arguments)
    runner.check_final_state()


@settings(max_examples=300, deadline=None)
@given(lives, capacities, patiences)
def test_whatever_outlets_take(lives: Lives, capacity: int, slow_s: float) -> None:
    live_through(DispatcherRunner(), lives, capacity, slow_s)


@settings(max_examples=25, deadline=None)
@given(lives, capacities, patiences)
def test_whatever_sockets_do(lives: Lives, capacity: int, slow_s: float) -> None:
    runner = HubRunner()
    with closing(runner):
        live_through(runner, lives, capacity, slow_s)
