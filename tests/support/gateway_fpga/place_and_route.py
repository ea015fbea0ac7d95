"""What the tests of place and route in several tiers share."""

from openoutcry.gateway_fpga.tools.evidence import ROOT

CARD = ROOT / "gateway_fpga" / "card"
