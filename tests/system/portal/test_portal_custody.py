"""A person's day with money on chains, at the page in a real Chromium: a deposit from its first
sight to its credit, and a withdrawal to a new address past the wait, both factors and two people.
"""

import time

import pyotp
import pytest

from openoutcry.custody.evm.encoding import address_text
from openoutcry.custody.store import Store
from tests.support.console.console_browser import needs_chromium
from tests.support.custody.anvil import binary
from tests.support.custody.chains import need_hsm, need_node
from tests.support.custody.portal_custody import (
    COIN,
    FINAL,
    PEOPLE,
    TOKEN,
    PortalCustody,
    Somebody,
)
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_browser import browsed
from tests.support.waiting import wait_until

pytestmark = needs_chromium
WAIT_S = 40
"""Wait of a new address: long enough to be met on a busy machine."""
STEP_S = 30
USD = 10**6
SIZES = ((1280, 800), (390, 844))
COMING, DEPOSITS = ".scroll[aria-label='On the way'] td", ".scroll[aria-label='Deposits'] td"
WITHDRAWALS = ".scroll[aria-label='Withdrawals'] td"
ADDRESSES = ".scroll[aria-label='Addresses for withdrawals'] td"


@pytest.fixture(scope="module")
def custody(tmp_path_factory):
    need_node()
    need_hsm()
    with PortalCustody(tmp_path_factory.mktemp("pc"), WAIT_S, evm=binary() is not None) as made:
        yield made


