"""What documents quote of each subject: a row a figure, and its goal."""

GoalRow = tuple[str, str, str, str]
"""Metric, peer (then the figure is the ratio to it), what it is, goal."""

PIPELINE_ROWS = (
    (
        "throughput_inline_async",
        "",
        "one thread, journal in parallel (`inline`)",
        "≥ 12 M/s",
    ),
    ("throughput_processes_durable", "", "processes, durable (`processes`, `durable`)", "≥ 5 M/s"),
    ("throughput_processes_none", "", "processes, memory only (`processes`, `none`)", ""),
    ("knee_none", "", "highest rate sustained, memory only", ""),
    ("knee_durable", "", "highest rate sustained, durable", ""),
    ("gateway_p50_none_100k", "", "received → sequenced, p50, 100,000/s, memory only", "≤ 10 µs"),
    ("matcher_p50_none_100k", "", "sequenced → matched, p50, 100,000/s, memory only", "≤ 500 ns"),
    ("release_p50_none_100k", "", "sequenced → released, p50, 100,000/s, memory only", "≤ 1 µs"),
    ("release_p99_none_100k", "", "sequenced → released, p99, 100,000/s, memory only", ""),
    ("whole_p50_none_100k", "", "intended send → reply, p50, 100,000/s, memory only", "≤ 10 µs"),
    ("whole_p99_none_100k", "", "intended send → reply, p99, 100,000/s, memory only", "≤ 10 µs"),
    ("whole_p50_none_1m", "", "intended send → reply, p50, 1,000,000/s, memory only", "≤ 10 µs"),
    ("whole_p99_none_1m", "", "intended send → reply, p99, 1,000,000/s, memory only", "≤ 10 µs"),
    ("whole_p50_durable_100k", "", "intended send → reply, p50, 100,000/s, durable", ""),
    ("whole_p99_durable_100k", "", "intended send → reply, p99, 100,000/s, durable", "≤ 500 µs"),
    ("whole_p99_durable_100k", "bare_fdatasync", "the same / p99 of a bare fdatasync loop", "≤ 2"),
    (
        "whole_p50_durable_100k",
        "bare_group_commit",
        "p50 / that of ideal group commit",
        "",
    ),
    (
        "whole_p99_durable_100k",
        "bare_group_commit",
        "p99 / that of ideal group commit",
        "",
    ),
)
"""The spans that people publish and aim for, and the exchange's own."""

PORTAL_ROWS = (
    ("rest_order_p50", "", "order over REST → answer, p50", "≤ 1.2 ms"),
    ("rest_order_p50", "bare_echo", "the same / a bare echo", ""),
    ("rest_order_p50", "venue", "the same / the venue's own answer", ""),
    ("rest_order_p50", "commit", "the same / a bare commit", ""),
    ("rest_order_p99", "", "the same, p99", "≤ 6 ms"),
    ("ws_order_p50", "", "order.place over the WebSocket API → answer, p50", "≤ 600 µs"),
    ("ws_order_p50", "bare_echo", "the same / a bare echo", ""),
    ("ws_order_p99", "", "the same, p99", "≤ 3 ms"),
    ("rest_orders", "", "orders a second over REST, two processes", "≥ 4,000"),
    ("event_p50", "", "release → own event, 1,000 subscribers, p50", "≤ 2 ms"),
    ("event_p99", "", "the same, p99", "≤ 20 ms"),
    (
        "attacked_by_connections_p99",
        "quiet",
        "an honest order's p99, 1,000 connections of an attacker / without",
        "≤ 2",
    ),
    ("attacked_by_orders_p99", "quiet", "the same, a valid key at 10 times its limit", "≤ 2"),
    ("idle_socket_bytes", "", "bytes of memory for an idle WebSocket, of 5,000", "≤ 20,000"),
    ("idle_share", "", "share of one core with 5,000 idle WebSockets", "≤ 20 %"),
)

