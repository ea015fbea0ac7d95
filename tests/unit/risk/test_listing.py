"""Contracts of a series in the core: no order enters before CONTRACT_LIST, which happens once, and
kernels and reference are the same around it."""

import pytest

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import RiskError, make_region, setting
from openoutcry.wire.enums import CommandKind, Side
from tests.support.risk.contracts import (
    EXPIRY_NS,
    ContractOperator,
    contract_instruments,
    contract_pair,
    funded,
    run_contracts,
)
from tests.support.risk.portfolio import bits_of, new
from tests.support.risk.risk_reference import operator_command

SYMBOLS = contract_instruments()["symbol"].tolist()
LATER = (3, 5, 7)
DONE = 1 << 8


class ListingOperator(ContractOperator):
    """A ContractOperator who also lists contracts, at prices that can be and that cannot."""

    def of_contracts(self):
        rng = self.rng
        if rng.random() < 0.6:
            return super().of_contracts()
        price = int(rng.choice([0, -1, 2**40 + 1, int(rng.integers(1, 200_000))]))
        index = int(rng.choice([0, 2, *LATER]))
        second = int(rng.choice([0, 5, 2**40 + 1]))
        return setting(Setting.CONTRACT_LIST, price, 0, SYMBOLS[index], second)


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_are_the_same_after_every_command(seed):
    both = funded(contract_pair(unlisted=LATER))
    run_contracts(both, seed, 150, operator=ListingOperator(seed, both, SYMBOLS))
    assert not all(both.reference.instruments[index].unlisted for index in LATER)


def test_a_contract_takes_orders_from_its_listing_on():
    both = funded(contract_pair(unlisted=LATER))
    both.process(operator_command(CommandKind.TIME, aux=1))
    assert bits_of(new(both, 1, Side.BUY, 1, index=3)) == ["HALTED"]
    listing = setting(Setting.CONTRACT_LIST, 100_200, 0, SYMBOLS[3], 100_100)
    assert both.process(listing.copy())[0] == DONE
    contracts = both.view.contracts
    assert (contracts.of(3, "mark"), contracts.of(3, "index")) == (100_200, 100_100)
    assert bits_of(new(both, 1, Side.BUY, 1, index=3)) == []
    assert both.process(listing.copy())[0] == 0, "once"
    both.same()


def test_what_has_expired_is_not_listed():
    both = contract_pair(unlisted=LATER)
    both.process(operator_command(CommandKind.TIME, aux=EXPIRY_NS))
    assert both.process(setting(Setting.CONTRACT_LIST, 5, 0, SYMBOLS[3]))[0] == 0
    assert bits_of(new(both, 1, Side.BUY, 1, index=3)) == ["EXPIRED"]
    both.same()


def test_only_contracts_are_listed_later():
    with pytest.raises(RiskError, match="instrument 2 is not a contract"):
        make_region(contract_instruments(), 9, unlisted=[2])
