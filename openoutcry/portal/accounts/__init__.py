"""Know people by what they prove: registration, logins, sessions, API keys, an audit record."""
