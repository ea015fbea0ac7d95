"""The routes of ``/v1`` for trading: markets, orders, fills, balances, deposits, withdrawals."""

from dataclasses import dataclass
from typing import Annotated, Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.database import Row
from openoutcry.portal.money.withdrawals import Asked, Withdrawals
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.idempotency import KEY_NEEDED, key_of
from openoutcry.portal.native.markets import NativeMarkets
from openoutcry.portal.native.order_lists import NativeOrderLists, NewListBody
from openoutcry.portal.native.orders import AmendBody, NativeOrders, NewOrderBody
from openoutcry.portal.native.pages import DEFAULT, MOST, number_of, page_of
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.trading.instruments import text_of
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.wire.decimals import AmountError, units_of

NO_FEE = "0"
"""What a withdrawal costs: an account is debited what its address receives."""
LISTS_SHOWN = 30
"""Lists of orders of a page that asks for no number of them."""
WITH_KEY: dict[str, Any] = {"parameters": [KEY_NEEDED]}


@dataclass
class NewWithdrawal(Body):
    """``amount``: decimal text; ``network``: empty: the asset's first; ``tag``: of the receiver, if
    it needs one."""

    asset: str
    amount: str
    address: str
    network: str = ""
    tag: str = ""


@dataclass
class NewWithdrawalAddress(Body):
    """One that withdrawals may go to, once it is confirmed and its wait is over."""

    asset: str
    address: str
    network: str = ""
    label: str = ""


@dataclass
class Confirmation(Body):
    """``code``: the mailed one; ``totp``: of the authenticator, if there is one."""

    code: str
    totp: str = ""


@dataclass
class Native:
    """Parts of the routes."""

    callers: Callers
    orders: NativeOrders
    lists: NativeOrderLists
    markets: NativeMarkets
    withdrawals: Withdrawals
    limits: Limits


def limit_type() -> Any:
    """The type of a parameter ``limit``: 1 to ``MOST`` rows of a page."""
    from fastapi import Query

    return Annotated[int, Query(ge=1, le=MOST)]


def add_native(app: Any, native: Native) -> None:
    """Add every route to an application of FastAPI."""
    asking_type, limited = native.callers.parameter(), limit_type()
    _add_markets(app, native.markets, limited)
    _add_orders(app, native, asking_type)
    _add_order_pages(app, native, asking_type, limited)
    _add_lists(app, native, asking_type, limited)
    _add_balances(app, native, asking_type)
    _add_deposits(app, native, asking_type, limited)
    _add_addresses(app, native, asking_type)
    _add_withdrawals(app, native, asking_type, limited)


def _add_markets(app: Any, markets: NativeMarkets, limited: Any) -> None:
    """Add the routes that need no login."""

    @app.get("/v1/time", response_model=models.Now, tags=["markets"])
    async def now() -> Any:
        return markets.now()

    @app.get("/v1/instruments", response_model=list[models.Instrument], tags=["markets"])
    async def instruments() -> Any:
        return markets.instruments()

    @app.get("/v1/instruments/{symbol}", response_model=models.Instrument, tags=["markets"])
    async def instrument(symbol: str) -> Any:
        return markets.instrument(symbol)

    @app.get("/v1/instruments/{symbol}/book", response_model=models.Book, tags=["markets"])
    async def book(symbol: str, depth: limited = DEFAULT) -> Any:
        return markets.book(symbol, depth)

    @app.get("/v1/instruments/{symbol}/ticker", response_model=models.Ticker, tags=["markets"])
    async def ticker(symbol: str) -> Any:
        return markets.ticker(symbol)

    of_contract = models.ContractStatistics

    @app.get("/v1/instruments/{symbol}/statistics", response_model=of_contract, tags=["markets"])
    async def statistics(symbol: str) -> Any:
        return markets.statistics(symbol)

    rate_rows = list[models.FundingRate]

    @app.get("/v1/instruments/{symbol}/funding-rates", response_model=rate_rows, tags=["markets"])
    async def funding_rates(
        symbol: str, limit: limited = DEFAULT, from_ms: int = 0, until_ms: int = 0
    ) -> Any:
        return await markets.funding_rates(symbol, limit, from_ms, until_ms)

    @app.get("/v1/indices", response_model=list[models.IndexRow], tags=["markets"])
    async def indices() -> Any:
        return markets.indices()

    rows = list[models.PublicTrade]

    @app.get("/v1/instruments/{symbol}/trades", response_model=rows, tags=["markets"])
    async def trades(symbol: str, limit: limited = DEFAULT) -> Any:
        return markets.trades(symbol, limit)

    candle_rows = list[models.CandleRow]

    @app.get("/v1/instruments/{symbol}/candles", response_model=candle_rows, tags=["markets"])
    async def candles(
        symbol: str,
        interval: str = "1m",
        limit: limited = DEFAULT,
        from_ms: int = 0,
        until_ms: int = 0,
    ) -> Any:
        return await markets.candles(symbol, interval, limit, from_ms, until_ms)


