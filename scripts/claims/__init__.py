"""Measure the article's claims: one function per claim, grouped by subject.

finding         the type of a measured claim, and the text of all 21
dropout2d       1–3, 5–7, 9, 19: what torch.nn.functional.dropout2d and torch.nn.Dropout2d do
memory          4, 8: bytes of a training step
dropconnect     10–12: which weights share a factor, smoothness of maps, time of a step
gradients       11: whether gradients vanish less
spatial         13–15: what is dropped, which local features survive, parameters
implementations 20: each regulariser in one expression
studies         the studies that train many networks, and their runs
results         comparisons of those runs
generalisation  15, 18: channel and spatial dropout in trained networks
depth           16, 17, 21: stochastic depth beside dropout
trained         claims of the studies, or which runs they need
writing         findings as text for a terminal and as Markdown
"""
