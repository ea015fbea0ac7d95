"""Speak FIX 4.4 with participants: the session layer and the messages of orders."""
