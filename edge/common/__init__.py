"""What every tier shares. Imports nothing else of ours."""
