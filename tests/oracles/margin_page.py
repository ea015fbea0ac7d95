"""Margin as docs/margin.md says it, read from that page alone: nothing of ours is imported.

The defaults come from the page's tables of keys.  Every amount is a whole number of units; the
price of an option is computed in floating point, so that it may differ by a tick.
"""

import math
import re
import tomllib
from fractions import Fraction
from itertools import pairwise

PART = 1_000_000
DAY_S, YEAR_S = 86_400, 365 * 86_400
THIRDS = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3)


def up(number):
    """A fraction, rounded up."""
    return math.ceil(Fraction(number))


def down(number):
    """A fraction, rounded down."""
    return math.floor(Fraction(number))


def defaults_of(page):
    """The defaults of each table on the page, by table and key."""
    found, table = {}, None
    for line in page.splitlines():
        heading = re.match(r"\| (?:in the venue file: )?`\[+(\w+)\]+` \| unit \| default", line)
        row = re.match(r"\| `(\w+)` \| .*? \| (`[^`]*`|required|none) \| ", line)
        if heading:
            table = found.setdefault(heading[1], {})
        elif not line.startswith("|"):
            table = None
        elif table is not None and row and row[2] != "required":
            text = row[2].strip("`").replace("_", "")
            words = {"none": None, "true": True, "false": False}
            value = words[text] if text in words else re.findall(r"-?\d+", text)
            if isinstance(value, list):
                value = int(value[0]) if not text.startswith("[") else [int(v) for v in value]
            table[row[1]] = value
    return found


