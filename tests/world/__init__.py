"""One world for tests: a venue in one thread with people who trade, days, and judges of all that
it does.

    with World(tmp_path) as world:
        world.happens("alice sells 2 BTC-USD at 50,000")
        world.happens("bob buys 1 BTC-USD at 50,000")
        assert world.states("alice") == {"a1": "PARTIALLY_FILLED"}
"""
