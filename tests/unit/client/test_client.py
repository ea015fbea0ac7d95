"""The client logs in, trades, loses its connection and recovers, over a real socket, with a venue
made of our kernels and the matcher; and the prompt and the load mode of ``outcry client``."""

import pytest

from openoutcry.client import price4


@pytest.mark.parametrize("price", ["0", "-1", "1.00005", "abc", "429496.7296", 1.5])
def test_a_price_that_cannot_be_said_is_an_error(price):
    with pytest.raises(ValueError, match="price"):
        price4(price)
