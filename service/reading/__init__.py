"""Files of users are read in processes of their own, which are limited and end with their file.

``reader``    the end of the service. The page to begin with
``forks``     the process that readers are forked from
``work``      what a reader does: read, type, look, write as Parquet
``messages``  what both say to each other
``limits``    time and memory of a reader, by its file
"""
