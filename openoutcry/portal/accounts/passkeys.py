"""Passkeys (WebAuthn): logins without a password, by a key that never leaves its owner's device.

The device verifies its owner, so a passkey is both factors.  Every challenge counts once: a passkey
need not count its uses, so a repeated answer is known by nothing else.
"""

import json
from datetime import timedelta
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person, Tokens
from openoutcry.portal.accounts.changes import Change
from openoutcry.portal.accounts.errors import (
    AccountError,
    InvalidRequest,
    NotFound,
    WrongCredentials,
)
from openoutcry.portal.accounts.tickets import Tickets
from openoutcry.portal.database import rows_of
from openoutcry.wire.extras import need
from openoutcry.wire.text import printable

LASTS, MAX_PASSKEYS = timedelta(minutes=5), 20
REGISTER, LOG_IN = "passkey", "passkey login"
WRONG = "no account here has this passkey"


class NotOffered(AccountError):
    """The operator has not configured this feature."""

    status, code = 404, "not_offered"


class Passkeys:
    """Passkeys of every user."""

    def __init__(self, accounts: Accounts, rp_id: str, origins: list[str]) -> None:
        """``rp_id``: the domain that they are for; nothing: the portal offers none."""
        self.accounts, self.database = accounts, accounts.database
        self.rp_id, self.origins = rp_id, origins
        self.tickets = Tickets(accounts.database)

    def _library(self) -> Any:
        if not self.rp_id:
            raise NotOffered("this portal offers no passkeys")
        return need("webauthn", "passkeys need webauthn", "portal")

    async def begin(
        self, person: Person, password: str, totp: str, caller: Caller
    ) -> dict[str, Any]:
        """Begin a registration for a user with a fresh proof; returns the options for
        the browser."""
        webauthn = self._library()
        user = await self.accounts.proved(person, password, totp, caller)
        known = await self.list(person)
        if len(known) >= MAX_PASSKEYS:
            raise InvalidRequest(f"an account has {MAX_PASSKEYS} passkeys at most: remove one")
        structs = webauthn.helpers.structs
        query = "select credential from passkeys where user_id = %(user)s"
        rows = await self.database.rows(query, user=person.user_id)
        options = webauthn.generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self.accounts.name,
            user_name=user["mail"],
            user_id=str(person.user_id).encode(),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=bytes(row["credential"])) for row in rows
            ],
        )
        until = self.accounts.now() + LASTS
        name = await self.tickets.new(REGISTER, options.challenge, until, person.user_id)
        return {"ticket": name, "options": json.loads(webauthn.options_to_json(options))}

    async def add(
        self, person: Person, ticket: str, label: str, credential: dict[str, Any], caller: Caller
    ) -> None:
        """Raises :class:`InvalidRequest`."""
        webauthn = self._library()
        await self.accounts.require_identity(person)
        row = await self.tickets.use(ticket, REGISTER, self.accounts.now(), person.user_id)
        if row is None:
            raise InvalidRequest("ticket: begin again")
        try:
            made = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=bytes(row["data"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origins,
                require_user_verification=True,
            )
        except Exception:  # whatever the library's parsers make of a stranger's bytes
            raise InvalidRequest("credential: it does not answer this request") from None
        values = {
            "user": person.user_id,
            "credential": made.credential_id,
            "key": made.credential_public_key,
            "count": made.sign_count,
            "label": printable(label)[:100],
            "most": MAX_PASSKEYS,
        }
        query = """
            insert into passkeys (user_id, credential, public_key, sign_count, label)
            select id, %(credential)s, %(key)s, %(count)s, %(label)s from users
            where id = %(user)s
                and (select count(*) from passkeys where user_id = %(user)s) < %(most)s
            on conflict (credential) do nothing returning id
        """
        async with self.database.transaction() as connection:
            # One after the other: both would count what there was before.
            await self.accounts.require_live(connection, person)
            change, shown = Change.PASSKEY_ADDED, ("", values["label"])
            link = await self.accounts.changed(connection, person.user_id, change, caller, shown)
            if not await rows_of(connection, query, values):
                raise InvalidRequest("credential: it is already registered, or there are too many")
        user = await self.accounts.user(person)
        self.accounts.mail_change(user, change, link, "passkey")

    async def list(self, person: Person) -> list[dict[str, Any]]:
        """Passkeys of the user, without their public keys, in the order of their registration."""
        query = """
            select id, label, created_at, used_at from passkeys where user_id = %(user)s order by id
        """
        return await self.database.rows(query, user=person.user_id)

    async def remove(
        self, person: Person, number: int, password: str, totp: str, caller: Caller
    ) -> None:
        """Raises :class:`NotFound` also for one of another user."""
        user = await self.accounts.proved(person, password, totp, caller)
        query = "delete from passkeys where id = %(id)s and user_id = %(user)s returning id"
        async with self.database.transaction() as connection:
            await self.accounts.require_live(connection, person)
            change = Change.PASSKEY_REMOVED
            link = await self.accounts.changed(connection, person.user_id, change, caller)
            if not await rows_of(connection, query, {"id": number, "user": person.user_id}):
                raise NotFound("there is no such passkey")
        self.accounts.mail_change(user, change, link)

    async def begin_login(self) -> dict[str, Any]:
        """The same for every stranger: the passkey names its account."""
        webauthn = self._library()
        options = webauthn.generate_authentication_options(
            rp_id=self.rp_id,
            user_verification=webauthn.helpers.structs.UserVerificationRequirement.REQUIRED,
        )
        until = self.accounts.now() + LASTS
        name = await self.tickets.new(LOG_IN, options.challenge, until)
        return {"ticket": name, "options": json.loads(webauthn.options_to_json(options))}

    async def log_in(self, ticket: str, credential: dict[str, Any], caller: Caller) -> Tokens:
        """Raises :class:`WrongCredentials`."""
        webauthn = self._library()
        await self.accounts.count_network(caller)
        row = await self.tickets.use(ticket, LOG_IN, self.accounts.now())
        query = """
            select passkeys.*, users.is_verified from passkeys
            join users on users.id = user_id where credential = %(credential)s
        """
        try:
            given = webauthn.base64url_to_bytes(str(credential["rawId"]))
        except (ValueError, KeyError):
            raise WrongCredentials(WRONG) from None
        known = await self.database.row(query, credential=given)
        if row is None or known is None or not known["is_verified"]:
            raise WrongCredentials(WRONG)
        try:
            proved = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=bytes(row["data"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origins,
                credential_public_key=bytes(known["public_key"]),
                credential_current_sign_count=known["sign_count"],
                require_user_verification=True,
            )
        except Exception:  # as of a registration
            raise WrongCredentials(WRONG) from None

        async def require_counted(connection: Any) -> None:
            """Require that it still exists, and that no other login had the same count."""
            query = """
                update passkeys set sign_count = %(new)s, used_at = %(now)s
                where id = %(id)s and sign_count = %(sign_count)s returning id
            """
            values = {"new": proved.new_sign_count, "now": self.accounts.now(), **known}
            if not await rows_of(connection, query, values):
                raise WrongCredentials(WRONG)

        tokens = await self.accounts.begin(int(known["user_id"]), caller, require_counted)
        await self.accounts.forgive_network(caller)
        return tokens
