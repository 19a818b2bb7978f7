"""The distributor: may this source open one more, and which worker gets it?"""
