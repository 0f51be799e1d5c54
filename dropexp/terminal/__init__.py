"""What a terminal shows: text tables, a line chart, numbers in words.

Plain values come in, lines of text go out. Nothing here knows what a run is.
"""
