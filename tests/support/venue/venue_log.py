"""What the tests of venue log in several tiers share."""


def messages(lines):
    return [line["message"] for line in lines]
