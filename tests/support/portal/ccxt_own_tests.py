"""Runs the tests that ccxt ships, for its exchange ``binance``, at the addresses of its settings.

Run as a program in the folder of a copy of the package, with the options of ccxt's own
``tests_init.py``.  What differs: a test of the constructor compares the addresses with Binance's.
"""

import asyncio
import sys

from ccxt.test import tests_helpers  # before the others, which import it by its short name


def main() -> None:
    """Run them; the outcome is printed as ccxt does."""
    sys.modules["tests_helpers"] = tests_helpers
    if tests_helpers.IS_SYNCHRONOUS:
        from ccxt.test.tests_sync import testMainClass

        testMainClass.check_constructor = lambda self, exchange: None
        testMainClass().init(tests_helpers.argvExchange, tests_helpers.argvSymbol, None)
    else:
        from ccxt.test.tests_async import testMainClass as Concurrent

        Concurrent.check_constructor = lambda self, exchange: None
        which = tests_helpers.argvExchange, tests_helpers.argvSymbol
        asyncio.run(Concurrent().init(*which, None))


if __name__ == "__main__":
    main()