def _add_orders(app: Any, native: Native, asking_type: Any) -> None:
    from fastapi import Request, Response

    orders = native.orders

    @app.post(
        "/v1/orders",
        response_model=models.OrderRow,
        status_code=201,
        tags=["orders"],
        openapi_extra=WITH_KEY,
    )
    async def place(
        asking: asking_type, body: NewOrderBody, request: Request, response: Response
    ) -> Any:
        asking.require_trade()
        key = key_of(request)
        native.limits.take_order(asking.participant, asking.owner)
        order, is_new = await orders.place(asking.participant, body, key)
        response.status_code = 201 if is_new else 200
        response.headers["location"] = f"/v1/orders/{order.number}"
        return orders.row(order)

    @app.patch(
        "/v1/orders/{number}",
        response_model=models.OrderRow,
        tags=["orders"],
        openapi_extra=WITH_KEY,
    )
    async def amend(asking: asking_type, number: int, body: AmendBody, request: Request) -> Any:
        asking.require_trade()
        native.limits.take_order(asking.participant, asking.owner)
        return orders.row(await orders.amend(asking.participant, number, body, key_of(request)))

    @app.delete(
        "/v1/orders/{number}",
        response_model=models.OrderRow,
        tags=["orders"],
        openapi_extra=WITH_KEY,
    )
    async def cancel(asking: asking_type, number: int, request: Request) -> Any:
        asking.require_trade()
        return orders.row(await orders.cancel(asking.participant, number, key_of(request)))

    @app.delete(
        "/v1/orders",
        response_model=list[models.OrderRow],
        tags=["orders"],
        openapi_extra=WITH_KEY,
    )
    async def cancel_all(asking: asking_type, request: Request, symbol: str = "") -> Any:
        asking.require_trade()
        gone = await orders.cancel_all(asking.participant, symbol, key_of(request))
        return [orders.row(one) for one in gone]


