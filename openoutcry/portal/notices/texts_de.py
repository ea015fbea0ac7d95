"""Texte der Mitteilungen und E-Mails auf Deutsch.  ``texts_en.py`` hat dieselben Schlüssel."""

TEXTS = {
    "did.login": "Anmeldung bei Ihrem Konto",
    "did.refresh token used twice: session ended": "Eine Sitzung Ihres Kontos wurde beendet",
    "did.password reset": "Ihr Passwort wurde zurückgesetzt",
    "did.password changed": "Ihr Passwort wurde geändert",
    "did.mail address changed": "Ihre E-Mail-Adresse wurde geändert",
    "did.authenticator added": "Eine Authenticator-App wurde hinzugefügt",
    "did.authenticator removed": "Ihre Authenticator-App wurde entfernt",
    "did.passkey added": "Ein Passkey wurde hinzugefügt",
    "did.passkey removed": "Ein Passkey wurde entfernt",
    "did.provider linked": "Ein weiterer Weg zur Anmeldung wurde hinzugefügt",
    "did.recovery codes made": "Neue Wiederherstellungscodes wurden erstellt",
    "did.recovery code used": "Ein Wiederherstellungscode wurde benutzt",
    "did.changes undone": "Änderungen Ihres Kontos wurden rückgängig gemacht",
    "did.mail word chosen": "Das Wort in Ihren Mails wurde geändert",
    "did.API key created": "Ein API-Schlüssel wurde erstellt",
    "did.API key revoked": "Ein API-Schlüssel wurde widerrufen",
    "did.own limit lowered": "Ein eigenes Limit wurde gesenkt",
    "did.wider own limit asked for": "Ein weiteres eigenes Limit wurde angefordert",
    "did.wider own limit confirmed": "Ein weiteres eigenes Limit wurde bestätigt",
    "did.wider own limit cancelled": "Ein weiteres eigenes Limit wurde zurückgenommen",
    "did.withdrawal asked for": "Eine Auszahlung wurde angefordert",
    "did.withdrawal confirmed": "Eine Auszahlung wurde bestätigt",
    "did.withdrawal cancelled": "Eine Auszahlung wurde gestrichen",
    "did.withdrawal address asked for": "Eine Auszahlungsadresse wurde angefordert",
    "did.withdrawal address added": "Eine Auszahlungsadresse wurde hinzugefügt",
    "did.withdrawal address removed": "Eine Auszahlungsadresse wurde entfernt",
    "did.frozen": "Ihr Konto wurde gesperrt",
    "did.unfrozen": "Ihr Konto ist nicht mehr gesperrt",
    "did.level changed": "Ihre Stufe wurde geändert",
    "did.support view": "Der Betreiber sieht Ihr Konto an",
    "from": "von {address}",
    "from.operator": "vom Betreiber",
    "detail.withdrawal": "Auszahlung",
    "detail.key": "Schlüssel",
    "detail.level": "Stufe",
    "permission.read": "lesen",
    "permission.trade": "handeln",
    "permission.withdraw": "auszahlen",
    "order": "{symbol}: Ihr {side} {what} ist {state}",
    "order.triggered": "{symbol}: Der Stop Ihres {side}s {what} wurde ausgelöst",
    "order.lots": "über {quantity}",
    "order.budget": "für {budget}",
    "order.traded": "Auftrag {number}: {done} von {quantity} {asset}{average} gehandelt.",
    "order.bought": "Auftrag {number}: {done} {asset}{average} gehandelt.",
    "order.average": " zu durchschnittlich {price}",
    "order.limited": "Auftrag {number} wurde wegen einer Grenze abgelehnt.",
    "order.refused": "Auftrag {number} wurde abgelehnt: {why}.",
    "order.liquidation": ("{symbol}: Ein {side} {what} zur Auflösung Ihrer Position ist {state}"),
    "order.liquidation.text": (
        "Ihr Konto liegt unter der Mindestmargin, seine Positionen werden aufgelöst."
    ),
    "event.funding": "{symbol}: Funding von {amount}",
    "event.funding.paid.text": "Ihre Position von {lots} Kontrakten hat es gezahlt. Mark: {price}.",
    "event.funding.received.text": (
        "Ihre Position von {lots} Kontrakten hat es erhalten. Mark: {price}."
    ),
    "event.settled": "{symbol} ist ausgelaufen",
    "event.settled.paid.text": (
        "Ihre {lots} Kontrakte wurden zu {price} abgerechnet. Sie haben {amount} gezahlt."
    ),
    "event.settled.received.text": (
        "Ihre {lots} Kontrakte wurden zu {price} abgerechnet. Sie haben {amount} erhalten."
    ),
    "event.adjusted": "{symbol} hat andere Bedingungen",
    "event.adjusted.paid.text": (
        "Der Basiswert wurde gesplittet. Sie halten {lots} Kontrakte und haben {amount} gezahlt."
    ),
    "event.adjusted.received.text": (
        "Der Basiswert wurde gesplittet. Sie halten {lots} Kontrakte und haben {amount} erhalten."
    ),
    "event.broken": "{symbol}: Ein Geschäft wurde zurückgenommen",
    "event.broken.paid.text": (
        "Die Börse hat Ihr Geschäft zu {price} zurückgenommen. Sie haben {amount} gezahlt; was "
        "damit gekauft oder verkauft wurde, ging ebenfalls zurück."
    ),
    "event.broken.received.text": (
        "Die Börse hat Ihr Geschäft zu {price} zurückgenommen. Sie haben {amount} erhalten; was "
        "damit gekauft oder verkauft wurde, ging ebenfalls zurück."
    ),
    "event.taken_over": "{symbol}: Eine Position wurde übernommen",
    "event.taken_over.given.text": (
        "{lots} Kontrakte Ihres Kontos gingen zum Mark {price} an andere, weil der Markt "
        "sie nicht auflöste."
    ),
    "event.taken_over.got.text": (
        "{lots} Kontrakte eines anderen Kontos kamen zum Mark {price} zu Ihnen, weil der "
        "Markt sie nicht auflöste."
    ),
    "event.seized": "Ihre Sicherheiten wurden verwendet: {amount}",
    "event.seized.paid.text": "Der Versicherungsfonds hat sie übernommen.",
    "event.seized.received.text": (
        "Der Versicherungsfonds hat das für übernommene Sicherheiten gezahlt."
    ),
    "event.covered": "Der Versicherungsfonds hat {amount} gezahlt",
    "event.covered.received.text": "Das deckt, was Ihr Konto schuldete.",
    "event.covered.paid.text": "Das kam aus Ihrem Konto.",
    "event.liquidation_fee": "Eine Auflösung hat {amount} gekostet",
    "event.liquidation_fee.paid.text": "Der Versicherungsfonds hat es für die Auflösung erhalten.",
    "event.liquidation_fee.received.text": "Ihr Konto hat es erhalten.",
    "margin.level": "Marginwarnung: {level} % sind erreicht",
    "margin.level.text": (
        "Ihre Positionen brauchen eine Erhaltungsmargin von {maintenance}, Ihr Konto hat {means}. "
        "Hat es weniger, als sie brauchen, löst die Börse Positionen auf."
    ),
    "refused.would_take": "Er darf nur ruhen und hätte sofort gehandelt",
    "refused.would_trigger": "Sein Auslöser war schon überschritten",
    "refused.market_closed": "Der Markt nimmt einen solchen Auftrag jetzt nicht an",
    "refused.book_full": "Das Buch hat keinen Platz für ihn",
    "refused.price": "Sein Preis liegt außerhalb der Grenzen oder nicht auf dem Schritt",
    "refused.quantity": "Seine Menge liegt außerhalb der Grenzen oder nicht auf dem Schritt",
    "refused.duplicate": "Ein Auftrag mit seinem Namen ist offen",
    "refused.refused": "Der Handelsplatz nimmt einen solchen Auftrag nicht an",
    "side.buy": "Kaufauftrag",
    "side.sell": "Verkaufsauftrag",
    "state.FILLED": "ausgeführt",
    "state.PARTIALLY_FILLED": "teilweise ausgeführt",
    "state.CANCELED": "gestrichen",
    "state.EXPIRED": "verfallen",
    "state.EXPIRED_IN_MATCH": "gestoppt: Er traf auf einen eigenen Auftrag",
    "state.REJECTED": "abgelehnt",
    "move.see": "Eine Einzahlung wurde gesehen",
    "move.see.text": "Sie ist noch nicht in Ihrem Guthaben.",
    "move.credit": "Eine Einzahlung wurde gutgeschrieben",
    "move.credit.text": "Sie ist in Ihrem Guthaben.",
    "move.reverse": "Eine Einzahlung wurde zurückgebucht",
    "move.reverse.text": "Sie ist nicht mehr in Ihrem Guthaben.",
    "move.request": "Eine Auszahlung wurde reserviert",
    "move.request.text": "Gezahlt ist sie noch nicht.",
    "move.approve": "Eine Auszahlung wurde freigegeben",
    "move.approve.text": "Sie wird als Nächstes gezahlt.",
    "move.send": "Eine Auszahlung wurde gesendet",
    "move.send.text": "Sie lässt sich nicht mehr streichen.",
    "move.finish": "Eine Auszahlung ist angekommen",
    "move.finish.text": "Sie ist abgeschlossen.",
    "move.cancel": "Eine Auszahlung wurde gestrichen",
    "move.cancel.text": "Der Betrag ist wieder in Ihrem Guthaben.",
    "move.fail": "Eine Auszahlung ist gescheitert",
    "move.fail.text": "Der Betrag ist wieder in Ihrem Guthaben.",
    "move.left": "Eine Auszahlung ist abgegangen",
    "move.left.text": "Sie ist nicht mehr in Ihrem Guthaben.",
    "withdrawal.refused": "Eine Auszahlung wurde abgelehnt",
    "withdrawal.refused.text": "{detail}",
    "why.insufficient_balance": "Das Guthaben war zu klein.",
    "why.suspended": "Das Konto ist am Handelsplatz gesperrt.",
    "why.deposit_reversed": "Eine Einzahlung wurde zurückgebucht: Was fehlt, ist zuerst zu zahlen.",
    "why.venue_refused": "Der Handelsplatz hat sie abgelehnt.",
    "why.sanctioned": "An diese Adresse darf nicht gezahlt werden.",
    "why.not_whitelisted": "Die Adresse steht nicht auf Ihrer Liste.",
    "why.address_locked": "Die Adresse wurde erst vor Kurzem hinzugefügt.",
    "withdrawal.people": "Eine Auszahlung wartet auf die Freigabe",
    "withdrawal.people.text": "Zwei Personen müssen sie erst freigeben.",
    "withdrawal.txid": "Eine Auszahlung ist unterwegs",
    "withdrawal.txid.text": "Transaktion {txid}.",
    "alert": "{symbol} wird zu {price} gehandelt",
    "alert.above": "Ihr Preisalarm: {limit} oder darüber.",
    "alert.below": "Ihr Preisalarm: {limit} oder darunter.",
    "summary": "Ihr Portfolio ist {value} wert",
    "summary.text": "Eingezahlt: {invested}. Gewinn: {gain}.",
    "market.announced": "{symbol} ist angekündigt",
    "market.announced.text": "Aufträge werden noch nicht angenommen.",
    "market.pre_open": "{symbol} ist gelistet",
    "market.pre_open.text": "Aufträge werden gesammelt, eine Auktion eröffnet den Handel.",
    "market.trading": "{symbol} wird gehandelt",
    "market.trading.text": "Aufträge werden nach dem Zeitplan angenommen.",
    "market.suspended": "{symbol} ist ausgesetzt",
    "market.suspended.text": (
        "Neue Aufträge werden abgelehnt. Offene bleiben und können gestrichen werden."
    ),
    "market.close_only": "{symbol}: nur noch Verkleinern",
    "market.close_only.text": (
        "Angenommen werden nur Aufträge, die eine Position oder einen Bestand "
        "verkleinern. Offene Aufträge wurden gestrichen."
    ),
    "market.expired": "{symbol} ist ausgelaufen",
    "market.expired.text": "Aufträge werden nicht mehr angenommen.",
    "market.delisted": "{symbol} wird nicht mehr gehandelt",
    "market.delisted.text": "Aufträge werden nicht mehr angenommen. Offene wurden gestrichen.",
    "market.halted": "{symbol} ist angehalten",
    "market.halted.text": "Der Betreiber oder der Zeitplan hat den Handel angehalten.",
    "market.paused_bands": "{symbol} pausiert",
    "market.paused_bands.text": (
        "Der Preis hat seine Grenzen verlassen. Eine Auktion beendet die Pause."
    ),
    "market.paused_volatility": "{symbol} pausiert",
    "market.paused_volatility.text": (
        "Der Preis hat sich in kurzer Zeit zu weit bewegt. Eine Auktion beendet die Pause."
    ),
    "market.paused_velocity": "{symbol} pausiert",
    "market.paused_velocity.text": (
        "In kurzer Zeit wurde zu viel gehandelt. Eine Auktion beendet die Pause."
    ),
    "market.paused_market": "{symbol} ist mit dem ganzen Markt angehalten",
    "market.paused_market.text": "Die Sicherung des ganzen Marktes hat den Handel angehalten.",
    "market.paused_group": "{symbol} pausiert",
    "market.paused_group.text": "Ein zugehöriges Instrument pausiert.",
    "market.resumed": "{symbol} wird wieder gehandelt",
    "market.resumed.text": "Der fortlaufende Handel hat wieder begonnen.",
    "test": "Ein Test",
    "test.text": "Dies ist ein Test Ihres Webhooks.",
    "several": "{count} Mitteilungen",
    "sub-account": "Unterkonto {account}",
    "mail.known": "Ihre Registrierung",
    "mail.known.text": (
        "Bei einer Registrierung bei {name} wurde diese Adresse angegeben. Sie hat dort schon ein "
        "Konto. Wenn Sie es waren, melden Sie sich an oder setzen Sie Ihr Passwort zurück."
    ),
    "mail.register": "Ihre Registrierung",
    "mail.register.text": "Ihr Code für {name} lautet {code}. Er gilt 15 Minuten.",
    "mail.forgotten": "Passwort zurücksetzen",
    "mail.forgotten.text": (
        "Ihr Code zum Zurücksetzen des Passworts lautet {code}. Er gilt 15 Minuten."
    ),
    "mail.reset": "Ihr Passwort wurde zurückgesetzt",
    "mail.reset.text": "Alle Sitzungen sind beendet.",
    "mail.changed": "Ihr Passwort wurde geändert",
    "mail.changed.text": "Melden Sie sich neu an.",
    "mail.address": "Ihre neue Adresse",
    "mail.address.text": (
        "Ihr Code, um diese Adresse bei {name} zu benutzen, lautet {code}. Er gilt 15 Minuten."
    ),
    "mail.leaving": "Ihr Konto soll eine andere Adresse bekommen",
    "mail.leaving.text": (
        "Mit Ihrem Passwort wurde beantragt, Ihre Adresse bei {name} in {new_mail} zu ändern. Ihr "
        "Code zur Zustimmung lautet {code}. Er gilt 15 Minuten. Wenn Sie es nicht waren, geben Sie "
        "den Code nicht weiter, ändern Sie Ihr Passwort und melden Sie es dem Betreiber."
    ),
    "mail.moved": "Ihre Adresse wurde geändert",
    "mail.moved.text": "Ihr Konto verwendet jetzt {new_mail}.",
    "mail.authenticator": "Ihre Authenticator-App wurde entfernt",
    "mail.authenticator.text": "Auf Ihren Wunsch.",
    "mail.passkey": "Ein Passkey wurde hinzugefügt",
    "mail.passkey.text": "Mit ihm melden Sie sich ohne Passwort an.",
    "mail.change": "Ihr Konto wurde geändert",
    "mail.change.text": "{what}. Für eine Weile verlässt jetzt nichts Ihr Konto.",
    "undo.link.text": (
        "Wenn Sie das nicht waren, öffnen Sie diese Seite und bestätigen Sie es dort: {link} "
        "({days} Tage gültig, einmal). Das stellt den Zustand davor wieder her, beendet alle "
        "Sitzungen und API-Schlüssel, bricht Auszahlungen ab und sperrt das Konto. Sprechen Sie "
        "danach mit dem Betreiber."
    ),
    "mail.word": "Ihr Wort wurde geändert",
    "mail.word.text": ("Jede Mail von {name} an Sie endet mit Ihrem Wort, auch diese."),
    "word.line.text": "Ihr Wort: {word}",
    "undo.told.text": (
        "Der Link, der Änderungen rückgängig macht, wurde benutzt. Sprechen Sie mit dem Betreiber."
    ),
    "mail.withdrawal": "Auszahlung bestätigen",
    "mail.withdrawal.text": (
        "Ihr Code für die Auszahlung von {amount} über {network} an {address} lautet {code}. Er "
        "gilt 15 Minuten. Wenn Sie sie nicht angefordert haben, widerrufen Sie Ihre "
        "API-Schlüssel und ändern Sie Ihr Passwort."
    ),
    "mail.limit": "weiteres Limit bestätigen",
    "mail.limit.text": (
        "Ihr Code für das eigene Limit {limit} lautet {code}. Er gilt 15 Minuten. Wenn Sie ihn "
        "nicht angefordert haben, widerrufen Sie Ihre API-Schlüssel und ändern Sie Ihr Passwort."
    ),
    "mail.limit_waits": "ein weiteres Limit wartet",
    "mail.limit_waits.text": (
        "Das eigene Limit {limit} gilt ab {until}. Bis dahin können Sie es auf der Seite Ihres "
        "Kontos zurücknehmen. Wenn Sie es nicht angefordert haben, tun Sie das und ändern Sie Ihr "
        "Passwort."
    ),
    "mail.payee": "Adresse bestätigen",
    "mail.payee.text": (
        "Ihr Code für Auszahlungen über {network} an {address} lautet {code}. Er gilt 15 Minuten. "
        "Wenn Sie ihn nicht angefordert haben, widerrufen Sie Ihre API-Schlüssel und ändern Sie "
        "Ihr Passwort."
    ),
}
