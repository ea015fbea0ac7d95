"""Texts of notifications and mails in English.  ``texts_de.py`` has the same keys."""

TEXTS = {
    "did.login": "A login to your account",
    "did.refresh token used twice: session ended": "A session of your account was ended",
    "did.password reset": "Your password was reset",
    "did.password changed": "Your password was changed",
    "did.mail address changed": "Your mail address was changed",
    "did.authenticator added": "An authenticator was added",
    "did.authenticator removed": "Your authenticator was removed",
    "did.passkey added": "A passkey was added",
    "did.passkey removed": "A passkey was removed",
    "did.provider linked": "Another way to log in was added",
    "did.recovery codes made": "New recovery codes were made",
    "did.recovery code used": "A recovery code was used",
    "did.changes undone": "Changes of your account were undone",
    "did.mail word chosen": "The word in your mails was changed",
    "did.API key created": "An API key was created",
    "did.API key revoked": "An API key was revoked",
    "did.own limit lowered": "A limit of your own was lowered",
    "did.wider own limit asked for": "A wider limit of your own was requested",
    "did.wider own limit confirmed": "A wider limit of your own was confirmed",
    "did.wider own limit cancelled": "A wider limit of your own was taken back",
    "did.withdrawal asked for": "A withdrawal was requested",
    "did.withdrawal confirmed": "A withdrawal was confirmed",
    "did.withdrawal cancelled": "A withdrawal was cancelled",
    "did.withdrawal address asked for": "An address for withdrawals was requested",
    "did.withdrawal address added": "An address for withdrawals was added",
    "did.withdrawal address removed": "An address for withdrawals was removed",
    "did.frozen": "Your account was frozen",
    "did.unfrozen": "Your account is no longer frozen",
    "did.level changed": "Your level was changed",
    "did.support view": "The operator looks at your account",
    "from": "from {address}",
    "from.operator": "by the operator",
    "detail.withdrawal": "withdrawal",
    "detail.key": "key",
    "detail.level": "level",
    "permission.read": "read",
    "permission.trade": "trade",
    "permission.withdraw": "withdraw",
    "order": "{symbol}: your order to {side} {what} is {state}",
    "order.triggered": "{symbol}: your stop order to {side} {what} was triggered",
    "order.lots": "{quantity}",
    "order.budget": "for {budget}",
    "order.traded": "Order {number}: {done} of {quantity} {asset} traded{average}.",
    "order.bought": "Order {number}: {done} {asset} traded{average}.",
    "order.average": " at {price} on average",
    "order.limited": "Order {number} was refused by a limit.",
    "order.refused": "Order {number} was refused: {why}.",
    "order.liquidation": "{symbol}: the venue's order to {side} {what} for your account is {state}",
    "order.liquidation.text": (
        "Your account is below its maintenance margin, and its positions are liquidated."
    ),
    "event.funding": "{symbol}: funding of {amount}",
    "event.funding.paid.text": "Your position of {lots} lots paid it. Mark: {price}.",
    "event.funding.received.text": "Your position of {lots} lots received it. Mark: {price}.",
    "event.settled": "{symbol} has ended",
    "event.settled.paid.text": "Your {lots} lots were settled at {price}. You paid {amount}.",
    "event.settled.received.text": (
        "Your {lots} lots were settled at {price}. You received {amount}."
    ),
    "event.adjusted": "{symbol} has other terms",
    "event.adjusted.paid.text": (
        "Its underlying was split. You hold {lots} lots, and paid {amount}."
    ),
    "event.adjusted.received.text": (
        "Its underlying was split. You hold {lots} lots, and received {amount}."
    ),
    "event.broken": "{symbol}: a trade was taken back",
    "event.broken.paid.text": (
        "The venue took back your trade at {price}. You paid {amount}; what was bought or sold "
        "with it went back, too."
    ),
    "event.broken.received.text": (
        "The venue took back your trade at {price}. You received {amount}; what was bought or "
        "sold with it went back, too."
    ),
    "event.taken_over": "{symbol}: a position was taken over",
    "event.taken_over.given.text": (
        "{lots} lots of your account went to others at a mark of {price}, because the "
        "market did not close them."
    ),
    "event.taken_over.got.text": (
        "{lots} lots of another account came to yours at a mark of {price}, because the "
        "market did not close them."
    ),
    "event.seized": "Your collateral was used: {amount}",
    "event.seized.paid.text": "The insurance fund took it over.",
    "event.seized.received.text": "The insurance fund paid it for collateral that it took over.",
    "event.covered": "The insurance fund paid {amount}",
    "event.covered.received.text": "It covered what your account owed.",
    "event.covered.paid.text": "It was paid out of your account.",
    "event.liquidation_fee": "A liquidation cost {amount}",
    "event.liquidation_fee.paid.text": "The insurance fund received it for what was closed out.",
    "event.liquidation_fee.received.text": "Your account received it.",
    "margin.level": "Margin warning: {level} % is reached",
    "margin.level.text": (
        "Your positions need a maintenance margin of {maintenance}, and your account has {means}. "
        "Where it has less than they need, the venue liquidates positions."
    ),
    "refused.would_take": "it may only rest, and would have traded at once",
    "refused.would_trigger": "its trigger had been passed already",
    "refused.market_closed": "the market does not take such an order now",
    "refused.book_full": "the book has no room for it",
    "refused.price": "its price is outside of the market's limits or off their step",
    "refused.quantity": "its quantity is outside of the market's limits or off their step",
    "refused.duplicate": "an order with its name is open",
    "refused.refused": "the venue does not take such an order",
    "side.buy": "buy",
    "side.sell": "sell",
    "state.FILLED": "filled",
    "state.PARTIALLY_FILLED": "partly filled",
    "state.CANCELED": "cancelled",
    "state.EXPIRED": "expired",
    "state.EXPIRED_IN_MATCH": "stopped from trading with yourself",
    "state.REJECTED": "refused",
    "move.see": "A deposit was seen",
    "move.see.text": "It is not in your balance yet.",
    "move.credit": "A deposit was credited",
    "move.credit.text": "It is in your balance.",
    "move.reverse": "A deposit was reversed",
    "move.reverse.text": "It is no longer in your balance.",
    "move.request": "A withdrawal was reserved",
    "move.request.text": "It is not paid yet.",
    "move.approve": "A withdrawal was approved",
    "move.approve.text": "It is paid next.",
    "move.send": "A withdrawal was sent",
    "move.send.text": "It can no longer be cancelled.",
    "move.finish": "A withdrawal has arrived",
    "move.finish.text": "It is complete.",
    "move.cancel": "A withdrawal was cancelled",
    "move.cancel.text": "The amount is in your balance again.",
    "move.fail": "A withdrawal has failed",
    "move.fail.text": "The amount is in your balance again.",
    "move.left": "A withdrawal has left",
    "move.left.text": "It is no longer in your balance.",
    "withdrawal.refused": "A withdrawal was refused",
    "withdrawal.refused.text": "{detail}",
    "why.insufficient_balance": "The balance was too small.",
    "why.suspended": "The account is suspended at the venue.",
    "why.deposit_reversed": "A deposit was reversed: what is missing is paid first.",
    "why.venue_refused": "The venue refused it.",
    "why.sanctioned": "No payment to this address is allowed.",
    "why.not_whitelisted": "The address is not on your list.",
    "why.address_locked": "The address was added too recently.",
    "withdrawal.people": "A withdrawal is waiting for approval",
    "withdrawal.people.text": "Two people must approve it first.",
    "withdrawal.txid": "A withdrawal is on its way",
    "withdrawal.txid.text": "Transaction {txid}.",
    "alert": "{symbol} trades at {price}",
    "alert.above": "Your alert: at or above {limit}.",
    "alert.below": "Your alert: at or below {limit}.",
    "summary": "Your portfolio is worth {value}",
    "summary.text": "Put in: {invested}. Gain: {gain}.",
    "market.announced": "{symbol} was announced",
    "market.announced.text": "It takes no orders yet.",
    "market.pre_open": "{symbol} is listed",
    "market.pre_open.text": "It collects orders, and opens with an auction.",
    "market.trading": "{symbol} trades",
    "market.trading.text": "It takes orders as its schedule says.",
    "market.suspended": "{symbol} is suspended",
    "market.suspended.text": "New orders are rejected. Open orders stay and can be cancelled.",
    "market.close_only": "{symbol} is close-only",
    "market.close_only.text": (
        "It takes only orders that make a position or a holding smaller. Open orders "
        "were cancelled."
    ),
    "market.expired": "{symbol} has expired",
    "market.expired.text": "It takes no orders any more.",
    "market.delisted": "{symbol} is delisted",
    "market.delisted.text": "It takes no orders any more. Open orders were cancelled.",
    "market.halted": "{symbol} is halted",
    "market.halted.text": "The operator or its schedule has stopped trading.",
    "market.paused_bands": "{symbol} is paused",
    "market.paused_bands.text": "The price left its bands. An auction ends the pause.",
    "market.paused_volatility": "{symbol} is paused",
    "market.paused_volatility.text": (
        "The price moved too far in a short time. An auction ends the pause."
    ),
    "market.paused_velocity": "{symbol} is paused",
    "market.paused_velocity.text": (
        "Too much was traded in a short time. An auction ends the pause."
    ),
    "market.paused_market": "{symbol} is halted with the whole market",
    "market.paused_market.text": "The breaker of the whole market has stopped trading.",
    "market.paused_group": "{symbol} is paused",
    "market.paused_group.text": "An instrument that it belongs with is paused.",
    "market.resumed": "{symbol} trades again",
    "market.resumed.text": "Continuous trading has begun again.",
    "test": "A test",
    "test.text": "This is a test of your webhook.",
    "several": "{count} notifications",
    "sub-account": "sub-account {account}",
    "mail.known": "your registration",
    "mail.known.text": (
        "A registration at {name} used this address, which already has an account. If it was "
        "yours, log in, or reset your password."
    ),
    "mail.register": "your registration",
    "mail.register.text": "Your code for {name} is {code}. It is valid for 15 minutes.",
    "mail.forgotten": "reset your password",
    "mail.forgotten.text": (
        "Your code to reset the password is {code}. It is valid for 15 minutes."
    ),
    "mail.reset": "your password was reset",
    "mail.reset.text": "Every session has ended.",
    "mail.changed": "your password was changed",
    "mail.changed.text": "Log in again.",
    "mail.address": "your new address",
    "mail.address.text": (
        "Your code to use this address at {name} is {code}. It is valid for 15 minutes."
    ),
    "mail.leaving": "your account is about to get another address",
    "mail.leaving.text": (
        "A change of your address at {name} to {new_mail} was requested with your password. Your "
        "code to agree is {code}. It is valid for 15 minutes. If it was not you, give the code to "
        "no one, change your password and tell the operator."
    ),
    "mail.moved": "your address was changed",
    "mail.moved.text": "Your account uses {new_mail} now.",
    "mail.authenticator": "your authenticator was removed",
    "mail.authenticator.text": "By your request.",
    "mail.passkey": "a passkey was added",
    "mail.passkey.text": "It logs you in without a password.",
    "mail.change": "your account was changed",
    "mail.change.text": "{what}. Nothing leaves your account for a while now.",
    "undo.link.text": (
        "If it was not you, open this page and confirm it there: {link} (valid for {days} days, "
        "once). It brings back what there was before, ends every session and API key, cancels "
        "withdrawals and freezes the account. You then talk to the operator."
    ),
    "mail.word": "your word was changed",
    "mail.word.text": "Every mail from {name} to you ends with your word, as this one does.",
    "word.line.text": "Your word: {word}",
    "undo.told.text": "The link that undoes changes was used. Talk to the operator to continue.",
    "mail.withdrawal": "confirm a withdrawal",
    "mail.withdrawal.text": (
        "Your code for the withdrawal of {amount} by {network} to {address} is {code}. It is "
        "valid for 15 minutes. If you did not ask for it, revoke your API keys and change your "
        "password."
    ),
    "mail.limit": "confirm a wider limit",
    "mail.limit.text": (
        "Your code for the own limit {limit} is {code}. It is valid for 15 minutes. If you did "
        "not ask for it, revoke your API keys and change your password."
    ),
    "mail.limit_waits": "a wider limit waits",
    "mail.limit_waits.text": (
        "The own limit {limit} is in force from {until} on. Until then you can take it back on the "
        "page of your account. If you did not ask for it, do so, and change your password."
    ),
    "mail.payee": "confirm an address",
    "mail.payee.text": (
        "Your code for withdrawals by {network} to {address} is {code}. It is valid for 15 "
        "minutes. If you did not ask for it, revoke your API keys and change your password."
    ),
}
