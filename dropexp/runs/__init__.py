"""Looking after runs: listing, choosing, showing, removing and repeating them."""
