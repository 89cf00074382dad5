"""The commands that ask a service over HTTP, by the client, and show what it says.

``commands``   `upload`, `submit`, `watch`, `jobs`, `report` and others
``session``    address, exit codes, and where output goes
``display``    tables for people, lines for programs
``spec_file``  a job as a JSON or YAML file
``curl_line``  the same request as a curl command
"""
