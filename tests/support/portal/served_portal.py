"""``outcry portal serve``, but a password takes microseconds and not a tenth of a second of a
processor, as a person of the tests needs three hashes, and a proof of work a sixteenth of the
work; it looks at a quiet journal less often; and whoever has logged in stays so for hours, also
where tests share a venue on a busy machine.
"""

import sys
from datetime import timedelta

import argon2

CHEAP = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)


def serve() -> None:
    """Serve the portal that the arguments name."""
    from openoutcry.cli.main import main
    from openoutcry.portal import server
    from openoutcry.portal.accounts import accounts, challenges, passwords

    passwords.password_hasher = lambda: CHEAP
    challenges.PREFIX = "0"
    accounts.ACCESS = timedelta(hours=3)
    server.IDLE_S = 0.02
    main(["portal", "serve", *sys.argv[1:]], prog_name="outcry")


if __name__ == "__main__":
    serve()
