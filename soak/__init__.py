"""Calls, drops and resumes for an hour: does the server stay as it is?"""
