"""A strategy for freqtrade, loaded by it: buys in every candle, and sells again at once."""

from datetime import datetime
from typing import Any, ClassVar

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class Always(IStrategy):
    """One trade after the other."""

    timeframe = "1m"
    minimal_roi: ClassVar[dict[str, float]] = {"0": 10.0}
    stoploss = -0.5
    process_only_new_candles = False
    startup_candle_count = 1

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        return dataframe

    def custom_exit(
        self,
        pair: str,
        trade: Any,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        **kwargs: Any,
    ) -> str:
        return "enough"