MATCHER_ROWS = (
    ("stream_ns_worst", "", "a command of the worst stream, 100,000 orders live", "≤ 18 ns"),
    ("stream_ns_worst", "fastest", "slowest of the five streams / fastest", "≤ 1.5"),
    ("stream_ns_many_live", "", "a command of a stream, 1 M orders live", "≤ 30 ns"),
    ("stream_ns_worst", "limit_order_book", "ours / limit-order-book, C++", "≤ 1/3"),
    ("stream_ns_worst", "liquibook", "ours / Liquibook, C++", "≤ 1/3"),
    ("stream_alone_p99_ns", "limit_order_book", "one of them alone, p99, ours / C++", "≤ 1"),
    ("stream_alone_p99_9_ns", "limit_order_book", "the same, p99.9", "≤ 1"),
    ("python_ns", "kernel", "Engine.process / the kernel", "≤ 1.15"),
    ("command_ns_static", "", "a command, the mid constant", ""),
    ("command_ns_normal", "", "a command, a gentle random walk", "≤ 16 ns"),
    ("command_ns_swing_25", "", "a command, a swing of 25 %", ""),
    ("command_ns_swing_40", "", "a command, a swing of 40 %", ""),
    ("command_ns_flash_crash", "", "a command, a flash crash of 58 %", ""),
    ("command_ns_slowest", "fastest", "slowest of the five / fastest", "≤ 1.3"),
    ("command_ns_mixed", "", "a command, every order type mixed", "≤ 40 ns"),
    ("command_ns_normal", "stripped", "the same / rarer types compiled out", "≤ 1.25"),
    ("command_ns_normal", "nautilus_book", "ours / nautilus' Rust book", "≤ 1/8"),
    ("latency_p50_ns", "", "one command alone, p50", ""),
    ("latency_p99_ns", "", "one command alone, p99", "≤ 130 ns"),
    ("latency_p99_9_ns", "", "one command alone, p99.9", "≤ 250 ns"),
    ("replay_ns", "live", "replay in batches / live, one by one", "≤ 1"),
    ("energy_nj", "", "energy a command of that random walk, all packages (RAPL)", ""),
    ("memory_bytes_per_order", "", "bytes an open order takes, of 1 M", "≤ 64"),
)

HARNESS_ROWS = tuple(
    (f"messages_{scenario}_{way}", peer, what.format(title), goal)
    for scenario, title in (
        ("worst", "the slowest scenario of each engine"),
        ("static", "`static`"),
        ("normal", "`normal`"),
        ("swing_25", "`swing-25`"),
        ("swing_40", "`swing-40`"),
        ("flash_crash", "`flash-crash`"),
    )
    for way, peer, what, goal in (
        ("one", "", "{}, one message a call", ""),
        ("one", "cpptrader", "{}, one message a call / CppTrader",
         "≥ 3" if scenario == "worst" else ""),
        ("one", "cpp_orderbook", "the same / cpp-orderbook", ""),
        ("batch", "", "{}, in batches", ""),
        ("batch", "cpptrader", "the same / CppTrader", "≥ 4.6" if scenario == "worst" else ""),
        ("batch", "cpp_orderbook", "the same / cpp-orderbook", ""),
        ("one_queue", "cpptrader", "one message a call, the harness's queue / CppTrader", ""),
        ("floor_one_queue", "cpptrader", "the same without matching / CppTrader", ""),
        ("floor_batch", "cpptrader", "in batches without matching / CppTrader", ""),
    )
    if scenario == "worst" or (way == "one" and peer == "cpptrader")
)  # fmt: skip
"""Messages a second inside Flash One's harness; its evidence has every way of each scenario."""

RING_ROWS = (
    ("round_trip", "bounce", "round trip / a bare cache line's", "≤ 0.9"),
    ("round_trip", "boost", "round trip / boost", "≤ 0.7"),
    ("round_trip", "rte_ring", "round trip / DPDK rte_ring", "≤ 0.75"),
    ("round_trip", "disruptor", "round trip / Disruptor", "≤ 0.5"),
    ("publish_1", "boost", "messages a second, one by one / boost", "≥ 3"),
    ("publish_1", "disruptor", "messages a second, one by one / Disruptor", "≥ 5"),
    ("publish_64", "boost", "messages a second, 64 at once / boost", "≥ 4"),
    ("publish_64", "rte_ring", "messages a second, 64 at once / DPDK rte_ring", "≥ 1.5"),
    ("publish_64", "c", "messages a second, 64 at once / our algorithm in C", "≥ 1"),
    ("multi_claim_16", "single", "many-producer claims of 16 / single producer", "≥ 0.6"),
    ("python_round_trip", "iceoryx2", "round trip from Python / iceoryx2", "≤ 1/6"),
    ("observed", "unobserved", "throughput with a tail reader / without", "≥ 0.98"),
)
"""Metric, peer, what the ratio is, goal."""

