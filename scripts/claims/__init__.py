"""Measure the article's claims: one function per claim, grouped by subject.

finding     the type of a measured claim, and the text of all 18
dropout2d   1–3, 5–7, 9: what torch.nn.functional.dropout2d and torch.nn.Dropout2d do
memory      4, 8: bytes of a training step
dropconnect 10–12: which weights share a factor, smoothness of maps, time of a step
spatial     13–15: what is dropped, which local features survive, parameters
studies     15–18: claims that need many trained networks
writing     findings as text for a terminal and as Markdown
"""
