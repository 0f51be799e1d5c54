"""Run folders come in; runs in MLflow, W&B or Trackio go out, also while the folder still grows.

It imports no torch, and a tracker's package only to send a run.
"""
