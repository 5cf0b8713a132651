"""Profiles, referrals and devices of users, on both databases."""
