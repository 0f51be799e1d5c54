"""What the doctor says about published networks: see scripts/doctor_networks.py."""