SHIM_ROWS = (
    ("packet_ns_net_ring", "", "a packet, DPDK ring device", "≤ 6 ns"),
    ("packet_ns_net_ring_bare", "", "of that, DPDK's receive call and the bench's clock", ""),
    ("packet_ns_net_ring", "with_udp_checksums", "the same / with UDP checksums to check", ""),
    ("packet_ns_net_ring", "recvmmsg", "the same / recvmmsg", "≤ 1/50"),
    ("packet_ns_net_ring", "af_packet", "the same / TPACKET_V3", ""),
    ("packets_memif", "", "packets a second between two processes, memif", "≥ 40 M/s"),
    ("packet_ns_pcap", "", "a packet, DPDK capture device", ""),
    ("packet_ns_pcap", "no_huge_pages", "the same / without huge pages", "≤ 1/1.5"),
    ("one_way_p50_af_xdp", "", "one way over a cable, AF_XDP, p50", ""),
    ("one_way_p50_af_xdp", "recv", "the same / a blocking recv", "≤ 0.75"),
    ("lost", "", "packets lost without a count", "≤ 0"),
)

SESSIONS_ROWS = (
    ("ouch_ack_risk_p50", "", "OUCH order → acknowledgement with risk, p50", ""),
    ("ouch_ack_risk_p50", "tcp_echo", "the same / a bare TCP echo", ""),
    ("ouch_ack_risk_p99", "tcp_echo", "the same, p99", ""),
    ("ouch_ack_p50", "", "OUCH order → acknowledgement without risk, p50", ""),
    ("ouch_ack_p50", "tcp_echo", "the same / a bare TCP echo", "≤ 1.3"),
    ("ouch_ack_p99", "tcp_echo", "the same, p99", "≤ 2"),
    ("fix_ack_p50", "", "FIX D → 8, p50", ""),
    ("fix_ack_p50", "tcp_echo", "the same / a bare TCP echo", "≤ 1.5"),
    ("fix_ack_p50", "quickfix", "the same / a QuickFIX acceptor", "≤ 1/8"),
    ("ouch_orders_memory", "", "orders a second, 64 sessions, memory only", "≥ 1 M/s"),
    ("ouch_orders_durable", "", "orders a second, 64 sessions, durable", "≥ 0.5 M/s"),
    ("ouch_decode_ns", "", "an OUCH order read", "≤ 15 ns"),
    ("ouch_encode_ns", "", "its acknowledgement written", "≤ 15 ns"),
    ("fix_decode_ns", "", "a FIX D read", "≤ 120 ns"),
    ("fix_encode_ns", "", "its 8 written", "≤ 120 ns"),
    ("journal_bytes", "", "bytes of journal a command of a session", ""),
    ("journal_bytes", "packets", "the same / a command that came as a packet", "≤ 1.1"),
)

