// generated from wire/ by `python -m openoutcry.wire.generate`; do not edit
export const UNPRICED = new Set(["market", "market_to_limit", "stop", "trailing_stop", "take_profit"]);
export const STOPPED = new Set(["stop", "stop_limit", "post_only_stop_limit", "take_profit", "take_profit_limit"]);
export const TRAILING = new Set(["trailing_stop", "trailing_stop_limit"]);
export const PEGGED = new Set(["peg_primary", "peg_market", "peg_midpoint"]);
export const AT_ONCE = new Set(["ioc", "fok"]);
export const LEGS = new Set(["limit", "market", "post_only", "post_only_slide", "stop", "stop_limit", "trailing_stop", "hidden", "all_or_none", "trailing_stop_limit", "post_only_stop_limit", "take_profit", "take_profit_limit"]);
export const LEG_TIMES = new Set(["day", "ioc", "fok", "gtc", "gtd"]);
// Times in force of each type, the usual one first.
export const TIMES = {"limit": ["gtc", "day", "ioc", "fok", "gtd", "at_open", "at_close"], "market": ["ioc", "day", "fok", "at_open", "at_close"], "post_only": ["gtc", "day", "gtd"], "post_only_slide": ["gtc", "day", "gtd"], "market_to_limit": ["gtc", "day", "gtd", "at_open", "at_close"], "stop": ["gtc", "day", "gtd"], "stop_limit": ["gtc", "day", "gtd"], "trailing_stop": ["gtc", "day", "gtd"], "hidden": ["gtc", "day", "gtd"], "peg_primary": ["gtc", "day", "gtd"], "peg_market": ["gtc", "day", "gtd"], "peg_midpoint": ["gtc", "day", "gtd"], "all_or_none": ["gtc", "day", "gtd"], "trailing_stop_limit": ["gtc", "day", "gtd"], "post_only_stop_limit": ["gtc", "day", "gtd"], "take_profit": ["gtc", "day", "gtd"], "take_profit_limit": ["gtc", "day", "gtd"]};
// Times in force of limit orders with a part of their quantity.
export const TIMES_WITH = {"shown": ["gtc", "day", "gtd"], "least": ["gtc", "day", "ioc", "gtd"]};