class Day:
    """A user at the page, with an authenticator."""

    def __init__(self, page, custody, folder):
        self.page, self.custody, self.folder = page, custody, folder
        self.user = Somebody(custody)
        self.secret, self.last = "", 0
        page.log_in(self.user.person.mail)

    def add_authenticator(self):
        self.secret = self.user.native.new_totp(PASSWORD).secret
        self.user.native.confirm_totp(self.code())
        self.page.go("account/security")
        self.page.expect(".chip.good", has_text="on").not_to_have_count(0)

    def code(self):
        """Each is valid once, and for half a minute to either side, so one of now lasts."""
        step = max(self.last + 1, int(time.time()) // STEP_S)
        wait_until(lambda: step <= int(time.time()) // STEP_S + 1, "the next code")
        self.last = step
        return pyotp.TOTP(self.secret).generate_otp(step)

    def looks_right(self, name):
        """Clean and no wider than the window, at each size; a picture is kept of each."""
        for width, height in SIZES:
            self.page.page.set_viewport_size({"width": width, "height": height})
            self.page.page.evaluate("scrollTo(0, 0)")
            path = self.folder / f"{name}-{width}.png"
            self.page.page.screenshot(path=str(path), full_page=True)
            assert self.page.defects() == [], name
            assert self.page.width() <= 0, name
        width, height = SIZES[0]
        self.page.page.set_viewport_size({"width": width, "height": height})

    def sees(self, cell, text):
        self.page.expect(cell, has_text=text).not_to_have_count(0)

    def deposit_address(self, title):
        self.page.go("wallet/deposit")
        panel = self.page.page.locator("section.panel", has=self.page.page.get_by_text(title))
        return panel.locator(".copy code").first.inner_text()

    def list_address(self, network, address, label):
        self.page.go("wallet/withdraw")
        self.page.page.select_option("#list-network", label=network)
        self.page.fill(list_address=address, list_label=label)
        self.page.press("Add address")
        self.page.expect("dialog #list-code").to_be_visible()
        self.looks_right("confirm-address")
        self.page.fill(list_code=self.user.next_code(), list_totp=self.code())
        self.page.page.click("dialog button.primary")
        self.page.says("Address confirmed")

    def ask_for(self, asset, address, amount):
        self.page.page.select_option("#withdraw-asset", asset)
        self.page.fill(withdraw_address=address, withdraw_amount=amount)
        self.page.press("Request withdrawal")

    def confirm(self):
        self.page.expect("dialog #withdraw-code").to_be_visible()
        self.looks_right("confirm-withdrawal")
        self.page.fill(withdraw_code=self.user.next_code(), withdraw_totp=self.code())
        self.page.page.click("dialog button.primary")
        self.page.says("Withdrawal confirmed")

    def reference(self):
        """Custody's, of the one that waits for people."""
        with Store(self.custody.folder / "custody") as store:
            (row,) = store.rows("select reference from withdrawals where state = 'held'")
        return row["reference"]


@pytest.fixture
def day(browser, custody, tmp_path):
    with browsed(browser, custody.portal) as page:
        made = Day(page, custody, tmp_path)
        made.add_authenticator()
        yield made
        made.user.native.close()


@pytest.mark.promise(
    "At the page a deposit to a user's own address is shown from its first sight to its "
    "credit, once. A withdrawal goes only to an address that its owner confirmed and whose "
    "wait is over, is paid once and shown to its end",
    group="custody",
)
def test_a_persons_day_with_litecoin(day, custody):
    address = day.deposit_address("Deposit LTC by LTC")
    assert address == day.user.address()
    day.looks_right("deposit")
    txid = custody.node.pay(address, 12 * COIN)
    day.sees(COMING, "waits for a block")
    day.sees(COMING, txid)
    custody.node.mine()
    day.sees(COMING, "1 / 3")
    day.sees(COMING, "seen, not counted yet")
    day.looks_right("deposit-seen")
    custody.node.mine(2)
    day.sees(DEPOSITS, "credited")
    day.looks_right("deposit-credited")
    assert day.user.held() == (12, 0)
    custody.node.mine(FINAL)
    to = custody.outside()
    day.list_address("LTC · LTC", to, "my safe")
    day.sees(ADDRESSES, "usable from")
    day.ask_for("LTC", to, "11")
    day.sees(".panel .error", "added too recently")
    day.looks_right("address-locked")
    day.page.expect(ADDRESSES, has_text="usable from").to_have_count(0)
    day.sees(ADDRESSES, "usable")
    day.page.press("Request withdrawal")
    day.confirm()
    day.sees(WITHDRAWALS, "waits for two people")
    day.looks_right("two-people")
    reference = day.reference()
    custody.approve(reference, PEOPLE[0])
    assert custody.state(reference) == "held"
    custody.approve(reference, PEOPLE[1])
    day.sees(WITHDRAWALS, "waits for a block")
    wait_until(lambda: custody.received(to) == 11 * COIN, "the node's pool has it")
    day.looks_right("broadcast")
    custody.node.mine()
    day.sees(WITHDRAWALS, "1 so far")
    custody.node.mine(FINAL)
    day.sees(WITHDRAWALS, "arrived")
    day.looks_right("arrived")
    assert custody.received(to) == 11 * COIN
    assert day.user.held() == (1, 0)


@pytest.mark.promise(
    "At the page a deposit to a user's own address is shown from its first sight to its "
    "credit, once. A withdrawal goes only to an address that its owner confirmed and whose "
    "wait is over, is paid once and shown to its end",
    group="custody",
)
def test_a_persons_day_with_a_token(day, custody):
    if custody.evm is None:
        pytest.skip("there is no anvil: run scripts/install-clients.sh")
    address = day.deposit_address(f"Deposit {TOKEN} by ETH")
    custody.pay_token(address, 300 * USD)
    day.sees(COMING, "seen, not counted yet")
    custody.evm.mine(FINAL + 2)
    day.sees(DEPOSITS, "credited")
    to = address_text(b"\x7e" * 20)
    day.list_address(f"{TOKEN} · ETH", to, "")
    day.page.expect(ADDRESSES, has_text="usable from").not_to_have_count(0)
    day.page.expect(ADDRESSES, has_text="usable from").to_have_count(0)
    # The sweep that brings the token into the vault is final before it is paid from there.
    custody.evm.mine(FINAL + 2)
    day.ask_for(TOKEN, to, "120.5")
    day.confirm()

    def is_paid():
        custody.evm.mine()
        return custody.tokens_of(to) == 120_500_000

    wait_until(is_paid, "the token is paid")
    custody.evm.mine(FINAL + 2)
    day.sees(WITHDRAWALS, "arrived")
    day.looks_right("token-arrived")
    assert custody.tokens_of(to) == 120_500_000
    assert day.user.held(TOKEN) == (179.5, 0)
