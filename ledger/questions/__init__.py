"""Answer five questions about an exchange's books: as given SQL does, and as they are meant.

``faithful`` runs the SQL of a directory on DuckDB, PostgreSQL or MariaDB, row for row alike;
``corrected`` answers what the questions' text means, in integers; ``anomalies`` finds what is wrong
in the books.  ``sample`` makes books of its own, with faults planted by a seed.
"""
