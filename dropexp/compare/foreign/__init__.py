"""Results of other programs: a file of results comes in, a comparison goes out.

Rows of CSV, Parquet or JSON lines become settings with values by seed; they are paired, tested and
shown as runs of dropexp are.
"""
