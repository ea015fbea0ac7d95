"""Prove to each member that its balance is among what the venue says it owes.

``tree`` is the Merkle sum tree, ``statement`` what the venue publishes and signs, ``files`` what is
read and written.  The proof is Maxwell and Todd's proof of liabilities, with the repair of
Chalkias, Lewi, Mohassel and Nikolaenko (Distributed Auditing Proofs of Liabilities, 2020).  Each
node commits to the sums of both its children.
"""
