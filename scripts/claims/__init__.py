"""The article's claims, measured: one function a claim, grouped by subject.

finding     what a measured claim is, and what each of the 18 says
dropout2d   1–3, 5–7, 9: what torch.nn.functional.dropout2d and torch.nn.Dropout2d do
memory      4, 8: bytes of a training step
dropconnect 10–12: what is masked, how smooth the maps are, how long a step takes
spatial     13–15: what is dropped, what of local features is left, parameters
studies     15–18: what only training many networks can tell
writing     findings as lines for a terminal and as Markdown
"""