def _add_lists(app: Any, native: Native, asking_type: Any, limited: Any) -> None:
    """Add the routes of orders that act on each other."""
    from fastapi import Request, Response

    lists, row_model, path = native.lists, models.OrderListRow, "/v1/order-lists"

    @app.post(
        path, response_model=row_model, status_code=201, tags=["orders"], openapi_extra=WITH_KEY
    )
    async def place_list(
        asking: asking_type, body: NewListBody, request: Request, response: Response
    ) -> Any:
        asking.require_trade()
        key = key_of(request)
        native.limits.take_order(asking.participant, asking.owner, max(1, len(body.orders)))
        placed, is_new = await lists.place(asking.participant, body, key)
        response.status_code = 201 if is_new else 200
        response.headers["location"] = f"{path}/{placed.number}"
        return lists.row(placed)

    @app.get(path, response_model=models.OrderListPage, tags=["orders"])
    async def order_lists(
        asking: asking_type,
        symbol: str = "",
        state: str = "all",
        cursor: str = "",
        limit: limited = LISTS_SHOWN,
    ) -> Any:
        asking.require_participant()
        rows = lists.chosen(asking.participant, symbol, state, number_of("l", cursor))
        chosen, following = page_of("l", rows, limit, lambda one: one.number)
        return models.OrderListPage([lists.row(one) for one in chosen], following)

    one_path = f"{path}/{{number}}"

    @app.get(one_path, response_model=row_model, tags=["orders"])
    async def order_list(asking: asking_type, number: int) -> Any:
        asking.require_participant()
        return lists.row(lists.one(asking.participant, number))

    @app.delete(one_path, response_model=row_model, tags=["orders"], openapi_extra=WITH_KEY)
    async def cancel_list(asking: asking_type, number: int, request: Request) -> Any:
        asking.require_trade()
        return lists.row(await lists.cancel(asking.participant, number, key_of(request)))


def _add_order_pages(app: Any, native: Native, asking_type: Any, limited: Any) -> None:
    orders = native.orders

    @app.get("/v1/orders", response_model=models.OrderPage, tags=["orders"])
    async def list_orders(
        asking: asking_type,
        symbol: str = "",
        state: str = "all",
        cursor: str = "",
        limit: limited = DEFAULT,
    ) -> Any:
        asking.require_participant()
        rows = orders.chosen(asking.participant, symbol, state, number_of("o", cursor))
        chosen, following = page_of("o", rows, limit, lambda order: order.number)
        return models.OrderPage([orders.row(order) for order in chosen], following)

    @app.get("/v1/orders/{number}", response_model=models.OrderRow, tags=["orders"])
    async def order(asking: asking_type, number: int) -> Any:
        asking.require_participant()
        return orders.row(orders.one(asking.participant, number)[1])

    rate_rows = list[models.FeeRate]

    @app.get("/v1/fee-rates", response_model=rate_rows, tags=["orders"])
    async def fee_rates(asking: asking_type, symbol: str = "") -> Any:
        asking.require_participant()
        return orders.fee_rates(asking.participant, symbol)

    @app.get("/v1/fills", response_model=models.FillPage, tags=["orders"])
    async def fills(
        asking: asking_type,
        symbol: str = "",
        order: int = 0,
        cursor: str = "",
        limit: limited = DEFAULT,
    ) -> Any:
        asking.require_participant()
        terms = symbol, order, number_of("f", cursor)
        rows = orders.fills(asking.participant, *terms, limit + 1)
        chosen, following = page_of("f", rows, limit, lambda pair: pair[1].number)
        return models.FillPage([orders.fill_row(*pair) for pair in chosen], following)


def units_asked(mirror: Mirror, asset: str, amount: str) -> int:
    """More than nothing of an asset.  Raises :class:`InvalidRequest`."""
    decimals = mirror.markets.assets.get(asset)
    if decimals is None:
        raise InvalidRequest("asset: there is no such asset")
    try:
        units = units_of(amount, decimals)
    except AmountError as error:
        raise InvalidRequest(f"amount: {error}") from None
    if units <= 0:
        raise InvalidRequest("amount: must be more than 0")
    return units


def balance_rows(mirror: Any, participant: int) -> list[models.Balance]:
    """Return the free and the reserved amount of every asset, as decimal text."""
    decimals = mirror.markets.assets
    return [
        models.Balance(name, text_of(free, decimals[name]), text_of(reserved, decimals[name]))
        for name, (free, reserved) in mirror.balances(participant).items()
    ]


def _add_balances(app: Any, native: Native, asking_type: Any) -> None:
    @app.get("/v1/balances", response_model=list[models.Balance], tags=["money"])
    async def balances(asking: asking_type) -> Any:
        asking.require_participant()
        return balance_rows(native.orders.mirror, asking.participant)


