"""What every request of the API has: its row of a table, checked, weighed, answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.history.past import Past
from openoutcry.portal.spot.capital import Capital
from openoutcry.portal.spot.errors import ApiError, of_reject
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.lists import SpotLists
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.signing import READ, Signing
from openoutcry.portal.spot.sub_accounts import SubAccountsApi
from openoutcry.portal.spot.trade import SpotOrders
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.reject import Reject

PUBLIC, KEYED = "", "key"
REFUSED_WEIGHT = 1
"""Weight of a request that is refused before its weight is known."""
MOST_ROWS = 1_000
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))


@dataclass
class Request:
    """One request, as far as it is known."""

    params: Params
    key: ApiKey | None = None
    address: str = ""
    """Where it comes from."""

    @property
    def participant(self) -> int:
        """The participant of the request's key; only of a request that needs one."""
        assert self.key is not None
        return self.key.participant

    @property
    def owner(self) -> int:
        """The user of the key's main account."""
        assert self.key is not None
        return self.key.owner


Handler = Callable[["Spot", Request], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """How one method and path are served, and what they cost of the limit on weight."""

    handler: Handler
    weight: int | Callable[[Params], int]
    security: str
    """PUBLIC, KEYED, READ, TRADE or WITHDRAW."""
    takes: str | None = None
    """Names of its parameters; None: any."""
    orders: int = 0
    """How many new orders it counts as."""
    is_change: bool = False
    name: str = ""
    """Method and path."""

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of its parameters, if not any may be sent."""
        return frozenset((self.takes or "").split())

    @cached_property
    def is_entry(self) -> bool:
        """Return whether it enters orders and does nothing else."""
        return self.orders > 0 and "cancelReplaceMode" not in self.names


class Spot:
    """The API of one venue."""

    def __init__(
        self, mirror: Mirror, orders: SpotOrders, signing: Signing, limits: Limits | None = None
    ) -> None:
        self.mirror, self.orders, self.signing = mirror, orders, signing
        self.markets, self.limits = mirror.markets, limits or Limits()
        self.lists = SpotLists(orders)
        self.past = Past(mirror)
        self.listen_keys: Any = None
        self.capital: Capital | None = None
        """Deposits and withdrawals; None: this portal has none."""
        self.subs: SubAccountsApi | None = None
        """Sub-accounts and transfers."""
        self.day_balances: Callable[[int, int, int], Awaitable[list[dict[str, Any]]]] | None = None
        """Balances of a participant at the ends of the days, first to last, on which they changed.
        """
        self.see: Callable[[], None] = lambda: None
        """Called before an answer about a participant: brings the mirror to what is released."""

    async def answer(
        self,
        route: Route,
        read: Callable[[], tuple[Params, str]],
        api_key: str,
        address: str,
        is_logged_on: bool = False,
    ) -> tuple[Any, dict[str, str]]:
        """Return body and headers.  ``read`` gives the parameters and the text that was signed.  It
        is not called for a request over a limit, unless its weight depends on them.
        ``is_logged_on``: the connection has shown that the key is its own.  Raises
        :class:`ApiError`."""
        weight, headers, given = self.limits.weights.get(route.name, route.weight), {}, None
        try:
            if not isinstance(weight, int):
                try:
                    given = read()
                    weight = weight(given[0])
                except (ApiError, UnicodeDecodeError):
                    self.limits.take(address, REFUSED_WEIGHT)
                    raise
            headers = self.limits.take(address, weight)
            if route.is_entry:
                self._require_room(api_key)
            params, payload = given or read()
            request = await self._checked(route, params, payload, api_key, address, is_logged_on)
            if request.key is not None and route.security != KEYED:
                # Not before: who knows a key without its secret must not use up its owner's weight.
                self.limits.take_key(request.key.number, weight)
            if route.orders:
                await self._take_orders(request, headers, route.orders)
            return await route.handler(self, request), headers
        except (ApiError, Reject) as refused:
            error = of_reject(refused)
            error.headers |= headers
            raise error from None

    async def _checked(
        self,
        route: Route,
        params: Params,
        payload: str,
        api_key: str,
        address: str,
        is_logged_on: bool,
    ) -> Request:
        request = Request(params, None, address)
        if route.security:
            permission = READ if route.security == KEYED else route.security
            request.key = await self.signing.key(api_key, address, permission)
            if route.security != KEYED:
                once = route.is_change
                self.signing.check(request.key, params, payload, once, not is_logged_on)
            self.see()
        if route.takes is not None:
            params.require_known(route.names)
        return request

    def _require_room(self, api_key: str) -> None:
        """Refuse an order of an account that has lately entered too many.  Raises
        :class:`ApiError`."""
        key = self.signing.known(api_key)
        if key is not None:
            self.limits.require_room(key.participant)

    async def _take_orders(self, request: Request, headers: dict[str, str], count: int) -> None:
        """Count new orders.  Raises :class:`ApiError`: of a cancelReplace that is to cancel even
        so, after the cancel."""
        mode = request.params.one_of("orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"))
        try:
            headers |= self.limits.take_order(request.participant, request.owner, count)
        except ApiError as over:
            if mode == "CANCEL_ONLY" and request.params.given("cancelReplaceMode"):
                await self.orders.cancel_replace(request.participant, request.params, over)
            raise


def depth_weight(params: Params) -> int:
    """The weight of a request for depth: more for more levels."""
    limit = params.limit(100, 5000)
    return next(weight for most, weight in DEPTH_WEIGHTS if limit <= most)


def by_symbols(one: int, many: int, every: int, up_to: int = 1) -> Callable[[Params], int]:
    """A weight by how many symbols a request names: few, many, or none, which is all."""

    def weight(params: Params) -> int:
        count = params.symbol_count()
        if count == 0 or count > 100:
            return every
        return one if count <= up_to else many

    return weight


def each_symbol(params: Params) -> int:
    """The weight of statistics: 4 for each symbol, at most 200."""
    return min(200, 4 * max(1, params.symbol_count()))


def by_rows(usual: int, default: int, each: int) -> Callable[[Params], int]:
    """A weight by how many rows a request asks for, 1 for ``each`` of them and at least the usual
    one; ``default``: rows of a request that does not say."""
    return lambda params: max(usual, params.limit(default, MOST_ROWS) // each)


def candles_weight(params: Params) -> int:
    """The weight of candles: more of many, and in another time zone, where each is made of
    others."""
    usual = 2 if (params.given("timeZone") or "0") == "0" else 20
    return by_rows(usual, 500, 100)(params)


def rules_weight(params: Params) -> int:
    """The weight of rules: 2 for each symbol, at most 40."""
    return min(40, 2 * params.symbol_count()) or 40


def rates_weight(params: Params) -> int:
    """The weight of a tested order: more with its rates."""
    return 20 if params.given("computeCommissionRates").lower() == "true" else 1
