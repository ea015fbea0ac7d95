"""Questions over many days, as views of the history: volatility, volumes, exposure, cohorts.

Amounts are in whole units of their asset (1 BTC is 1), as ``numeric``.  A day is counted from 1970.
"""

DAY = "(date '1970-01-01' + {0})"
VIEWS = {
    "volatility": f"""
    create view history.volatility as
    with closes as (
        select d.instrument, m.symbol, d.day, d.close_ticks, d.high_ticks, d.low_ticks,
            ln(d.close_ticks::double precision / nullif(lag(d.close_ticks) over (
                partition by d.instrument order by d.day), 0)) as day_return
        from history.dates as d join history.markets as m using (instrument)
    )
    select symbol, {DAY.format("day")} as day, close_ticks, high_ticks, low_ticks, day_return,
        stddev_samp(day_return) over last_30 * sqrt(365) as yearly_30_days,
        count(day_return) over last_30 as days
    from closes
    window last_30 as (
        partition by instrument order by day range between 29 preceding and current row)
    """,
    "volumes": f"""
    create view history.volumes as
    select m.symbol, {DAY.format("d.day")} as day, d.count as trades,
        d.lots * m.lot_units / 10::numeric ^ m.base_decimals as base_quantity,
        d.tick_lots * m.tick_units / 10::numeric ^ m.quote_decimals as quote_amount,
        m.base, m.quote,
        (select count(distinct f.participant) from history.fills as f
            where f.day = d.day and f.instrument = d.instrument) as participants
    from history.dates as d join history.markets as m using (instrument)
    """,
    "exposure": f"""
    create view history.exposure as
    with decimals as (
        select base as asset, max(base_decimals) as decimals from history.markets group by base
        union select quote, max(quote_decimals) from history.markets group by quote
    ), days as (
        select distinct day from history.balances
    ), held as (
        select d.day, b.participant, b.asset, b.available, b.reserved
        from days as d cross join lateral (
            select distinct on (participant, asset) participant, asset, available, reserved
            from history.balances where day <= d.day
            order by participant, asset, day desc) as b
    )
    select {DAY.format("day")} as day, asset, participant,
        (available + reserved) / 10::numeric ^ decimals as held,
        reserved / 10::numeric ^ decimals as reserved,
        (available + reserved) / nullif(sum(available + reserved) over (
            partition by day, asset), 0) as share
    from held join decimals using (asset)
    where available + reserved <> 0
    """,
    "cohorts": f"""
    create view history.cohorts as
    with active as (
        select participant, day / 7 as week from history.fills group by participant, day / 7
    ), first as (
        select participant, min(week) as cohort from active group by participant
    )
    select {DAY.format("cohort * 7")} as first_week, week - cohort as weeks_after,
        count(*) as active,
        (select count(*) from first as f where f.cohort = first.cohort) as of_all
    from active join first using (participant)
    group by cohort, week
    """,
}
"""By name.  A cohort are those who first traded in the same seven days."""
