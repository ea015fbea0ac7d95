"""What is measured of a request, the portal's file, cursors, papers, lists of names."""

import asyncio
from types import SimpleNamespace

import pytest

from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.accounts.identities import Sanctions, words_of
from openoutcry.portal.money.custody import WithdrawalError
from openoutcry.portal.money.withdrawals import Asked, Withdrawals, _check_digit
from openoutcry.portal.native.pages import cursor_of, number_of, page_of
from openoutcry.portal.observed import Metrics, Observed
from openoutcry.portal.settings import Level, Network, PortalFile, read_portal_file
from openoutcry.wire.errors import OutcryError

ASSETS = {"USD": 6, "BTC": 8}


def asked(app, path, method="GET", kind="http"):
    scope = {"type": kind, "method": method, "path": path}
    sent = []

    async def send(message):
        sent.append(message)

    async def run():
        await app(scope, None, send)

    asyncio.run(run())
    return sent


class Spans:
    """A tracer that keeps what it was told."""

    def __init__(self):
        self.ended = []

    def start_span(self, name):
        told = {"name": name}
        return SimpleNamespace(
            update_name=lambda new: told.update(name=new),
            set_attribute=lambda key, value: told.update({key: value}),
            end=lambda: self.ended.append(told),
        )


def test_each_endpoint_is_counted_by_its_route_and_never_by_what_a_client_wrote():
    metrics, spans = Metrics(), Spans()

    async def app(scope, receive, send):
        if scope["path"].startswith("/v1/orders/"):
            scope["route"] = SimpleNamespace(path="/v1/orders/{number}")
        if scope["path"] == "/v1/broken":
            raise RuntimeError
        await send({"type": "http.response.start", "status": 200})

    observed = Observed(app, metrics, spans)
    for path in ("/v1/orders/1", "/v1/orders/2", "/evil\n", "/other"):
        asked(observed, path)
    asked(observed, "/v1/orders/3", "BREW")
    with pytest.raises(RuntimeError):
        asked(observed, "/v1/broken")
    asked(observed, "/v1/stream", kind="websocket")
    text = metrics.shown().decode()
    name = "outcry_portal_requests_total"
    assert f'{name}{{method="GET",route="/v1/orders/{{number}}",status="200"}} 2.0' in text
    assert f'{name}{{method="other",route="/v1/orders/{{number}}",status="200"}} 1.0' in text
    assert f'{name}{{method="GET",route="other",status="200"}} 2.0' in text
    assert f'{name}{{method="GET",route="other",status="500"}} 1.0' in text
    assert 'outcry_portal_websockets{route="/v1/stream"} 0.0' in text
    assert "evil" not in text
    assert spans.ended[0]["name"] == "GET /v1/orders/{number}"
    assert spans.ended[0]["http.response.status_code"] == 200
    assert len(spans.ended) == 6


FILE = """
[[network]]
name = "WIRE"
asset = "USD"
min_withdrawal = "10.5"
address_pattern = "[A-Z]{4}"
[[level]]
number = 0
name = "new"
trades = false
[[level]]
number = 2
name = "known"
withdraws_a_day = { USD = "1000", BTC = "0.5" }
[limits]
orders_in_10_s = 7
weights = { "GET /api/v3/depth" = 3 }
[addresses]
deny = ["192.0.2.0/24", "@countries.txt"]
[metrics]
allow = ["10.0.0.0/8"]
"""


def test_the_portals_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "countries.txt").write_text("198.51.100.0/24  # a country\n\n2001:db8::/32\n")
    path = tmp_path / "portal.toml"
    path.write_text(FILE)
    file = read_portal_file(path, ASSETS)
    (network,) = file.networks
    assert (network.name, network.min_withdrawal) == ("WIRE", 10_500_000)
    assert file.network("USD", "") == file.network("USD", "WIRE") == network
    assert file.network("BTC", "") is None
    assert not file.level(0).trades
    assert file.level(1) == file.level(0)
    assert file.level(5).withdraws_a_day == {"USD": 10**9, "BTC": 5 * 10**7}
    assert file.limits.weights == {"GET /api/v3/depth": 3}
    for address, is_served in (
        ("192.0.2.1", False),
        ("198.51.100.9", False),
        ("2001:db8::1", False),
        ("203.0.113.1", True),
        ("nonsense", False),
    ):
        assert file.serves(address) is is_served
    assert file.may_scrape("10.1.2.3")
    assert not file.may_scrape("127.0.0.1")
    assert PortalFile().may_scrape("127.0.0.1")
    assert PortalFile().level(0) is None
    assert PortalFile(levels=(Level(3, "x"),)).level(1).trades is False


