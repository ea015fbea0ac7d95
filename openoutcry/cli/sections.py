"""The subcommands of `outcry` and of `outcry venue`, in the sections that their help shows.

Each has the first line of its help: `outcry --help` imports no subcommand. A test compares the
two, and that each line fits into 80 columns.
"""

Sections = dict[str, dict[str, str]]

COMMANDS: Sections = {
    "Run and measure": {
        "run": "Run orders through the whole pipeline; report what happened.",
        "send": "Send orders as UDP packets; report the round-trip times.",
        "bench": "Measure on this machine; report medians with their errors.",
        "top": "Show the running pipelines: rings, stages, lag, latency.",
        "rings": "List the rings on this machine and the attached processes.",
        "doctor": "Report what this host adds to latency and how to change it.",
        "clock": "Show the time, its error bound, and whether it meets RTS 25.",
        "backtest": "Run strategies over recorded days, with queue positions.",
    },
    "A venue": {
        "demo": "Open an exchange that trades, with an account ready for you.",
        "serve": "Open a venue and keep it open, day after day.",
        "venue": "Set up, inspect and operate a venue.",
    },
    "Participants": {
        "client": "Trade at a venue: a prompt, or a load of orders.",
        "screen": "Serve the web page on which participants trade.",
        "portal": "Let people sign up and trade over a Binance-style API.",
        "route": "Trade one instrument at several venues, as one order.",
    },
    "Assets": {
        "custody": "Keep a venue's assets on chains: deposits, withdrawals, keys.",
    },
    "Journal and books": {
        "journal": "Inspect, verify, repair and query a journal.",
        "replay": "Rebuild the book from a journal; compare it with the record.",
        "feed": "Write and receive public market data; make bars.",
        "data": "Convert recorded market data between formats; say what it holds.",
        "ledger": "Report balances, statements, fees and profits of a journal.",
        "settlement": "Compute obligations, nets and delivery against payment.",
        "proof": "Prove what a venue owes: a Merkle sum tree for its members.",
        "margin": "Explain, stress and backtest portfolio margin.",
    },
    "Supervision": {
        "surveillance": "Detect market abuse in a journal; manage cases and evidence.",
        "audit": "Build and query the audit trail; write regulators' reports.",
    },
    "Replication": {
        "cluster": "Run, inspect, copy or break the cluster of a journal.",
    },
}

VENUE: Sections = {
    "Its file": {
        "init": "Write a commented example of a venue file.",
        "check": "Report every mistake in a venue file, with line and key.",
        "password": "Hash a session's password for the venue file.",
        "key": "Generate a key for a session of order packets.",
        "totp": "Generate the secret of an operator's one-time codes.",
    },
    "Its state": {
        "status": "Show whether the venue is open, and its phases.",
        "sessions": "List the sessions: connected, disabled, locked out.",
        "actions": "List the operators' requests, with time and reason.",
        "fairness": "Show when events become visible, by door; check a speed bump.",
        "logs": "Show the venue's log; --follow waits for new lines.",
        "dump": "Write everything about a venue to one file, or read it.",
    },
    "Trading": {
        "halt": "Halt one instrument or all; cancels are still accepted.",
        "resume": "Resume what was halted or killed.",
        "instrument": "Open, change or delist an instrument; list states.",
        "kill": "Block a session, participant, group or instrument; cancel.",
        "emergency-close": "Close the market at once, in six journaled steps.",
        "participant": "Add, suspend, resume or close a participant.",
        "session": "Add, change or remove a session.",
        "limits": "Show or set limits of participants and instruments.",
        "off-book": "Book a trade on which two participants have agreed.",
        "bust": "Take a trade back, with its fees.",
    },
    "Money": {
        "assets": "Show or declare assets; set an instrument's quote asset.",
        "deposit": "Credit an amount to a participant, at once or in steps.",
        "withdraw": "Debit an amount from a participant, at once or in steps.",
        "fees": "Show or set fee schedules and their assignments.",
        "corporate": "Apply a dividend, a split or a new reference price.",
        "contract": "Mark, settle, fund or end contracts; change their margins.",
    },
    "Operation": {
        "console": "Serve the web page on which operators run the venue.",
        "metrics": "Serve Prometheus metrics of a venue or of all pipelines.",
        "alarms": "Show a venue's alarms, or write Prometheus rules.",
        "incidents": "Tell people of alarms until one acknowledges; keep records.",
        "availability": "Measure whether customers can use a venue, and report it.",
        "deploy": "Compare builds; prove a new one; write what deploys them.",
        "carry": "Continue a venue with a changed file.",
        "standby": "Follow a replicated venue; take over if its primary fails.",
        "failover": "Stop the primary, so that a standby takes over.",
    },
}
