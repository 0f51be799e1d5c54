"""Text for a terminal: aligned tables, a line chart, formatted numbers.

Plain values come in, lines of text go out. Nothing here knows what a run is.
"""
