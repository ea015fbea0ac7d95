"""An API in the shape of Binance spot: the requests, streams and errors of its clients."""