def test_a_missing_memo_is_refused_by_name(tmp_path):
    path = tmp_path / "portal.toml"
    path.write_text('[[network]]\nname = "MEMO"\nasset = "USD"\nneeds_tag = true\n')
    portal = SimpleNamespace(file=read_portal_file(path, ASSETS))
    for tag, code in (("", "tag_missing"), ("4711", "")):
        terms = Asked("w", "USD", "MEMO", "an address", tag, 10)
        if not code:
            assert Withdrawals._network(portal, terms).name == "MEMO"
            continue
        with pytest.raises(WithdrawalError) as refused:
            Withdrawals._network(portal, terms)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[network]]\nname = "A"\nasset = "DOGE"', "the venue has no asset"),
        ('[[network]]\nname = "A"\nasset = "USD"\nmin_withdrawal = "0.0000001"', "decimals"),
        ('[[network]]\nname = "A"\nasset = "USD"\naddress_pattern = "("', "regular expression"),
        ('[[level]]\nnumber = 1\nname = "a"\n[[level]]\nnumber = 1\nname = "b"', "already exists"),
        (
            '[[network]]\nname = "A"\nasset = "USD"\nchain = "C"\nneeds_tag = true\n'
            '[custody]\nsocket = "door.sock"',
            "addresses of a chain have no tag",
        ),
        ("[limit]\nx = 1", "limits"),
        ('[addresses]\nallow = ["nowhere"]', "line 2"),
        ('[provider]\nissuer = "https://id.example"', "needs issuer, client_id"),
        ('[passkeys]\ndomain = "example.com"', "needs domain and origins"),
        ('[identity]\nendpoint = "https://s3.example"', "of a bucket: name it"),
        ('[identity]\nbucket = "b"\nendpoint = "s3.example"', "line 3.*HOST"),
    ],
)
def test_a_mistake_in_the_portals_file_has_its_line(tmp_path, text, why):
    path = tmp_path / "portal.toml"
    path.write_text(text)
    with pytest.raises(OutcryError, match=why):
        read_portal_file(path, ASSETS)


def test_a_cursor_is_of_its_list_alone():
    cursor = cursor_of("o", 4711)
    assert number_of("o", cursor) == 4711
    assert number_of("o", "") == 0
    for wrong in (cursor_of("f", 4711), "!", "bzE=" * 30, cursor_of("o", 1)[:-1] + "_"):
        with pytest.raises(InvalidRequest):
            number_of("o", wrong)
    assert page_of("o", [9, 8, 7], 2, int) == ([9, 8], cursor_of("o", 8))
    assert page_of("o", [9, 8], 2, int) == ([9, 8], None)


def test_names_match_the_list_whatever_their_order_case_and_accents(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("Boris Badenov\n# nobody\n; 13 Evil Street\n\n")
    names = Sanctions(path)
    assert names.hits("BADENOV, Bóris Petrovich", "Elsewhere 1") == ["Boris Badenov"]
    assert names.hits("Boris Godunov", "Street 13, Evil") == ["; 13 Evil Street"]
    assert names.hits("Boris", "13 Good Street") == []
    assert Sanctions(None).hits("Boris Badenov", "") == []
    assert words_of("Łódź-Ёлка 12") == words_of("12 ёлка ŁÓDŹ")
    with pytest.raises(OutcryError, match="cannot be read"):
        Sanctions(tmp_path / "none")


def test_a_deposits_tag_has_the_check_digit_of_luhn():
    assert _check_digit(7992739871) == 3
    for number in (1000, 1001, 1010, 1063):
        mistyped = number + 1
        assert f"{number}{_check_digit(number)}" != f"{mistyped}{_check_digit(number)}"


def test_an_address_must_be_one_of_the_network():
    assert Network("A", "USD").address.fullmatch("anything printable")
    assert not Network("A", "USD").address.fullmatch("a\nb")
