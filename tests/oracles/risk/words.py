"""The plain core in the words of the risk state, and what of a state differs from it."""

from dataclasses import replace

from openoutcry.derivatives.margin import parameters_of
from openoutcry.derivatives.margin_kernels import margin_now, worst_margin
from openoutcry.derivatives.margin_layout import (
    MarginWork,
    collateral_in,
    parameters_in,
    rows_of,
    work_of,
)
from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout, speed_bump, spot_layout
from openoutcry.risk.bits import (
    NO_LIMIT,
    MovementState,
    Setting,
)
from openoutcry.risk.collateral import follow_pledges
from openoutcry.risk.protection_rules import ROW_WORDS
from openoutcry.wire.enums import Contingency
from openoutcry.wire.open_orders import IS_LEG
from openoutcry.wire.records import NO_PRICE
from tests.oracles.risk.lists import largest
from tests.oracles.risk.reference import CALL_PHASES
from tests.oracles.risk.wallets import word as asset_code


def words_of(plain, view):
    """The reference in the form of the tables."""
    kept = {
        lay.MARKET_KILL: plain.market_killed,
        lay.FIRST_OPERATOR: plain.first_operator,
        lay.NOW_NS: plain.now,
        lay.ORDERS_OPEN: len(plain.orders),
        lay.REFUSALS: plain.refusals,
        lay.FILE_DIGEST: plain.file_digest,
        lay.EMERGENCY: plain.emergency,
        lay.PARTS: plain.parts,
    }
    kept |= {lay.REFUSED_SEQ + 8 * n: word for n, word in enumerate(plain.refused)}
    kept |= {lay.PART_WHO + 8 * n: word for n, word in enumerate(plain.part)}
    header = view.header.copy()
    for at, word in kept.items():
        header[at // 8] = word
    return {
        "header": header,
        "participants": [participant_words(plain, n) for n in range(len(plain.participants))],
        "groups": [
            [plain.group_gross(n), one.gross_limit, one.killed, one.name]
            for n, one in enumerate(plain.groups)
        ],
        "instruments": [
            instrument_words(
                one, row[lay.SPOT_AT // 8], row[lay.CONTRACT_AT // 8], scenario_of(plain, index)
            )
            for index, (one, row) in enumerate(
                zip(plain.instruments, view.instruments, strict=True)
            )
        ],
        "cells": [
            [cell_words(plain, who, i) for i in range(len(row))]
            for who, row in enumerate(plain.cells)
        ],
        "orders": sorted(
            (o.order_id, order_meta(o), o.leaves, o.price) for o in plain.orders.values()
        ),
    }


def scenario_of(plain, index):
    """An instrument's number in the parameters of scenario margin, from 1."""
    return plain.portfolio.number.get(index, -1) + 1 if plain.portfolio else 0


def needs_of_portfolio(plain, who):
    """Scenario margin that collateral does not cover."""
    return plain.maintenance(who) - plain.collateral(who)


def same_portfolio(plain, portfolio):
    """Parameters, what is staged, and each participant's work, made from nothing."""
    parameters = replace(plain.parameters, collateral=())
    assert parameters_in(portfolio.table, collateral=False) == parameters
    scenarios = {
        name: rows for name, rows in plain.staged.items() if name not in ("collateral", "hedges")
    }
    assert parameters_in(portfolio.staged, collateral=False) == parameters_of(scenarios)
    for words, assets in ((portfolio.table, plain.assets), (portfolio.staged, plain.staged_assets)):
        assert collateral_in(words) == [one.words() for one in assets]
        if all(one.fits() for one in assets):
            assert [one.hedge for one in parameters_in(words).collateral] == [
                one.hedge for one in assets
            ]
    counts = portfolio.word("staged"), portfolio.word("applied")
    assert counts == (plain.commands, plain.applied)
    table = portfolio.table.ctypes.data
    pledges_at = work_of(plain.parameters).nbytes - 8 * len(plain.assets)
    for who, work in enumerate(portfolio.works):
        orders = plain.open_ones(who)
        assert portfolio.premiums(who) == plain.premiums(orders)
        positions, opened = rows_of(plain.positions(who)), rows_of(plain.signed(orders))
        made, kept = work_of(plain.parameters), work.copy()
        worst_margin(
            table,
            positions.ctypes.data,
            len(positions),
            opened.ctypes.data,
            len(opened),
            made.ctypes.data,
        )
        if plain.assets:
            made[-len(plain.assets) :] = [plain.reserved(who, one.asset) for one in plain.assets]
        follow_pledges(table, made.ctypes.data, made.ctypes.data + pledges_at)
        margin_now(table, made.ctypes.data)
        margin_now(table, kept.ctypes.data)
        made[MarginWork.offset("premiums") // 8] = portfolio.premiums(who)
        made[MarginWork.offset("collateral") // 8] = plain.collateral(who)
        assert kept.tolist() == made.tolist(), who


def same_bump(plain, view):
    """Who waits, until when, and by which rule."""
    assert [(release, seq) for release, seq, _ in view.delayed()] == sorted(plain.waiting)
    first, words = (
        int(view.bump[speed_bump.LAST_AT // 8]) // 8,
        (speed_bump.DELAY_NS, speed_bump.WINDOW_NS, speed_bump.SEED),
    )
    last = view.bump[first : first + plain.participants].tolist()
    assert last == [plain.last.get(who, 0) for who in range(plain.participants)]
    rule = [int(view.bump[word // 8]) for word in (*words, speed_bump.NOW_NS)]
    assert rule == [plain.delay_ns, plain.window_ns, plain.seed, plain.now_ns]
    of_terms = [int(view.bump[word // 8]) for word in (speed_bump.HOLDS_TERMS, speed_bump.PROMISED)]
    assert of_terms == [plain.holds_terms, plain.rest]


def same_protection(plain, protection):
    """What the protection decided, and its windows, from the plain list of trades."""
    header = {
        protection_layout.DAY: plain.day,
        protection_layout.CUT_OFF_NS: plain.cut_off,
        protection_layout.LEVEL_FIRED: plain.fired,
        protection_layout.MARKET_UNTIL_NS: plain.market_until,
        protection_layout.LOGGED: len(plain.log),
        protection_layout.PAUSES: plain.pauses,
        protection_layout.LEVEL_1_BPS: plain.levels[1][0],
        protection_layout.LEVEL_3_BPS: plain.levels[3][0],
        protection_layout.HALT_2_NS: plain.levels[2][1],
        protection_layout.INDEXED: sum(r.rules[Setting.INDEX_WEIGHT][0] > 0 for r in plain.rows),
    }
    assert {at: protection.word(at) for at in header} == header
    assert protection.logged() == plain.log[-protection_layout.LOG_ENTRIES :]
    for index, row in enumerate(plain.rows):
        for what, value in row.rules.items():
            first, second = ROW_WORDS[what]
            pair = protection.of(index, first), protection.of(index, second) if second >= 0 else 0
            assert pair == value, (index, what)
        second = protection.of(index, protection_layout.SECOND)
        prices = row.within(second, 300)
        slow = row.within(second, row.rules[Setting.VOLATILITY][1])
        fast = row.within(second, row.rules[Setting.VELOCITY][1])
        wanted = {
            protection_layout.PHASE: row.phase,
            protection_layout.STATE: row.state,
            protection_layout.SINCE_NS: row.since,
            protection_layout.UNTIL_NS: row.until,
            protection_layout.WHY: row.why,
            protection_layout.REFERENCE: never(row.reference),
            protection_layout.STATIC_REFERENCE: never(row.fixed),
            protection_layout.REFERENCE_AT_NS: row.reference_at,
            protection_layout.LOW: row.low,
            protection_layout.HIGH: row.high,
            protection_layout.CLOSE: never(row.close),
            protection_layout.PAUSED_TIMES: row.paused_times,
            protection_layout.SUM: sum(prices),
            protection_layout.TRADES: len(prices),
            protection_layout.LOWEST: min(slow, default=protection_layout.NEVER),
            protection_layout.HIGHEST: max(slow, default=-protection_layout.NEVER),
            protection_layout.FAST_LOWEST: min(fast, default=protection_layout.NEVER),
            protection_layout.FAST_HIGHEST: max(fast, default=-protection_layout.NEVER),
        }
        assert {at: protection.of(index, at) for at in wanted} == wanted, index


def same_wallets(plain, wallets):
    """Every wallet and fee account, and what each participant's terms come from."""
    for who, row in enumerate(wallets.rows):
        wanted = [plain.wallet(who, asset) for asset in range(len(plain.names))]
        assert row.tolist() == wanted, who
    granted = [
        sum(credit for (_, asset), credit in plain.credit.items() if asset == number)
        for number in range(len(plain.names))
    ]
    assert wallets.assets[:, 0].tolist() == plain.names
    assert [(row[1], row[7]) for row in wallets.assets.tolist()] == plain.declared
    assert not wallets.all_rows[:, len(plain.names) :].any()
    assert wallets.assets[:, 2].tolist() == plain.fees
    assert wallets.assets[:, 3].tolist() == plain.net
    assert wallets.assets[:, 4].tolist() == granted
    assert not wallets.assets[:, 5].any()
    assert wallets.assets[:, 6].tolist() == [plain.short(a) for a in range(len(plain.names))]
    for index in plain.spot:
        at = spot_layout.SpotRules.offset("schedule") // 8
        assert wallets.rules[index, at] == plain.pays.get((-1, index), -1) + 1
    assert wallets.words[6] == plain.pays.get((-1, -1), -1) + 1
    if wallets.movements is not None:
        same_movements(plain.movements, wallets.movements)


def same_contracts(plain, contracts):
    """Every contract's row, and what the fund and deleveraging came to."""
    for row, one in zip(contracts.rows.tolist(), plain.rows.values(), strict=True):
        assert row[: len(contract_words(one))] == contract_words(one), one
        assert row[-3:] == premium_words(one), one
    names = (
        *("fund", "covered", "covers", "takeovers", "taken_over", "losses", "staged", "applied"),
        *("fee_bps", "fee_due", "fee_payer", "fees"),
    )
    assert {name: contracts.word(name) for name in names} == {n: getattr(plain, n) for n in names}
    assert contracts.word("clearing") == 0


def contract_words(one):
    """In the order of ``ContractRow``."""
    return [
        one.index,
        one.kind,
        one.inverse,
        one.multiplier,
        one.expiry,
        one.strike,
        one.strike_multiplier,
        one.margin_bps,
        one.mark,
        one.at_index,
        one.marked,
        one.marks,
        one.day,
        one.settlement,
        one.rate,
        one.period,
        int(one.carry * 10**9),
        one.funded,
        int(one.settled),
        one.final,
        one.final_units,
        *(one.staged or (0, 0, 0)),
        one.strike_rest,
        one.adjustments,
        one.ratio,
        one.adjusted_at,
    ]


def premium_words(one):
    """The average of a perpetual's premium, likewise."""
    return [sum(p * ms for p, ms in one.premiums or ()), one.premium_from, one.premium_to]


def same_movements(plain, movements):
    """Every row, and the header's counts."""
    assert [asset_code(name) for name in movements.names] == plain.wallets.names
    for row, one in zip(movements.used.tolist(), plain.places, strict=True):
        text = b"".join(word.to_bytes(8, "little", signed=True) for word in row[:4])
        steps = sum(1 << step for step in one.steps)
        state, (seq, changed) = int(MovementState[one.state.upper()]), one.changed
        wanted = [one.number, one.who, one.asset, one.amount, state, steps, seq]
        wanted += [one.began, changed, one.operator, one.short, 0]
        assert (text, row[4:]) == (one.reference, wanted)
        assert movements.find(text.rstrip(b"\0").decode()).number == one.number
    counts = [plain.count, len(plain.open()), plain.turn, *plain.refused]
    names = ("count", "open", "next_row", "refused_seq", "refused_why")
    assert [movements.word(name) for name in names] == counts


def same_own(plain, own):
    """Each limit that an owner has set, next to the operator's, in the order of the first time."""
    rate = int(Setting.RATE)
    rows = []
    for who, what, instrument in plain.both:
        both = plain.both[who, what, instrument]
        seconds = [second if what == rate else None for _, second in both.values()]
        rows.append([(who, what, instrument), both["owner"][0], both["operator"][0], *seconds])
    found = []
    for place, value, second, others, others_second in own.used[:, :5].tolist():
        what = place & 0xFF
        seconds = (others_second, second) if what == rate else (None, None)
        key = place >> 32, what, (place >> 8 & 0xFFFFFF) - 1
        found.append([key, value, others, *seconds])
    assert found == rows


def never(price):
    return protection_layout.NEVER if price is None else price


def participant_words(plain, who):
    p = plain.participants[who]
    names = {
        "operator": lay.KILLED_BY_OPERATOR,
        "loss": lay.KILLED_BY_LOSS,
        "arithmetic": lay.KILLED_BY_ARITHMETIC,
        "margin": lay.KILLED_BY_MARGIN,
        "owner": lay.KILLED_BY_OWNER,
    }
    flags = sum(names[why] for why in p.killed)
    flags |= {2: lay.SUSPENDED_FLAG, 3: lay.CLOSED_FLAG}.get(p.status, 0)
    flags |= lay.CANCEL_WANTED * p.cancel_wanted | lay.NAMES_SELF_TRADE * p.names_self_trade
    return [
        p.balance,
        plain.reserved(who),
        p.credit,
        flags,
        p.group,
        plain.open_count(who),
        p.open_limit,
        p.duplicate_ns,
        plain.side_exposure(who, 1),
        p.exposure_limit[1],
        plain.side_exposure(who, 2),
        p.exposure_limit[2],
        plain.gross(who),
        p.gross_limit,
        p.full_at,
        p.rate_ns,
        p.burst,
        p.profit,
        p.peak,
        p.loss_limit,
        p.drawdown_limit,
        p.funded,
        plain.margined(who),
        p.maintenance,
        p.kills,
        p.killed_seq,
        p.called_seq,
        plain.wallets.pays.get((who, -1), -1) + 1 if plain.wallets else 0,
        plain.wallets.volume[who] if plain.wallets else 0,
        p.status,
        p.name,
        needs_of_portfolio(plain.portfolio, who) if plain.portfolio else 0,
    ]


def instrument_words(one, spot_at=0, contract_at=0, scenario=0):
    worst = one.worst
    limited = 0 if not one.price_limited else 2 if one.band else 1
    return [
        worst[1],
        worst[2],
        max(map(abs, worst.values())),
        one.multiplier,
        one.fee,
        one.margin,
        lay.SPOT if one.spot else one.leveraged,
        one.weight,
        one.distance,
        one.adv,
        one.adv_share,
        NO_PRICE if one.reference is None else one.reference,
        NO_LIMIT if one.last is None else one.last,
        one.volume,
        one.halted
        + 2 * one.paused
        + 4 * one.expired
        + 8 * one.indexless
        + 16 * one.unlisted
        + 32 * one.suspended
        + 64 * one.close_only
        + 128 * one.delisted
        + 256 * one.pre_open,
        one.band_low,
        one.band_high,
        one.banded,
        limited,
        0,
        one.market_stays + 2 * (one.phase in CALL_PHASES),
        spot_at,
        contract_at,
        scenario,
    ]


def cell_words(plain, who, instrument):
    cell, orders = plain.cells[who][instrument], plain.open_of(who, instrument)
    flags = lay.RESTRICTED_FLAG * cell.restricted | lay.NO_SHORT_FLAG * cell.no_short
    return [
        cell.position,
        plain.lots(orders, 1),
        plain.lots(orders, 2),
        largest(orders, plain.cost),
        plain.wallets.packed(who, instrument) if plain.instruments[instrument].spot else cell.mark,
        flags,
        *cell.last_order[1],
        *cell.last_order[2],
        cell.long_limit,
        cell.short_limit,
        cell.max_qty,
        cell.max_value,
    ]


def order_meta(o):
    flags = lay.PRICED_FLAG * o.priced | lay.PEG_FLAG * o.peg
    flags |= spot_layout.QUOTE_FEE_FLAG * o.quote_fee | o.pinned << spot_layout.PINNED_SHIFT
    shift = max(o.loss.bit_length() - lay.LOSS_BITS, 0)
    flags |= (shift << lay.LOSS_BITS | o.loss >> shift) << lay.LOSS_SHIFT
    return (
        o.instrument
        | o.participant << lay.META_PARTICIPANT
        | o.side << lay.META_SIDE
        | IS_LEG * (o.ring is not None and o.ring.contingency != Contingency.OTO)
        | flags << lay.META_FLAGS
    )
