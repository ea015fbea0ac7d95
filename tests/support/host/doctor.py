"""What the tests of doctor in several tiers share."""


def by_name(findings):
    return {finding.name: finding for finding in findings}