def _add_deposits(app: Any, native: Native, asking_type: Any, limited: Any) -> None:
    withdrawals = native.withdrawals

    @app.get("/v1/deposit-addresses", response_model=list[models.DepositAddress], tags=["money"])
    async def deposit_addresses(asking: asking_type, asset: str = "") -> Any:
        asking.require_participant()
        rows = []
        for network in withdrawals.file.networks:
            if (network.deposit_address or network.chain) and asset in ("", network.asset):
                place = await withdrawals.deposit_address(asking.participant, network)
                blocks = withdrawals.confirmations(network) if network.chain else 0
                rows.append(models.DepositAddress(network.asset, network.name, *place, blocks))
        return rows

    @app.get("/v1/chain-deposits", response_model=list[models.ChainDeposit], tags=["money"])
    async def chain_deposits(asking: asking_type) -> Any:
        asking.require_participant()
        return [
            chain_deposit(withdrawals, row)
            for row in await withdrawals.arriving(asking.participant)
        ]

    @app.get("/v1/deposits", response_model=models.DepositPage, tags=["money"])
    async def deposits(asking: asking_type, cursor: str = "", limit: limited = DEFAULT) -> Any:
        asking.require_participant()
        before = number_of("d", cursor)
        rows = [
            models.DepositRow(
                one.number,
                one.reference,
                one.asset,
                withdrawals.text(one.asset, one.amount),
                one.state,
                one.began_ns // 1_000_000,
                one.changed_ns // 1_000_000,
                one.network,
                one.txid,
            )
            for one in await withdrawals.deposits(asking.participant, before, limit + 1)
        ]
        chosen, following = page_of("d", rows, limit, lambda row: row.id)
        return models.DepositPage(chosen, following)


def chain_deposit(withdrawals: Withdrawals, row: dict[str, Any]) -> models.ChainDeposit:
    """A deposit that custody has seen; the amount is "0" for an asset of no market."""
    asset = row["asset"] if row["asset"] in withdrawals.mirror.markets.assets else ""
    amount = withdrawals.text(asset, row["units"]) if asset else "0"
    names = "state", "txid", "address", "confirmations", "needed"
    more = {name: row[name] for name in names}
    moment = row["changed_ns"] // 1_000_000
    return models.ChainDeposit(
        row["reference"], asset, row["network"], amount, changed_ms=moment, **more
    )


def address_row(row: Row) -> models.WithdrawalAddress:
    """An entry of the address list; ``why`` says why custody refused it."""
    names = "id", "asset", "network", "address", "label", "state", "usable_at", "created_at"
    values = {name: row[name] for name in names}
    return models.WithdrawalAddress(why=row["detail"], why_code=row["code"], **values)


def withdrawal_row(withdrawals: Withdrawals, row: Row) -> models.WithdrawalRow:
    """A withdrawal with its amount as decimal text; ``why`` says why it was refused or has
    failed."""
    names = "id", "client_id", "reference", "asset", "network", "address", "tag"
    more = "state", "created_at", "changed_at", "txid", "confirmations", "waits"
    amount = withdrawals.text(row["asset"], row["amount"])
    values = {name: row[name] for name in (*names, *more)}
    return models.WithdrawalRow(amount=amount, why=row["detail"], why_code=row["code"], **values)


