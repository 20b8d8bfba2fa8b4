"""Who computes next: nobody starves, places are free at once, and a full line says when to come back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import BusyError, ModelError
from skills.llm.schedule import PATIENCE, Line, Scheduler, Ticket


def ticket(adapter: str | None = None, priority: str = "interactive") -> Ticket:
    return Ticket(adapter, priority, lambda: None)  # type: ignore[arg-type]


def order(line: Line) -> list[Ticket]:
    """All waiting tickets in the order in which one slot takes them."""
    taken: list[Ticket] = []
    while (chosen := line.take()) is not None:
        taken.append(chosen)
        line.done(chosen)
    return taken


def test_equal_requests_go_in_the_order_in_which_they_came() -> None:
    line = Line(1, 9)
    tickets = [ticket("a") for _ in range(5)]
    assert all(line.add(one) for one in tickets)
    assert order(line) == tickets


def test_interactive_goes_before_batch_and_an_adapter_stays_while_it_has_requests() -> None:
    line = Line(1, 9)
    asked = [ticket("a", "batch"), ticket("a"), ticket("b"), ticket("a"), ticket("b", "batch")]
    for one in asked:
        line.add(one)
    assert order(line) == [asked[1], asked[3], asked[2], asked[4], asked[0]]


def test_slots_compute_one_adapter_at_a_time() -> None:
    line = Line(3, 9)
    asked = [ticket("a"), ticket("b"), ticket("a")]
    for one in asked:
        line.add(one)
    assert [line.take(), line.take(), line.take()] == [asked[0], asked[2], None]
    line.done(asked[0])
    assert line.take() is None
    line.done(asked[2])
    assert line.take() is asked[1]


def test_nobody_joins_once_the_patience_of_another_adapter_has_run_out() -> None:
    line = Line(2, 99)
    first, waits = ticket("a"), ticket("b")
    line.add(first)
    assert line.take() is first
    line.add(waits)
    running = [first]
    for _ in range(PATIENCE):
        line.add(ticket("a"))
        joined = line.take()
        assert joined is not None
        assert joined is not waits
        line.done(running.pop())
        running.append(joined)
    line.add(ticket("a"))
    assert line.take() is None
    line.done(running.pop())
    assert line.take() is waits


def test_a_withdrawn_request_leaves_its_place_at_once() -> None:
    line = Line(1, 1)
    gone, next_one = ticket(), ticket()
    assert line.add(gone)
    assert not line.add(next_one)
    assert line.withdraw(gone)
    assert not line.withdraw(gone)
    assert line.add(next_one)
    assert line.take() is next_one


MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"), st.sampled_from([None, "a", "b"]), st.sampled_from(["interactive", "batch"])
        ),
        st.tuples(st.just("take")),
        st.tuples(st.just("done"), st.integers(0, 3)),
    ),
    max_size=120,
)


@given(MOVES, st.integers(1, 3), st.integers(0, 4))
def test_a_request_begins_after_those_before_it_and_a_bounded_number_of_later_ones(
    moves: list[tuple], slots: int, patience: int
) -> None:
    line = Line(slots, 40, patience)
    older: dict[int, int] = {}  # ticket -> how many waited when it came
    begun: dict[int, int] = {}  # ticket -> how many had begun when it came
    count = 0
    kept: list[Ticket] = []
    for move in moves:
        if move[0] == "add":
            one = ticket(move[1], move[2])
            kept.append(one)
            older[id(one)], begun[id(one)] = len(line.waiting), count
            line.add(one)
        elif move[0] == "take":
            taken = line.take()
            if taken is not None:
                assert count - begun[id(taken)] <= older[id(taken)] + patience
                count += 1
            assert len(line.running) <= slots
            assert len({t.adapter for t in line.running}) <= 1
        elif line.running:
            line.done(line.running[move[1] % len(line.running)])
    while line.running:
        line.done(line.running[0])
    left = len(line.waiting)
    assert len(order(line)) == left


class Gate:
    """Work that waits until it is let go, and says that it began."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.let_go.wait(30)


def submitted(scheduler: Scheduler, work: Callable[[], None]) -> Callable[[], object]:
    return scheduler.submit(work, None, "interactive")


def test_a_full_line_says_when_to_come_back() -> None:
    now = [0.0]
    scheduler = Scheduler(1, 2, "test", clock=lambda: now[0])
    slow, gate = Gate(), Gate()
    submitted(scheduler, slow)
    assert slow.begun.wait(30)
    now[0] = 33.0  # it took 33 s: one is now expected to take (7 * 1 + 33) / 8 = 5 s
    done = threading.Event()
    submitted(scheduler, done.set)
    slow.let_go.set()
    assert done.wait(30)
    submitted(scheduler, gate)
    assert gate.begun.wait(30)
    waiting = [submitted(scheduler, lambda: None) for _ in range(2)]
    with pytest.raises(BusyError, match=r"2 requests wait .* in 9 s") as refused:
        submitted(scheduler, lambda: None)
    assert refused.value.retry_after == 9  # 2 x 4.4 s, the short one having lowered the estimate
    waiting[0]()
    ran = threading.Event()
    submitted(scheduler, ran.set)
    gate.let_go.set()
    assert ran.wait(30)
    scheduler.close()
    with pytest.raises(ModelError, match="closed"):
        submitted(scheduler, lambda: None)


def test_withdrawn_work_never_runs_and_what_waits_runs_after_close() -> None:
    scheduler = Scheduler(1, 9, "test")
    gate = Gate()
    submitted(scheduler, gate)
    assert gate.begun.wait(30)
    ran: list[str] = []
    last = threading.Event()
    withdraw = submitted(scheduler, lambda: ran.append("withdrawn"))
    submitted(scheduler, lambda: ran.append("kept"))
    submitted(scheduler, last.set)
    withdraw()
    withdraw()
    scheduler.close()
    gate.let_go.set()
    assert last.wait(30)
    assert ran == ["kept"]
