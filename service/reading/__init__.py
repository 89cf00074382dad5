"""The reader: files of users are read in a process each, which is bound and ends with its file.

``reader.py`` is the service's end, ``forks.py`` the process that readers are forked from,
``work.py`` what a reader does, ``messages.py`` what they say to each other, ``limits.py`` what a
reader may take.
"""
