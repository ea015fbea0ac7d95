"""Find abuse and keep the evidence: detectors, cases, the audit trail and the reports."""
