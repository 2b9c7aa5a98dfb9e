"""The joined load: nobody counts twice, and silence is no zero."""

from pointsman.operator.plan.scaling import EngineReport, RouterReport, Signal, join


def test_routers_add_up() -> None:
    """Held and in flight of all, and each one's own count of ends."""
    joined = join([RouterReport("a", 1, 2, 10), RouterReport("b", 3, 4, 20)])
    assert joined == Signal(4, 6, 0, {"a": 10, "b": 20})
    assert joined.load == 10


def test_what_an_engine_has_of_ours_is_not_counted_again() -> None:
    """Six in flight are the six that the engine runs or keeps waiting."""
    joined = join([RouterReport("a", 0, 6)], [EngineReport(waiting=4, running=2)])
    assert joined is not None
    assert joined.load == 6


def test_what_an_engine_has_beyond_ours_comes_from_elsewhere() -> None:
    """On a server shared with others; also when only its waiting count is known."""
    joined = join([RouterReport("a", 1, 6)], [EngineReport(4, 8), EngineReport(3)])
    assert joined is not None
    assert (joined.elsewhere, joined.load) == (9, 16)


def test_engines_are_compared_with_what_was_in_flight_when_they_were_asked() -> None:
    """Else each request that ended in the seconds since would look like somebody else's."""
    joined = join([RouterReport("a", 0, 2)], [EngineReport(4, 8)], in_flight_then=12)
    assert joined is not None
    assert (joined.elsewhere, joined.load) == (0, 2)


def test_one_silent_router_is_no_data() -> None:
    """It may hold a thousand requests."""
    assert join([RouterReport("a", 0, 0), None]) is None


def test_one_failed_scrape_is_no_data() -> None:
    """An engine that does not answer may be the busiest."""
    assert join([RouterReport("a", 0, 0)], [EngineReport(0), None]) is None


def test_no_router_is_no_data() -> None:
    """Nobody has said that there is no load."""
    assert join([]) is None


def test_ends_count_only_if_all_count_them() -> None:
    """Half a rate is worse than none; and a crowd of routers would not fit the memory."""
    mixed = join([RouterReport("a", 0, 1, 5), RouterReport("b", 0, 1)])
    assert mixed is not None
    assert mixed.finished is None
    crowd = join([RouterReport(f"r{index}", 0, 1, 5) for index in range(65)])
    assert crowd is not None
    assert crowd.finished is None
