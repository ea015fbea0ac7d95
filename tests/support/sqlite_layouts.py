"""The tables of SQLite files as releases before ``SqliteFile`` made them."""

CUSTODY_2 = """
create table blocks (
    chain text not null, height integer not null, hash text not null, parent text not null,
    time_s integer not null, primary key (chain, height)
) without rowid;
create table addresses (
    chain text not null, branch integer not null, place integer not null, address text not null,
    participant integer, purpose text not null, given_ns integer not null,
    primary key (chain, branch, place), unique (chain, address)
) without rowid;
create table outputs (
    chain text not null, txid text not null, place integer not null, address text not null,
    amount text not null, height integer, spent_by text, spent_height integer,
    primary key (chain, txid, place)
) without rowid;
create index outputs_unspent on outputs (chain) where spent_height is null;
create table deposits (
    reference text primary key, chain text not null, txid text not null, place integer not null,
    generation integer not null, token text not null, asset text not null, participant integer,
    address text not null, amount text not null, units integer not null, state text not null,
    height integer, block text, asked text not null, venue text not null, why text not null,
    changed_ns integer not null, unique (chain, txid, place, generation)
) without rowid;
create index deposits_moving on deposits (chain, state);
create index deposits_by_owner on deposits (participant, changed_ns);
create index deposits_by_address on deposits (chain, address);
create table withdrawals (
    reference text primary key, chain text not null, asset text not null,
    participant integer not null, address text not null, amount text not null,
    units integer not null, salt text not null, state text not null, score integer not null,
    why text not null, draft integer, asked_ns integer not null, changed_ns integer not null
) without rowid;
create index withdrawals_by_state on withdrawals (state);
create table approvals (
    reference text not null, person text not null, at_ns integer not null,
    primary key (reference, person)
) without rowid;
create table drafts (
    id integer primary key, chain text not null, purpose text not null, state text not null,
    identity text not null, body text not null, fee text not null, conflicts text not null,
    payments text not null, replaces integer, notes text not null, number integer, txid text,
    raw text, height integer, why text not null, made_ns integer not null,
    sent_ns integer
);
create index drafts_open on drafts (chain, state);
create table whitelist (
    chain text not null, participant integer not null, address text not null,
    label text not null, added_ns integer not null, usable_ns integer not null,
    announced_ns integer, primary key (chain, participant, address)
) without rowid;
create table devices (
    participant integer not null, device text not null, first_ns integer not null,
    primary key (participant, device)
) without rowid;
create table breaker (
    id integer primary key, tripped_ns integer not null, why text not null, lifted_ns integer
);
create table lifts (
    breaker integer not null, person text not null, at_ns integer not null,
    primary key (breaker, person)
) without rowid;
create table notes (
    id integer primary key, at_ns integer not null, kind text not null, subject text not null,
    text text not null
);
create table words (name text primary key, value text not null) without rowid;
"""
CUSTODY_3 = """
create table cases (
    id integer primary key, kind text not null, subject text not null, participant integer not null,
    asset text not null, units integer not null, text text not null, at_ns integer not null,
    referred integer not null
);
"""
CUSTODY_4 = """
create table refills (
    id integer primary key, asset text not null, units integer not null, address text not null,
    asked_ns integer not null, usable_ns integer, built_ns integer
);
"""
CUSTODY_5 = "alter table withdrawals add column code text not null default '';"
CUSTODY = CUSTODY_2, CUSTODY_3, CUSTODY_4, CUSTODY_5
SIGNER = """
create table if not exists requests (
    number integer primary key, chain text not null, identity text not null, at_ns integer not null
) without rowid;
create table if not exists signed (
    chain text not null, identity text not null, reference text not null, asset text not null,
    units text not null, conflicts text not null, at_ns integer not null,
    primary key (chain, identity, reference)
) without rowid;
create index if not exists signed_by_reference on signed (reference);
create table if not exists moved (
    chain text not null, identity text not null, asset text not null, amount text not null,
    fee text not null, conflicts text not null, at_ns integer not null,
    primary key (chain, identity)
) without rowid;
create table if not exists destinations (
    chain text not null, address text not null, at_ns integer not null,
    primary key (chain, address)
) without rowid;
create table if not exists refused (
    identity text primary key, chain text not null, code text not null, at_ns integer not null
) without rowid;
"""
GAS = """
create table if not exists evm_sends (
    id integer primary key, reference text not null unique,
    target blob not null, value text not null, data blob not null, gas integer not null,
    nonce integer unique, state text not null default 'waiting', why text not null default '',
    block integer, txid blob
);
create index if not exists evm_sends_state on evm_sends (state);
create table if not exists evm_attempts (
    nonce integer not null, attempt integer not null, tip integer not null, fee integer not null,
    raw blob not null, txid blob not null unique, sent_at integer not null,
    primary key (nonce, attempt)
) without rowid;
"""
PARENTS = """
create table store (prefix text not null);
create table parent (number integer primary key, terms text not null);
create table child (
    number integer primary key, parent integer not null references parent, venue text not null,
    token text not null unique, quantity integer not null, price integer not null,
    is_ioc integer not null, sent_ns integer not null);
create table event (
    venue text not null, stream text not null, sequence integer not null,
    token text not null, kind text not null, quantity integer not null, price integer not null,
    reason text not null, at_ns integer not null,
    primary key (venue, stream, sequence)) without rowid;
create table note (parent integer not null, at_ns integer not null, kind text not null,
    data text not null);
"""
FUNDING = """
create table place (
    journal text not null, seq integer not null, block integer not null, hash blob not null,
    staged integer not null, since_ns integer not null
);
create table contracts (contract text primary key, period integer not null) without rowid;
create table payments (
    number integer primary key, participant integer not null, contract text not null,
    period integer not null, seq integer not null, ts_ns integer not null, rate integer not null,
    lots integer not null, mark integer not null, paid integer not null, total text not null
);
create unique index payments_by_period on payments (participant, contract, period);
create index payments_by_participant on payments (participant, number);
"""