class Page:
    """A margin file by the page."""

    def __init__(self, page, text):
        self.defaults, self.file = defaults_of(page), tomllib.loads(text)
        self.underlyings = {row["name"]: row for row in self.file["underlying"]}
        self.contracts = {row["symbol"]: row for row in self.file["contract"]}
        self.now_s = self.file["margin"]["now"].timestamp()

    def of(self, table, row, key):
        """What a row has for a key, or its default."""
        return row[key] if key in row else self.defaults[table][key]

    def is_option(self, contract):
        return contract["kind"] in ("call", "put")

    # Prices

    def volatility(self, underlying, forward, contract):
        """Millionths; the file of the example has one expiry for each underlying."""
        (smile,) = [one for one in self.file["smile"] if one["underlying"] == underlying]
        ratio = down(Fraction(contract["strike_ticks"] * PART, forward) + Fraction(1, 2))
        nodes = list(zip(smile["ratios"], smile["volatilities"], strict=True))
        if ratio <= nodes[0][0]:
            return nodes[0][1]
        for (low, one), (high, other) in pairwise(nodes):
            if ratio <= high:
                return one + (other - one) * (ratio - low) / (high - low)
        return nodes[-1][1]

    def option_price(self, contract, forward, shift, later_s):
        """Black-76 without discount, in the option's ticks."""
        strike = contract["strike_ticks"]
        volatility = max(1, self.volatility(contract["underlying"], forward, contract) + shift)
        years = max(0, contract["expiry"].timestamp() - self.now_s - later_s) / YEAR_S
        deviation = volatility / PART * math.sqrt(years)
        least = max(0, forward - strike if contract["kind"] == "call" else strike - forward)
        value = least
        if deviation:
            first = math.log(forward / strike) / deviation + deviation / 2
            normal = lambda x: math.erfc(-x / math.sqrt(2)) / 2  # noqa: E731
            value = forward * normal(first) - strike * normal(first - deviation)
            value += 0 if contract["kind"] == "call" else strike - forward
        return math.floor(value * contract["strike_multiplier"] / contract["multiplier"] + 0.5)

    def worth(self, contract, price):
        """What a long lot is worth; only differences have a meaning."""
        if self.of("contract", contract, "inverse"):
            return -down(Fraction(contract["multiplier"], price))
        return contract["multiplier"] * price

    def mark(self, contract):
        """Its mark in ticks."""
        given = self.of("contract", contract, "mark_ticks")
        forward = self.underlyings[contract["underlying"]]["price_ticks"]
        return given or self.option_price(contract, forward, 0, 0)

    # A lot's risk

    def scenarios(self, own, shift):
        """Move in ticks, added volatility and share that counts of each scenario."""
        key = lambda name: self.of("underlying", own, name)  # noqa: E731
        scan, scenarios = own["scan_ticks"], []
        for number, thirds in enumerate(THIRDS):
            move = down(Fraction(abs(thirds) * scan, 3)) * (1 if thirds > 0 else -1)
            scenarios.append((move, -shift if number % 2 else shift, PART))
        extreme = down(Fraction(key("extreme_thirds") * scan, 3))
        scenarios += [(move, 0, key("extreme_share")) for move in (extreme, -extreme)]
        for part in key("extended") or ():
            size = down(Fraction(abs(part) * own["price_ticks"], PART))
            counts = up(Fraction(key("extended_factor") * scan, size)) if size else PART
            scenarios.append((size if part > 0 else -size, 0, min(counts, PART)))
        return scenarios

    def losses(self, contract):
        """What a long lot loses in each scenario."""
        own = self.underlyings[contract["underlying"]]
        mark, found = self.mark(contract), []
        for move, added, counts in self.scenarios(own, self.volatility_scan(own, contract)):
            if self.is_option(contract):
                price = self.option_price(contract, max(1, own["price_ticks"] + move), added, DAY_S)
            else:
                price = max(1, mark + move)
            loss = self.worth(contract, mark) - self.worth(contract, price)
            found.append(up(Fraction(loss * counts, PART)))
        return found

    def volatility_scan(self, own, contract):
        """The range of a contract's volatility, by its days to expiry."""
        terms = self.of("underlying", own, "volatility_terms")
        if not terms or not self.is_option(contract):
            return self.of("underlying", own, "volatility_scan")
        days = Fraction(contract["expiry"].timestamp() - self.now_s) / DAY_S
        if days <= terms[0][0]:
            return terms[0][1]
        for (day, one), (later, other) in pairwise(terms):
            if days <= later:
                return down(one + Fraction((other - one) * (days - day), later - day))
        return terms[-1][1]

    def delta(self, contract):
        """Millionths of a reference lot."""
        own = self.underlyings[contract["underlying"]]
        forward = own["price_ticks"]
        if self.is_option(contract):
            volatility = self.volatility(contract["underlying"], forward, contract) / PART
            years = (contract["expiry"].timestamp() - self.now_s) / YEAR_S
            deviation = volatility * math.sqrt(years)
            first = math.log(forward / contract["strike_ticks"]) / deviation + deviation / 2
            one = math.erfc(-first / math.sqrt(2)) / 2 - (contract["kind"] == "put")
            return round(one * contract["strike_multiplier"] * PART / own["unit"])
        gain = contract["multiplier"]
        if self.of("contract", contract, "inverse"):
            gain = down(Fraction(gain, forward * forward))
        return down(Fraction(gain * PART, own["unit"]))

    # What is paid

    def funding_rate(self, row, prices):
        """The rate of a period, in billionths; ``prices``: milliseconds, mark and index of each
        stretch of time, the index 0 where there was none."""
        key = lambda name: self.of("funding", row, name)  # noqa: E731
        known = [(ms, mark, index) for ms, mark, index in prices if index]
        premiums = [int(max(-1, min(1, Fraction(m, i) - 1)) * 10**9) for _, m, i in known]
        total = sum(ms * premium for (ms, _, _), premium in zip(known, premiums, strict=True))
        mean = down(Fraction(total, sum(ms for ms, _, _ in known)))
        more = max(-key("clamp_ppb"), min(key("clamp_ppb"), key("interest_ppb") - mean))
        return max(-key("cap_ppb"), min(key("cap_ppb"), mean + more))

    def liquidation_fee(self, row, fills, owned):
        """What fills of parts cost: contract, lots and price of each."""
        bps = self.of("liquidation", row, "fee_bps")
        worth = [abs(lots * self.worth(contract, price)) for contract, lots, price in fills]
        return min(sum(up(Fraction(value * bps, 10_000)) for value in worth), max(owned, 0))

    # What is pledged

    def counted(self, pledged):
        """Value and what counts after haircuts of each asset that is pledged."""
        rows, values = {row["name"]: row for row in self.file["asset"]}, {}
        for name, amount in pledged.items():
            worth, per = self.of("asset", rows[name], "price")
            values[name] = down(Fraction(amount * worth, per))
        found = {}
        for name, value in values.items():
            key = lambda text, row=rows[name]: self.of("asset", row, text)  # noqa: E731
            tiers, taken = key("tiers"), 0
            tiers = tiers if isinstance(tiers[0], list) else [tiers]
            for place, (begin, rate) in enumerate(tiers):
                end = tiers[place + 1][0] if place + 1 < len(tiers) else value
                taken += up(Fraction(max(min(value, end) - begin, 0) * rate, PART))
            over = max(value - down(Fraction(sum(values.values()) * key("share"), PART)), 0)
            taken += min(up(Fraction(over * key("concentrated"), PART)), value - taken)
            found[name] = value, value - taken
        return found

    def pledge(self, name, pledged):
        """By how much a pledge changes each scenario's loss, and the delta that it hedges."""
        own = self.underlyings[name]
        moves = self.scenarios(own, 0)
        if not self.of("underlying", own, "pledges_hedge") or not pledged.get(name):
            return [0] * len(moves), 0
        value, counts = self.counted(pledged)[name]
        amount = pledged[name]
        part = down(Fraction(amount * counts, value)) if value else 0
        (row,) = [row for row in self.file["asset"] if row["name"] == name]
        worth, per = self.of("asset", row, "price")
        tick = Fraction(worth, per * own["price_ticks"])
        price = own["price_ticks"]
        exact = [tick * (max(1, price + move) - price) * s / PART for move, _, s in moves]
        delta = tick * PART / own["unit"]
        digits = 60
        while max(delta, *map(abs, exact)) * 2**digits > 2**61:
            digits -= 1
        found = []
        for change in (Fraction(down(one * 2**digits), 2**digits) for one in exact):
            if change > 0:
                found.append(-down(part * change))
            else:
                fall = up(-change * amount) - (value - counts)
                found.append(min(max(fall, 0), counts))
        return found, up(part * Fraction(up(delta * 2**digits), 2**digits))

    # A portfolio

    def margin(self, positions, pledged=None):
        """Maintenance and initial margin of lots by contract and amounts of assets pledged."""
        parts = {name: self.commodity(name, positions, pledged or {}) for name in self.underlyings}
        left = {name: part["delta"] for name, part in parts.items()}
        for name, part in parts.items():
            if left[name] < 0:
                left[name] = min(left[name] + part["hedged"], 0)
        for offset in self.file.get("offset", []):
            legs = []
            for text in offset["legs"]:
                name, side, ratio = text.split(":")
                legs.append((name, 1 if side == "long" else -1, int(ratio)))
            signs = {side * ((left[name] > 0) - (left[name] < 0)) for name, side, _ in legs}
            if signs not in ({1}, {-1}):
                continue
            spreads = min(abs(left[name]) // ratio for name, _, ratio in legs)
            for name, _, ratio in legs:
                part, used = parts[name], spreads * ratio
                share = down(Fraction(used << 20, abs(part["delta"] + part["hedged"])))
                credit = down(Fraction(part["price_risk"] * share, 1 << 20))
                part["credit"] += down(Fraction(credit * offset["rate"], PART))
                left[name] -= used if left[name] > 0 else -used
        maintenance = initial = 0
        for name, part in parts.items():
            own = self.underlyings[name]
            needed = max(part["scan"] + part["months"] - part["credit"], part["short"], 0)
            addon = self.of("underlying", own, "addon")
            needed += up(Fraction(abs(part["delta"]) * addon, PART))
            for share, rate in self.of("underlying", own, "liquidity") or ():
                above = max(abs(part["delta"]) - share * own["volume"], 0)
                needed += up(Fraction(above * rate, PART))
            maintenance += needed
            initial += up(Fraction(needed * self.of("underlying", own, "initial"), PART))
        return maintenance, initial

    def commodity(self, name, positions, pledged):
        """Everything with one underlying, but credits."""
        own, tiers, short = self.underlyings[name], {}, 0
        losses, hedged = self.pledge(name, pledged)
        for symbol, lots in positions.items():
            contract = self.contracts[symbol]
            if contract["underlying"] != name:
                continue
            new = [lots * loss for loss in self.losses(contract)]
            losses = [a + b for a, b in zip(losses, new, strict=True)]
            tier = self.of("contract", contract, "tier")
            tiers[tier] = tiers.get(tier, 0) + lots * self.delta(contract)
            if self.is_option(contract) and lots < 0:
                short -= lots * self.of("underlying", own, "short_minimum")
        left, months = dict(tiers), 0
        for first, second, rate in self.of("underlying", own, "spreads") or ():
            one, other = left.get(first, 0), left.get(second, 0)
            if one * other < 0:
                taken = min(abs(one), abs(other))
                left[first] -= taken if one > 0 else -taken
                left[second] -= taken if other > 0 else -taken
                months += up(Fraction(taken * rate, PART))
        scan, active = max(0, *losses), losses.index(max(losses))
        pair = active ^ 1 if active < 14 else active
        priced = down(Fraction(losses[active] + losses[pair] - losses[0] - losses[1], 2))
        return {
            "scan": scan,
            "months": months,
            "delta": sum(tiers.values()),
            "hedged": hedged,
            "price_risk": min(max(0, priced), scan),
            "short": short,
            "credit": 0,
        }
