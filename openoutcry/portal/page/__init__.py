"""The page for people: its files, and the cookie that keeps a person logged in."""
