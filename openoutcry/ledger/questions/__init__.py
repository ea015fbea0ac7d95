"""Answer five questions about an exchange's books: as given SQL does, and as they are meant.

The module ``faithful`` runs the SQL of a directory on DuckDB, PostgreSQL or MariaDB, row for row
alike.  Another, ``corrected``, answers what the questions' text means, in integers.  Faults of the
books are found by ``anomalies``; ``sample`` makes new books, with faults planted by a seed.
"""
