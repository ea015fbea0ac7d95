"""The routes of ``/v1/operator``: users, freezes, levels, keys, a look at a user's pages, and
questions over many days.  The operators' page asks them."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from openoutcry.client import portal_models as models
from openoutcry.ledger.analytics import VIEWS
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.accounts.operators import Operator, Operators, Why
from openoutcry.portal.accounts.routes import DONE, caller_of
from openoutcry.portal.body import Body
from openoutcry.portal.money.approvals import to_approve
from openoutcry.portal.money.withdrawals import Withdrawals
from openoutcry.portal.native.history_routes import LAST_DAY, day_of
from openoutcry.portal.native.pages import DEFAULT, number_of, page_of
from openoutcry.portal.native.routes import balance_rows, limit_type
from openoutcry.portal.portfolio.desk import Desk
from openoutcry.portal.trading.holds import Holds
from openoutcry.portal.trading.mirror import Mirror

OPERATORS: list[Any] = ["operators"]
FIELDS = (
    "id",
    "mail",
    "participant",
    "level",
    "is_open",
    "is_verified",
    "frozen_at",
    "frozen_reason",
    "frozen_told",
    "keeps_orders",
    "is_held",
    "created_at",
)


@dataclass
class Reason(Body):
    """Why an operator does it: ``reason`` is for operators, whose log keeps it, and ``told`` is
    what the user is shown and mailed."""

    reason: str
    told: str = ""

    @property
    def why(self) -> Why:
        """Both parts."""
        return Why(self.reason, self.told)


@dataclass
class Freeze(Reason):
    """``orders``: "cancel" cancels the open orders, "keep" lets them stay and trade."""

    orders: str = "cancel"


@dataclass
class NewLevel(Body):
    """The level that a user gets, and why."""

    level: int
    reason: str
    told: str = ""


@dataclass
class NativeOperators:
    """Parts of the routes."""

    operators: Operators
    mirror: Mirror
    desk: Desk
    keys: ApiKeys
    withdrawals: Withdrawals
    holds: Holds


def operator_type_of(native: NativeOperators) -> Any:
    """Return the type of a parameter of an endpoint that needs an operator."""
    from fastapi import Depends, Request

    async def operator_of(request: Request) -> Operator:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        return await native.operators.of_token(token, caller_of(request))

    return Annotated[Operator, Depends(operator_of)]


def add_operators(app: Any, native: NativeOperators) -> None:
    """Add every route to an application of FastAPI."""
    operator_type = operator_type_of(native)
    _add_users(app, native, operator_type, limit_type())
    _add_changes(app, native, operator_type)
    _add_views(app, native, operator_type, limit_type())


def user_row(row: dict[str, Any]) -> models.UserRow:
    """A user as operators see one."""
    return models.UserRow(**{name: row[name] for name in FIELDS})


def _add_users(app: Any, native: NativeOperators, operator_type: Any, limited: Any) -> None:
    operators = native.operators

    @app.get("/v1/operator/users", response_model=models.UserPage, tags=OPERATORS)
    async def users(
        operator: operator_type, search: str = "", cursor: str = "", limit: limited = DEFAULT
    ) -> Any:
        rows = await operators.users(search, number_of("u", cursor), limit + 1)
        found, following = page_of("u", rows, limit, lambda row: row["id"])
        return models.UserPage([user_row(row) for row in found], following)

    @app.get("/v1/operator/users/{user_id}", response_model=models.UserDetail, tags=OPERATORS)
    async def user_detail(operator: operator_type, user_id: int) -> Any:
        row = await operators.user(user_id)
        participant = row["participant"]
        balances = balance_rows(native.mirror, participant) if participant else []
        audit = [models.AuditRow(**one) for one in row["audit"]]
        counts = row["sessions"], row["api_keys"]
        keys = [models.ApiKeyRow(**one) for one in await native.keys.list(user_id)]
        limits = await native.withdrawals.limits(user_id, row["level"])
        shown = None if limits is None else [models.WithdrawalLimit(*limit) for limit in limits]
        return models.UserDetail(user_row(row), *counts, balances, audit, keys, shown)


def _add_changes(app: Any, native: NativeOperators, operator_type: Any) -> None:
    operators = native.operators

    async def changed(user_id: int) -> models.UserRow:
        """The user, once the venue has what was changed; a venue that is closed has it later."""
        native.keys.forget()
        await native.holds.go_on(user_id)
        native.keys.forget()
        return user_row(await operators.user(user_id))

    row = models.UserRow

    @app.post("/v1/operator/users/{user_id}/freeze", response_model=row, tags=OPERATORS)
    async def freeze(operator: operator_type, user_id: int, body: Freeze) -> Any:
        if body.orders not in ("cancel", "keep"):
            raise InvalidRequest("orders: cancel or keep")
        await operators.freeze(operator, user_id, body.why, True, body.orders == "keep")
        return await changed(user_id)

    @app.post("/v1/operator/users/{user_id}/unfreeze", response_model=row, tags=OPERATORS)
    async def unfreeze(operator: operator_type, user_id: int, body: Reason) -> Any:
        await operators.freeze(operator, user_id, body.why, False)
        return await changed(user_id)

    @app.post("/v1/operator/users/{user_id}/level", response_model=row, tags=OPERATORS)
    async def set_level(operator: operator_type, user_id: int, body: NewLevel) -> Any:
        why = Why(body.reason, body.told)
        await operators.set_level(operator, user_id, body.level, why)
        native.keys.forget()
        return user_row(await operators.user(user_id))

    path = "/v1/operator/users/{user_id}/keys/{number}/revoke"

    @app.post(path, response_model=models.Status, tags=OPERATORS)
    async def revoke_user_key(
        operator: operator_type, user_id: int, number: int, body: Reason
    ) -> dict[str, str]:
        await operators.revoke_key(operator, native.keys, user_id, number, body.why)
        return DONE

    view = models.SupportView

    @app.post("/v1/operator/users/{user_id}/view", response_model=view, tags=OPERATORS)
    async def support_view(operator: operator_type, user_id: int, body: Reason) -> Any:
        return models.SupportView(*await operators.view(operator, user_id, body.why))


def _add_views(app: Any, native: NativeOperators, operator_type: Any, limited: Any) -> None:
    from fastapi import Query

    @app.get("/v1/operator/log", response_model=models.OperatorPage, tags=OPERATORS)
    async def operator_log(
        operator: operator_type, cursor: str = "", limit: limited = DEFAULT
    ) -> Any:
        rows = await native.operators.log(number_of("l", cursor), limit + 1)
        found, following = page_of("l", rows, limit, lambda row: row["id"])
        return models.OperatorPage([models.OperatorRow(**row) for row in found], following)

    kind = list[models.WithdrawalToApprove]

    @app.get("/v1/operator/withdrawals", response_model=kind, tags=OPERATORS)
    async def withdrawals_to_approve(operator: operator_type) -> Any:
        withdrawals = native.withdrawals
        async with withdrawals.database.transaction() as connection:
            rows = await to_approve(connection, withdrawals.accounts.now())
        names = [field.name for field in fields(models.WithdrawalToApprove)]
        shown = [row | {"amount": withdrawals.text(row["asset"], row["amount"])} for row in rows]
        return [{name: row[name] for name in names} for row in shown]

    page = models.AnalyticsPage

    @app.get("/v1/operator/analytics/{view}", response_model=page, tags=OPERATORS)
    async def analytics(
        operator: operator_type,
        view: str,
        since: str = Query("", alias="from"),
        until: str = "",
    ) -> Any:
        if view not in VIEWS:
            raise NotFound(f"there is no view {view!r}; there are {', '.join(VIEWS)}")
        days = day_of(since, "from", 0), day_of(until, "until", LAST_DAY)
        terms = {"ask": "analytics", "view": view, "first": days[0], "last": days[1]}
        answer = await native.desk.ask(operator.name, **terms)
        return models.AnalyticsPage(view, answer["rows"])