COLOCATED_ROWS = (
    (
        "shm_ack_p50",
        "",
        "shm order → acknowledgement, memory, all risk checks, p50",
        "≤ 1 µs",
    ),
    ("shm_ack_p50", "bare_ring", "the same / a bare round trip over the same segments", "≤ 3"),
    ("shm_ack_p50", "rings", "the same / a relay over the venue's rings", ""),
    ("shm_ack_p99", "", "the same, p99", "≤ 5 µs"),
    ("shm_ack_p99", "bare_ring", "the same / p99 of the bare round trip", ""),
    (
        "shm_orders_memory",
        "",
        "shm, 16 sessions, whole venue with risk and feed, not waiting for the disk",
        "≥ 4 M/s",
    ),
    ("shm_orders_memory", "bare_ring", "the same / bare segments", ""),
    ("shm_orders_memory", "rings", "the same / a relay over the rings", ""),
    ("shm_orders_memory", "without_feed", "the same / without the feed", "≥ 0.97"),
    ("shm_orders_durable", "", "the same, durable", "≥ 3 M/s"),
    ("ouch_orders_durable_risk", "", "OUCH, 64 sessions, durable, risk", "≥ 2 M/s"),
    ("ouch_orders_durable_risk", "no_risk", "the same / without risk", ""),
    ("ouch_orders_durable_risk", "bare_tcp", "the same / 64 bare connections that answer", ""),
    ("wire_to_ack_p50", "", "wire → acknowledgement with risk, memory, p50", ""),
    ("wire_to_ack_p50", "no_risk", "the same / without risk", "≤ 1.15"),
    ("pipeline_durable", "", "whole pipeline with risk, durable", ""),
    ("pipeline_durable", "no_risk", "the same / without risk", "≥ 0.9"),
    ("order_path_throughput", "feed_off", "commands a second with the feed / without", "≥ 0.97"),
    ("turn_to_datagram_p50", "bare_sendto", "released and published / a bare sendto, p50", "≤ 1.1"),
    (
        "event_to_datagram_p50",
        "bare_sendto",
        "the same with the way between two cores",
        "≤ 1.1",
    ),
    (
        "event_to_datagram_p50",
        "handed_sendto",
        "the same / a sendto that a word from another core sets off",
        "≤ 1.1",
    ),
    ("idle_share", "", "idle venue with console, metrics and feed, of one core", "≤ 3 %"),
    ("idle_interrupts", "", "its interrupts a second", ""),
    ("idle_wakes", "", "its processes' wake-ups a second", ""),
    ("whole_p99_durable_100k", "", "intended send → reply, p99, 100,000/s, durable", ""),
    ("whole_p99_durable_100k", "bare_group_commit", "the same / ideal group commit's", "≤ 1.05"),
    ("whole_p99_durable_100k", "bare_fdatasync", "the same / a bare fdatasync's", ""),
)

WIRE_ROWS = tuple(
    (f"wire_{way}_{rank}", peer, what, "")
    for way, port in (("udp", "kernel socket"), ("packet", "packet socket"), ("xdp", "AF_XDP"))
    for rank in ("p50", "p99")
    for peer, what in (("", f"{port}, {rank}"), ("bare_echo", "the same / a bare echo's"))
)

TICK_ROWS = tuple(
    (f"{name}_p{rank}", peer, f"{what}{said}", "")
    for path, door in (
        ("shm", "feed and session in shared memory"),
        ("multicast_ouch", "multicast and OUCH"),
        ("multicast_packets", "multicast and packets"),
    )
    for durability in ("memory", "durable")
    for pace, so in (("100k", "100,000/s"), ("bursts", "bursts of 1 M/s"))
    for name, what in ((f"tick_to_ack_{path}_{durability}_{pace}", f"{door}, {durability}, {so}"),)
    for rank, peer, said in (
        (50, "", ", p50"),
        (50, "bare_echo", ": p50 / a bare echo's"),
        (99, "", ", p99"),
    )
)
TICK_SPAN_ROWS = tuple(
    (f"{span}_{path}_memory_100k_p50", "", f"{door}: {what}", "")
    for path, door in (
        ("shm", "shared memory"),
        ("multicast_ouch", "multicast and OUCH"),
        ("multicast_packets", "multicast and packets"),
    )
    for span, what in (
        ("released_to_read", "the offer's release → read by the strategy"),
        ("read_to_sent", "→ its order is sent"),
        ("sent_to_received", "→ received by the venue"),
        ("received_to_sequenced", "→ through the gateway"),
        ("sequenced_to_matched", "→ through risk and the matcher"),
        ("matched_to_released", "→ released"),
        ("released_to_answered", "→ its answer is read"),
    )
)