def _add_addresses(app: Any, native: Native, asking_type: Any) -> None:
    from fastapi import Request

    withdrawals, row_model = native.withdrawals, models.WithdrawalAddress
    path = "/v1/withdrawal-addresses"

    @app.get(path, response_model=list[models.WithdrawalAddress], tags=["money"])
    async def withdrawal_addresses(asking: asking_type) -> Any:
        return [address_row(row) for row in await withdrawals.book.of_user(asking.user_id)]

    @app.post(path, response_model=row_model, status_code=202, tags=["money"])
    async def add_address(asking: asking_type, body: NewWithdrawalAddress, request: Request) -> Any:
        asking.require_withdraw()
        caller = asking.caller(request)
        wanted = body.asset, body.network, body.address, body.label
        who = asking.user_id, asking.participant
        return address_row(await withdrawals.book.add(*who, wanted, caller))

    @app.post(f"{path}/{{number}}/confirm", response_model=row_model, tags=["money"])
    async def confirm_address(
        asking: asking_type, number: int, body: Confirmation, request: Request
    ) -> Any:
        asking.require_withdraw()
        caller = asking.caller(request)
        factors = body.code, body.totp
        return address_row(await withdrawals.book.confirm(asking.user_id, number, *factors, caller))

    @app.delete(f"{path}/{{number}}", response_model=row_model, tags=["money"])
    async def remove_address(asking: asking_type, number: int, request: Request) -> Any:
        asking.require_withdraw()
        caller = asking.caller(request)
        return address_row(await withdrawals.book.remove(asking.user_id, number, caller))


def _add_withdrawals(app: Any, native: Native, asking_type: Any, limited: Any) -> None:
    from fastapi import Request

    withdrawals = native.withdrawals
    row_model = models.WithdrawalRow

    def shown(row: Row) -> models.WithdrawalRow:
        return withdrawal_row(withdrawals, row)

    @app.post(
        "/v1/withdrawals",
        response_model=row_model,
        status_code=202,
        tags=["money"],
        openapi_extra=WITH_KEY,
    )
    async def withdraw(asking: asking_type, body: NewWithdrawal, request: Request) -> Any:
        asking.require_withdraw()
        units = units_asked(withdrawals.mirror, body.asset, body.amount)
        if len(body.tag) > 128 or not body.tag.isprintable():
            raise InvalidRequest("tag: at most 128 printable characters")
        terms = body.asset, body.network, body.address, body.tag, units
        caller = asking.caller(request)
        asked = Asked(key_of(request), *terms)
        return shown(await withdrawals.begin(asking.user_id, asking.participant, asked, caller))

    limit_rows = list[models.NetworkLimit]

    @app.get("/v1/withdrawal-limits", response_model=limit_rows, tags=["money"])
    async def withdrawal_limits(asking: asking_type) -> Any:
        return [
            models.NetworkLimit(asset, network, minimum, NO_FEE, *limits)
            for asset, network, minimum, *limits in await withdrawals.network_limits(asking.user_id)
        ]

    @app.get("/v1/withdrawals", response_model=models.WithdrawalPage, tags=["money"])
    async def list_withdrawals(
        asking: asking_type, cursor: str = "", limit: limited = DEFAULT
    ) -> Any:
        rows = await withdrawals.of_user(asking.user_id, number_of("w", cursor), limit + 1)
        chosen, following = page_of("w", rows, limit, lambda row: row["id"])
        return models.WithdrawalPage([shown(row) for row in chosen], following)

    @app.get("/v1/withdrawals/{number}", response_model=row_model, tags=["money"])
    async def withdrawal(asking: asking_type, number: int) -> Any:
        return shown(await withdrawals.one(asking.user_id, number))

    @app.post("/v1/withdrawals/{number}/confirm", response_model=row_model, tags=["money"])
    async def confirm_withdrawal(
        asking: asking_type, number: int, body: Confirmation, request: Request
    ) -> Any:
        asking.require_withdraw()
        caller = asking.caller(request)
        factors = body.code, body.totp
        return shown(await withdrawals.confirm(asking.user_id, number, *factors, caller))

    @app.delete("/v1/withdrawals/{number}", response_model=row_model, tags=["money"])
    async def cancel_withdrawal(asking: asking_type, number: int, request: Request) -> Any:
        asking.require_withdraw()
        caller = asking.caller(request)
        return shown(await withdrawals.cancel(asking.user_id, number, caller))
