"""user: profiles and who follows whom."""