MARKET_DATA_ROWS = (
    ("event_to_datagram_p50", "", "an event's release → its datagram, p50", "≤ 5 µs"),
    ("event_to_datagram_p50", "bare_sendto", "the same / a bare sendto", "≤ 1.2"),
    ("event_to_datagram_p99", "bare_sendto", "the same, p99", "≤ 2"),
    (
        "turn_to_datagram_p50",
        "bare_sendto",
        "released and published in one thread / the same",
        "≤ 1.2",
    ),
    ("turn_to_datagram_p99", "bare_sendto", "the same, p99", "≤ 2"),
    ("event_to_datagram_p50_two_lines", "", "to line B's datagram too, p50", ""),
    ("encode_ns", "", "an event encoded", "≤ 10 ns"),
    ("messages_out", "", "messages a second out of one core, one line", "≥ 5 M/s"),
    ("order_path_throughput", "feed_off", "commands a second, with the feed / without", "≥ 0.97"),
    ("receive_messages", "", "messages a second into a receiver's book", "≥ 10 M/s"),
    ("receive_messages", "itchcpp", "the same / itchcpp's", "≥ 3"),
)

JOURNAL_ROWS = (
    ("durable_records", "", "records durable a second, blocks of 16,384", "≥ 10 M/s"),
    ("durable_records", "one_fsync_each", "the same / one fdatasync a record", "≥ 1,000"),
    ("commit_p50", "", "a commit of one sector, p50", ""),
    ("commit_p50", "bare_fdatasync", "the same / bare write and fdatasync", "≤ 2.5"),
    ("commit_p99", "", "a commit of one sector, p99", ""),
    ("commit_p99", "bare_fdatasync", "the same / bare write and fdatasync", "≤ 5"),
    ("scan_bytes", "", "verified a second", "≥ 2 GB/s"),
    ("recovery_s", "", "100 M commands to the book, no checkpoint", ""),
    ("from_checkpoint_s", "", "the same from a checkpoint 1 M before the end", ""),
    ("restart_s", "", "from the matcher's SIGKILL to the next release", ""),
)

