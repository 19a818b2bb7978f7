"""Phones in numbers: Locust users that live, browse and misbehave like people."""
