"""``outcry portal serve``, but a password takes microseconds and not a tenth of a second of a
processor: a person of the tests needs three hashes."""

import sys

import argon2

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

if __name__ == "__main__":
    from openoutcry.cli.main import main
    from openoutcry.portal.accounts import passwords

    passwords.password_hasher = lambda: CHEAP
    main(["portal", "serve", *sys.argv[1:]], prog_name="outcry")