RISK_ROWS = (
    ("risk_ns_cached", "", "all checks and books, 64 participants × 64 instruments", "≤ 25 ns"),
    ("risk_ns_cached", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_large", "", "all checks and books, 1,024 × 256", "≤ 60 ns"),
    ("risk_ns_large", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_replaced", "", "one command in three a replace, 64 × 64", ""),
    ("risk_ns_replaced", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_spot_cached", "", "spot: wallets and fees too, 64 × 64, 16 assets", "≤ 30 ns"),
    ("risk_ns_spot_cached", "c", "the same / the same in C", "≤ 1.3"),
    ("risk_ns_spot_large", "", "spot, 10,000 participants × 40 instruments, 50 assets", "≤ 70 ns"),
    ("risk_ns_spot_large", "c", "the same / the same in C", "≤ 1.3"),
    ("risk_ns_unlimited", "", "not tracking", "≤ 2 ns"),
    ("kill_last_cancel_memory", "", "kill → 100,000th cancel released, memory only", "≤ 20 ms"),
    ("kill_last_cancel_durable", "", "kill → 100,000th cancel released, durable", "≤ 50 ms"),
    ("participants_added", "", "participants added to a venue that trades, a second", "≥ 20,000"),
    ("start_all_participants", "", "start of a venue with 65,533 of them", "≤ 3 s"),
    ("start_all_participants", "few", "the same / with 253", ""),
    ("start_all_cpu", "", "the same, processor time", ""),
)

OPERATIONS_ROWS: tuple[GoalRow, ...] = (
    ("throughput_watched", "unwatched", "commands a second, watched / alone", "≥ 0.99"),
    ("p99_watched", "unwatched", "wire → acknowledgement p99, watched / alone", "≤ 1.05"),
    ("button_to_last_cancel", "", "kill → 100,000th cancel released, durable", "≤ 50 ms"),
)

MARGIN_ROWS: tuple[GoalRow, ...] = (
    ("bound_p50", "", "a check that the bound accepts, p50", "≤ 150 ns"),
    ("bound_p99", "", "the same, p99", ""),
    ("exact_p50", "", "a check by the exact margin, p50", ""),
    ("exact_p99", "", "the same, p99", "≤ 5 µs"),
    ("core_bound_p50", "", "all that the core checks, in a burst, the bound accepts, p50", ""),
    ("core_alone_p50", "", "the same, an order alone", ""),
    ("core_exact_p99", "", "all that the core checks, by the exact margin, p99", ""),
)

LEDGER_ROWS: tuple[GoalRow, ...] = (
    ("post_trades", "", "trades a second posted, with balances, one core", "≥ 1.5 M/s"),
    ("post_transfers", "", "the same, counted in transfers", "≥ 1.15 M/s"),
    ("store_duckdb", "", "trades a second into Parquet for DuckDB", "≥ 0.5 M/s"),
    ("store_postgresql", "", "trades a second into PostgreSQL", "≥ 0.06 M/s"),
    ("as_of", "", "balances as of a command of 1 M, from checkpoints", ""),
    ("netting", "", "trades a second netted, 200 members × 50 assets", "≥ 1 M/s"),
    ("netting", "duckdb", "the same / DuckDB on one thread", ""),
)

SHARDS_ROWS: tuple[GoalRow, ...] = (
    ("matcher_alone", "", "ns a command, the one matcher", ""),
    ("skip_alone", "", "a shard without an instrument", ""),
    ("two_at_once", "", "the slower of two at once, each on a core", ""),
    ("shard_of_8", "", "the fullest of eight, by itself", ""),
    ("merge_of_8", "", "the merge of eight, ns a command", ""),
    ("others_alone", "", "the slowest of the other stages", ""),
    ("pipeline", "", "the whole pipeline on these cores, in memory, one matcher", ""),
    ("pipeline", "shards_2", "the same / with two", ""),
    ("foretold_16", "", "by the model: 16 matchers, a core for each stage", ""),
    ("foretold_64", "", "by the model: 64 matchers", ""),
)

REPLICATION_ROWS = (
    ("replicated_commands", "", "commands, on this disk and on two of three nodes", "≥ 1 M/s"),
    ("replicated_commands", "local", "the same / on this disk alone", ""),
    ("replicated_p50", "", "sequenced → released, p50, 100,000/s", "≤ 4 ms"),
    ("publish_bytes", "", "a journal into the stream, chain, epoch and lease", ""),
    ("publish_bytes", "bare_jetstream", "the same / bare publishes of the same blocks", "≥ 0.7"),
    (
        "publish_bytes",
        "bare_compressed",
        "the same / of the compressed messages",
        "",
    ),
    ("gap_primary", "", "without an answer: primary killed", "≤ 5,000 ms"),
    ("gap_leader", "", "without an answer: stream's leader killed", "≤ 10,000 ms"),
    ("gap_both", "", "without an answer: both", "≤ 15,000 ms"),
    ("gap_planned", "", "without an answer: planned hand-over", "≤ 200 ms"),
    ("cold_start", "", "without an answer: everything killed", "≤ 30,000 ms"),
)

CLOCK_ROWS = (
    ("now_ns", "", "a reading of the page, in a kernel", ""),
    ("now_ns", "clock_gettime", "the same / clock_gettime", "≤ 1"),
    ("page_update_ns", "", "an update of the page, in a kernel", ""),
    ("bound_p99_ns", "", "bound, p99, hardware clock over 2 µs of path (simulated)", ""),
    ("drift_error_ppb", "", "drift error, p99 (simulated)", "≤ 50 ppb"),
    ("violations", "", "readings without the truth in them (simulated)", "≤ 0"),
)

BACKTEST_ROWS = (
    (
        "day_ns_per_command",
        "",
        "a recorded command of a day with a strategy, own events hashed",
        "",
    ),
    ("day_ns_per_command", "hftbacktest_vector", "ours / hftbacktest, vector depth", "≤ 1/2"),
    ("day_ns_per_command", "hftbacktest_hash", "ours / hftbacktest, hash depth", "≤ 1/2"),
    ("tasks_per_s", "", "tasks of sixteen runs a second, two workers", ""),
    ("tasks_per_s", "one_worker", "two workers / one", "≥ 1.7"),
)
