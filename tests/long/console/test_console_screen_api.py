"""The participants' page's API against a venue that trades: each acts for himself alone, no order
is doubled whatever dies, and rules tell what they should."""

import pytest

from tests.support.console.console_screen_api import until


@pytest.mark.promise(
    "V11.1.1, V11.1.2, V11.1.5 (business logic): an order is entered once, whatever "
    "is sent again or dies",
    group="screen",
)
@pytest.mark.long
def test_nothing_is_doubled_or_lost_when_the_page_dies(screen, traders):
    """SIGKILL of the page's process in the midst of orders, each sent again under its own token to
    the next one: the venue has each once."""
    one, three = traders
    names = [f"KILL{k}" for k in range(30)]
    for k, name in enumerate(names[:20]):
        one.enter(name, "buy", 1, f"1.{k:02}")
    screen.screen.kill()
    screen.screen.communicate()
    screen.serve_screen("--webhook-host", "127.0.0.1")
    one.base_url = three.base_url = screen.screen_url
    assert one.get("/api/own").status_code == 401
    one.cookies.clear()
    until(one, lambda: one.log_in("PAGE1").status_code == 200)
    one.ready()
    had = {row["token"] for row in one.get("/api/own").json()["orders"] if row["state"] == "open"}
    for k, name in enumerate(names):
        one.enter(name, "buy", 1, f"1.{k:02}")
    for name in names:
        one.order(name, "open")
    assert had <= set(names)
    rows = one.look("/api/market?symbol=TIN", lambda book: len(book.get("bids", ())) >= 25)["bids"]
    assert [row[1:] for row in rows] == [[1, 1]] * 25, "each price once"
    own = one.get("/api/own").json()
    assert own["holdings"]["account"]["open_orders"] >= 30
    assert one.do("/api/cancel-all")["cancelled"] == 30
